/*
 * A schema's life, and its question; see schema.h.
 */
#include "conf/schema/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "conf/heap.h"
#include "conf/schema/regex.h"
#include "proto/json.h"

#define SCHEMA_SHOWN	60u	/* bytes of a value, in words */

/* --- life ----------------------------------------------------------------- */

struct conf_schema *
conf_schema_new(void)
{
	struct conf_schema *s = conf_calloc(1, sizeof *s);

	s->types = CONF_IS_ANY;
	s->max_chars = s->max_items = SIZE_MAX;
	s->format = CONF_FORMAT__NONE;
	return (s);
}

void
conf_schema_free(struct conf_schema **sp)
{
	struct conf_schema *s = *sp;
	size_t i;

	*sp = NULL;
	if (s == NULL)
		return;
	conf_regex_free(&s->pattern);
	free(s->pattern_text);
	conf_schema_free(&s->items);
	for (i = 0; i < s->nmembers; i++) {
		free(s->members[i].name);
		conf_schema_free(&s->members[i].schema);
	}
	for (i = 0; i < s->nvalues; i++)
		free(s->values[i]);
	for (i = 0; i < s->nany; i++)
		conf_schema_free(&s->any[i]);
	free(s->members);
	free(s->values);
	free(s->any);
	free(s);
}

struct conf_schema_member *
conf_schema_member(struct conf_schema *s, struct slice name)
{
	size_t cap = s->nmembers, i;

	for (i = 0; i < s->nmembers; i++)
		if (slice_eq(slice_str(s->members[i].name), name))
			return (&s->members[i]);
	if (s->nmembers == CONF_SCHEMA_MEMBERS)
		return (NULL);
	s->members = conf_grow(s->members, s->nmembers, &cap,
	    sizeof *s->members);
	s->members[s->nmembers] = (struct conf_schema_member){
		.name = conf_strndup(name.p, name.n),
		.schema = conf_schema_new() };
	return (&s->members[s->nmembers++]);
}

void
conf_schema_add_value(struct conf_schema *s, struct slice json)
{
	size_t cap = s->nvalues;

	s->values = conf_grow(s->values, s->nvalues, &cap, sizeof *s->values);
	MUST(s->nvalues < CONF_SCHEMA_VALUES);
	s->values[s->nvalues++] = conf_strndup(json.p, json.n);
}

/* --- what is wrong -------------------------------------------------------- */

static bool schema_fault(struct conf_fault *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);

static bool
schema_fault(struct conf_fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->why, sizeof f->why, fmt, ap);
	va_end(ap);
	return (false);
}

/* On the way out of what is wrong: what stands before it in the path. */
static bool
schema_in(struct conf_fault *f, struct slice name)
{
	if (name.n + 1 > f->at)
		return (false);
	f->at -= name.n;
	if (name.n != 0)
		memcpy(f->path + f->at, name.p, name.n);
	f->path[--f->at] = '/';
	return (false);
}

/* --- values --------------------------------------------------------------- */

/* A turn ends some time, whatever the value is. */
static bool
schema_may_go_on(struct conf_fault *f)
{
	return (f->work <= CONF_SCHEMA_WORK || schema_fault(f,
	    "takes too long to check"));
}

static unsigned
schema_type_of(struct slice v)
{
	int64_t i;

	switch (json_type(v)) {
	case JSON_NULL:
		return (CONF_IS_NULL);
	case JSON_TRUE:
	case JSON_FALSE:
		return (CONF_IS_BOOLEAN);
	case JSON_NUMBER:
		return (json_int(v, &i) ? CONF_IS_INTEGER | CONF_IS_NUMBER :
		    CONF_IS_NUMBER);
	case JSON_STRING:
		return (CONF_IS_STRING);
	case JSON_ARRAY:
		return (CONF_IS_ARRAY);
	case JSON_OBJECT:
		return (CONF_IS_OBJECT);
	case JSON_NONE:
		break;
	}
	return (0);
}

static bool
schema_is_type(const struct conf_schema *s, unsigned is, struct conf_fault *f)
{
	static const char *const names[] = { "null", "boolean", "integer",
		"number", "string", "array", "object" };
	char text[72] = "";
	size_t i, n = 0;

	if ((s->types & is) != 0)
		return (true);
	for (i = 0; i < nitems(names); i++)
		if ((s->types & 1U << i) != 0)
			n += (size_t)snprintf(text + n, sizeof text - n,
			    "%s%s", n == 0 ? "" : " or ", names[i]);
	return (schema_fault(f, "must be %s", text));
}

/* Scalars: numbers by their value, strings by what they mean. */
static bool
schema_same(struct slice a, struct slice b)
{
	uint8_t x[CONF_REGEX_BYTES], y[CONF_REGEX_BYTES];
	double da, db;

	if (json_type(a) != json_type(b))
		return (false);
	if (json_type(a) == JSON_NUMBER)
		return (json_double(a, &da) && json_double(b, &db) && da == db);
	if (json_type(a) != JSON_STRING || slice_eq(a, b))
		return (json_type(a) != JSON_STRING || slice_eq(a, b));
	if (json_plain_size(a, 0) > sizeof x || json_plain_size(b, 0) > sizeof y)
		return (false);
	return (slice_eq(slice_of(x, (size_t)(json_plain_to(x, a, 0) - x)),
	    slice_of(y, (size_t)(json_plain_to(y, b, 0) - y))));
}

static bool
schema_is_value(const struct conf_schema *s, struct slice v,
    struct conf_fault *f)
{
	struct slice one;
	size_t i;

	f->work += s->nvalues * (1 + v.n / 16);
	for (i = 0; i < s->nvalues; i++)
		if (schema_same(v, slice_str(s->values[i])))
			return (true);
	if (s->nvalues == 1) {
		one = slice_str(s->values[0]);
		one.n = utf8_cut(slice_of(one.p, one.n < SCHEMA_SHOWN ?
		    one.n : SCHEMA_SHOWN));
		return (schema_fault(f, "must be %.*s", (int)one.n,
		    (const char *)one.p));
	}
	return (s->nvalues == 0 || schema_fault(f,
	    "is none of the %zu values that it may be", s->nvalues));
}

/* Of a whole number; above 2^63 nothing is. */
static bool
schema_is_multiple(double d, int64_t of)
{
	return (d > -9.2e18 && d < 9.2e18 && d == (double)(int64_t)d &&
	    (int64_t)d % of == 0);
}

static bool
schema_number(const struct conf_schema *s, struct slice v,
    struct conf_fault *f)
{
	double d;

	if (!json_double(v, &d))
		return (!(s->has_min || s->has_max || s->multiple != 0) ||
		    schema_fault(f, "is too large"));
	if (s->has_min && (s->above ? d <= s->min : d < s->min))
		return (schema_fault(f, "must be %s %.15g", s->above ?
		    "more than" : "at least", s->min));
	if (s->has_max && (s->below ? d >= s->max : d > s->max))
		return (schema_fault(f, "must be %s %.15g", s->below ?
		    "less than" : "at most", s->max));
	return (s->multiple == 0 || schema_is_multiple(d, s->multiple) ||
	    schema_fault(f, "must be a multiple of %lld",
	    (long long)s->multiple));
}

static bool
schema_text(const struct conf_schema *s, struct slice v, struct conf_fault *f)
{
	uint8_t text[CONF_REGEX_BYTES];
	struct slice plain;

	if (json_plain_size(v, 0) > sizeof text)
		return (schema_fault(f, "longer than 4096 bytes"));
	plain = slice_of(text, (size_t)(json_plain_to(text, v, 0) - text));
	if (s->pattern != NULL && !conf_regex_match(s->pattern, plain,
	    &f->work))
		return (schema_fault(f, "does not match its pattern"));
	return (conf_format_holds(s->format, plain) || schema_fault(f,
	    "is no %s", (const char *[]){ "date-time", "date", "time", "email",
	    "uuid", "uri", "ipv4", "ipv6" }[s->format]));
}

static bool
schema_string(const struct conf_schema *s, struct slice v,
    struct conf_fault *f)
{
	size_t n;

	if (s->min_chars != 0 || s->max_chars != SIZE_MAX) {
		n = json_string_chars(v);
		if (n < s->min_chars)
			return (schema_fault(f, "shorter than %zu",
			    s->min_chars));
		if (n > s->max_chars)
			return (schema_fault(f, "longer than %zu",
			    s->max_chars));
	}
	return ((s->pattern == NULL && s->format == CONF_FORMAT__NONE) ||
	    schema_text(s, v, f));
}

static bool schema_at(const struct conf_schema *, struct slice,
	    struct conf_fault *);

static bool
schema_array(const struct conf_schema *s, struct slice v, struct conf_fault *f)
{
	struct slice key, element;
	struct json_iter it;
	char number[24];
	size_t n = 0;

	if (s->items == NULL && s->min_items == 0 && s->max_items == SIZE_MAX)
		return (true);
	MUST(json_enter(v, &it));
	while (json_next(&it, &key, &element)) {
		if (n++ == s->max_items)
			return (schema_fault(f, "more than %zu elements",
			    s->max_items));
		if (s->items == NULL || schema_at(s->items, element, f))
			continue;
		(void)snprintf(number, sizeof number, "%zu", n - 1);
		return (schema_in(f, slice_str(number)));
	}
	return (n >= s->min_items || schema_fault(f,
	    "fewer than %zu elements", s->min_items));
}

/* The place of the member of this name; nmembers: there is none. */
static size_t
schema_place(const struct conf_schema *s, struct slice key)
{
	size_t i;

	for (i = 0; i < s->nmembers; i++)
		if (json_string_eq(key, slice_str(s->members[i].name)))
			break;
	return (i);
}

/* A member is checked each time that it is there: who reads it may take any. */
static bool
schema_object(const struct conf_schema *s, struct slice v,
    struct conf_fault *f)
{
	struct slice key, value, name;
	struct json_iter it;
	uint64_t seen = 0;
	size_t i;

	if (s->nmembers == 0 && !s->closed)
		return (true);
	MUST(json_enter(v, &it));
	while (json_next(&it, &key, &value)) {
		f->work += s->nmembers;
		i = schema_place(s, key);
		name = slice_of(key.p + 1, key.n - 2);
		if (s->closed && (i == s->nmembers ||
		    !s->members[i].declared)) {
			(void)schema_fault(f, "is not known here");
			return (schema_in(f, name));
		}
		if (i == s->nmembers)
			continue;
		seen |= UINT64_C(1) << i;
		if (!schema_at(s->members[i].schema, value, f))
			return (schema_in(f, name));
	}
	for (i = 0; i < s->nmembers; i++)
		if (s->members[i].required && (seen >> i & 1) == 0) {
			(void)schema_fault(f, "is missing");
			return (schema_in(f, slice_str(s->members[i].name)));
		}
	return (true);
}

static bool
schema_any(const struct conf_schema *s, struct slice v, struct conf_fault *f)
{
	size_t at = f->at, i;

	for (i = 0; i < s->nany; i++) {
		f->at = at;
		if (schema_at(s->any[i], v, f))
			return (true);
	}
	f->at = at;
	return (s->nany == 0 || (schema_may_go_on(f) && schema_fault(f,
	    "is none of the %zu kinds that it may be", s->nany)));
}

/* As deep as schemas are in each other. */
static bool
schema_at(const struct conf_schema *s, struct slice v, struct conf_fault *f)
{
	unsigned is = schema_type_of(v);

	f->work += 1 + v.n / 64;
	if (!schema_may_go_on(f) || !schema_is_type(s, is, f) ||
	    !schema_is_value(s, v, f))
		return (false);
	if ((is & CONF_IS_NUMBER) != 0 && !schema_number(s, v, f))
		return (false);
	if (is == CONF_IS_STRING && !schema_string(s, v, f))
		return (false);
	if (is == CONF_IS_ARRAY && !schema_array(s, v, f))
		return (false);
	if (is == CONF_IS_OBJECT && !schema_object(s, v, f))
		return (false);
	return (schema_any(s, v, f));
}

bool
conf_schema_holds(const struct conf_schema *s, struct slice value,
    struct conf_fault *f)
{
	f->at = sizeof f->path - 1;
	f->path[f->at] = '\0';
	f->work = 0;
	if (value.n == 0)
		return (schema_fault(f, "is missing"));
	return (schema_at(s, value, f));
}
