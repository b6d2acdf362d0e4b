/*
 * JSON Schema, as much of it as a schema can say; a word that it cannot say is
 * an error, since what is not checked would seem to be.  See schema.h.
 */
#include "conf/schema/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/schema/regex.h"
#include "proto/json.h"

struct reader {
	const uint8_t	*at;		/* what is wrong, and where */
	char		 wrong[160];
	unsigned	 depth;
};

static bool read_schema_bad(struct reader *, struct slice at, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

static bool
read_schema_bad(struct reader *x, struct slice at, const char *fmt, ...)
{
	va_list ap;

	if (x->at == NULL) {
		va_start(ap, fmt);
		(void)vsnprintf(x->wrong, sizeof x->wrong, fmt, ap);
		va_end(ap);
		x->at = at.p;
	}
	return (false);
}

static bool read_schema_whole(struct reader *, struct conf_schema *, struct slice);

/* --- words ---------------------------------------------------------------- */

static bool
read_schema_type_word(struct reader *x, struct conf_schema *s, struct slice v)
{
	static const char *const names[] = { "null", "boolean", "integer",
		"number", "string", "array", "object" };
	size_t i;

	for (i = 0; i < nitems(names); i++)
		if (json_type(v) == JSON_STRING &&
		    json_string_eq(v, slice_str(names[i]))) {
			s->types |= 1U << i;
			return (true);
		}
	return (read_schema_bad(x, v, "type: %.*s is no type",
	    (int)(v.n > 40 ? 40 : v.n), (const char *)v.p));
}

static bool
read_schema_type(struct reader *x, struct conf_schema *s, struct slice v)
{
	struct slice key, element;
	struct json_iter it;

	s->types = 0;
	if (json_type(v) != JSON_ARRAY)
		return (read_schema_type_word(x, s, v));
	MUST(json_enter(v, &it));
	while (json_next(&it, &key, &element))
		if (!read_schema_type_word(x, s, element))
			return (false);
	return (s->types != 0 || read_schema_bad(x, v, "type: there is none"));
}

static bool
read_schema_value(struct reader *x, struct conf_schema *s, struct slice v)
{
	if (json_type(v) == JSON_OBJECT || json_type(v) == JSON_ARRAY)
		return (read_schema_bad(x, v, "enum and const take no objects and "
		    "arrays here"));
	if (s->nvalues == CONF_SCHEMA_VALUES)
		return (read_schema_bad(x, v, "more than 256 values"));
	conf_schema_add_value(s, v);
	return (true);
}

static bool
read_schema_enum(struct reader *x, struct conf_schema *s, struct slice v)
{
	struct slice key, element;
	struct json_iter it;

	if (json_type(v) != JSON_ARRAY || !json_enter(v, &it))
		return (read_schema_bad(x, v, "enum must be an array"));
	while (json_next(&it, &key, &element))
		if (!read_schema_value(x, s, element))
			return (false);
	return (s->nvalues != 0 || read_schema_bad(x, v, "enum has no value"));
}

static bool
read_schema_double(struct reader *x, struct slice v, const char *word, double *d)
{
	return ((json_type(v) == JSON_NUMBER && json_double(v, d)) ||
	    read_schema_bad(x, v, "%s must be a number", word));
}

static bool
read_schema_size(struct reader *x, struct slice v, const char *word, size_t *n)
{
	int64_t i;

	if (json_type(v) != JSON_NUMBER || !json_int(v, &i) || i < 0)
		return (read_schema_bad(x, v, "%s must be a whole number, 0 or more",
		    word));
	*n = (size_t)i;
	return (true);
}

/* The nearer one of minimum and exclusiveMinimum counts. */
static bool
read_schema_min(struct reader *x, struct conf_schema *s, struct slice v, bool open)
{
	double d;

	if (!read_schema_double(x, v, open ? "exclusiveMinimum" : "minimum", &d))
		return (false);
	if (!s->has_min || d > s->min || (d == s->min && open)) {
		s->min = d;
		s->above = open;
	}
	s->has_min = true;
	return (true);
}

static bool
read_schema_max(struct reader *x, struct conf_schema *s, struct slice v, bool open)
{
	double d;

	if (!read_schema_double(x, v, open ? "exclusiveMaximum" : "maximum", &d))
		return (false);
	if (!s->has_max || d < s->max || (d == s->max && open)) {
		s->max = d;
		s->below = open;
	}
	s->has_max = true;
	return (true);
}

static bool
read_schema_multiple(struct reader *x, struct conf_schema *s, struct slice v)
{
	int64_t i;

	if (json_type(v) != JSON_NUMBER || !json_int(v, &i) || i < 1)
		return (read_schema_bad(x, v, "multipleOf must be a whole number "
		    "here, 1 or more"));
	s->multiple = i;
	return (true);
}

/* A string without its quotes, on the heap; NULL: it is none. */
static char *
read_schema_string(struct reader *x, struct slice v, const char *word)
{
	char *text, *end;

	if (json_type(v) != JSON_STRING || json_plain_size(v, 0) >
	    CONF_REGEX_BYTES) {
		(void)read_schema_bad(x, v, "%s must be a string", word);
		return (NULL);
	}
	text = conf_calloc(json_plain_size(v, 0) + 1, 1);
	end = (char *)json_plain_to((uint8_t *)text, v, 0);
	if (memchr(text, 0, (size_t)(end - text)) == NULL)
		return (text);
	free(text);
	(void)read_schema_bad(x, v, "%s has a zero byte", word);
	return (NULL);
}

static bool
read_schema_pattern(struct reader *x, struct conf_schema *s, struct slice v)
{
	const char *wrong;

	s->pattern_text = read_schema_string(x, v, "pattern");
	if (s->pattern_text == NULL)
		return (false);
	s->pattern = conf_regex_new(s->pattern_text, &wrong);
	return (s->pattern != NULL || read_schema_bad(x, v, "%s", wrong));
}

static bool
read_schema_format(struct reader *x, struct conf_schema *s, struct slice v)
{
	static const char *const names[] = { "date-time", "date", "time",
		"email", "uuid", "uri", "ipv4", "ipv6" };
	size_t i;

	for (i = 0; i < nitems(names); i++)
		if (json_type(v) == JSON_STRING &&
		    json_string_eq(v, slice_str(names[i]))) {
			s->format = (enum conf_format_of)i;
			return (true);
		}
	return (read_schema_bad(x, v, "format must be one of " CONF_FORMATS));
}

/* --- schemas in it -------------------------------------------------------- */

static bool
read_schema_items(struct reader *x, struct conf_schema *s, struct slice v)
{
	s->items = conf_schema_new();
	return (read_schema_whole(x, s->items, v));
}

static struct conf_schema_member *
read_schema_member(struct reader *x, struct conf_schema *s, struct slice raw)
{
	char *name = read_schema_string(x, raw, "a property's name");
	struct conf_schema_member *m;

	if (name == NULL)
		return (NULL);
	m = conf_schema_member(s, slice_str(name));
	free(name);
	if (m == NULL)
		(void)read_schema_bad(x, raw, "more than 64 properties of an "
		    "object");
	return (m);
}

static bool
read_schema_properties(struct reader *x, struct conf_schema *s, struct slice v)
{
	struct conf_schema_member *m;
	struct slice key, value;
	struct json_iter it;

	if (json_type(v) != JSON_OBJECT || !json_enter(v, &it))
		return (read_schema_bad(x, v, "properties must be an object"));
	while (json_next(&it, &key, &value)) {
		m = read_schema_member(x, s, key);
		if (m == NULL)
			return (false);
		if (m->declared)
			return (read_schema_bad(x, key, "the property is there "
			    "already"));
		m->declared = true;
		if (!read_schema_whole(x, m->schema, value))
			return (false);
	}
	return (true);
}

static bool
read_schema_required(struct reader *x, struct conf_schema *s, struct slice v)
{
	struct conf_schema_member *m;
	struct slice key, element;
	struct json_iter it;

	if (json_type(v) != JSON_ARRAY || !json_enter(v, &it))
		return (read_schema_bad(x, v, "required must be an array"));
	while (json_next(&it, &key, &element)) {
		m = read_schema_member(x, s, element);
		if (m == NULL)
			return (false);
		m->required = true;
	}
	return (true);
}

static bool
read_schema_closed(struct reader *x, struct conf_schema *s, struct slice v)
{
	s->closed = json_type(v) == JSON_FALSE;
	return (s->closed || json_type(v) == JSON_TRUE ||
	    read_schema_bad(x, v, "additionalProperties must be true or false "
	    "here"));
}

static bool
read_schema_any(struct reader *x, struct conf_schema *s, struct slice v)
{
	struct slice key, element;
	struct json_iter it;

	if (json_type(v) != JSON_ARRAY || !json_enter(v, &it))
		return (read_schema_bad(x, v, "anyOf must be an array"));
	s->any = conf_calloc(CONF_SCHEMA_ANY, sizeof(struct conf_schema *));
	while (json_next(&it, &key, &element)) {
		if (s->nany == CONF_SCHEMA_ANY)
			return (read_schema_bad(x, v, "more than 16 in anyOf"));
		s->any[s->nany] = conf_schema_new();
		if (!read_schema_whole(x, s->any[s->nany++], element))
			return (false);
	}
	return (s->nany != 0 || read_schema_bad(x, v, "anyOf has no schema"));
}

/* --- a schema ------------------------------------------------------------- */

enum word { WORD_TYPE, WORD_ENUM, WORD_CONST, WORD_MINIMUM, WORD_MAXIMUM,
	WORD_ABOVE, WORD_BELOW, WORD_MULTIPLE, WORD_MIN_LENGTH, WORD_MAX_LENGTH,
	WORD_PATTERN, WORD_FORMAT, WORD_ITEMS, WORD_MIN_ITEMS, WORD_MAX_ITEMS,
	WORD_PROPERTIES, WORD_REQUIRED, WORD_ADDITIONAL, WORD_ANY, WORD_NOTE };

static const struct {
	const char	*name;
	enum word	 word;
} known[] = {
	{ "type", WORD_TYPE }, { "enum", WORD_ENUM }, { "const", WORD_CONST },
	{ "minimum", WORD_MINIMUM }, { "maximum", WORD_MAXIMUM },
	{ "exclusiveMinimum", WORD_ABOVE }, { "exclusiveMaximum", WORD_BELOW },
	{ "multipleOf", WORD_MULTIPLE }, { "minLength", WORD_MIN_LENGTH },
	{ "maxLength", WORD_MAX_LENGTH }, { "pattern", WORD_PATTERN },
	{ "format", WORD_FORMAT }, { "items", WORD_ITEMS },
	{ "minItems", WORD_MIN_ITEMS }, { "maxItems", WORD_MAX_ITEMS },
	{ "properties", WORD_PROPERTIES }, { "required", WORD_REQUIRED },
	{ "additionalProperties", WORD_ADDITIONAL }, { "anyOf", WORD_ANY },
	/* what is for people */
	{ "$schema", WORD_NOTE }, { "$id", WORD_NOTE }, { "title", WORD_NOTE },
	{ "description", WORD_NOTE }, { "$comment", WORD_NOTE },
	{ "default", WORD_NOTE }, { "examples", WORD_NOTE },
	{ "deprecated", WORD_NOTE }, { "readOnly", WORD_NOTE },
	{ "writeOnly", WORD_NOTE },
};

static bool
read_schema_word(struct reader *x, struct conf_schema *s, enum word word,
    struct slice v)
{
	switch (word) {
	case WORD_TYPE:
		return (read_schema_type(x, s, v));
	case WORD_ENUM:
		return (read_schema_enum(x, s, v));
	case WORD_CONST:
		return (read_schema_value(x, s, v));
	case WORD_MINIMUM:
	case WORD_ABOVE:
		return (read_schema_min(x, s, v, word == WORD_ABOVE));
	case WORD_MAXIMUM:
	case WORD_BELOW:
		return (read_schema_max(x, s, v, word == WORD_BELOW));
	case WORD_MULTIPLE:
		return (read_schema_multiple(x, s, v));
	case WORD_MIN_LENGTH:
		return (read_schema_size(x, v, "minLength", &s->min_chars));
	case WORD_MAX_LENGTH:
		return (read_schema_size(x, v, "maxLength", &s->max_chars));
	case WORD_PATTERN:
		return (read_schema_pattern(x, s, v));
	case WORD_FORMAT:
		return (read_schema_format(x, s, v));
	case WORD_ITEMS:
		return (read_schema_items(x, s, v));
	case WORD_MIN_ITEMS:
		return (read_schema_size(x, v, "minItems", &s->min_items));
	case WORD_MAX_ITEMS:
		return (read_schema_size(x, v, "maxItems", &s->max_items));
	case WORD_PROPERTIES:
		return (read_schema_properties(x, s, v));
	case WORD_REQUIRED:
		return (read_schema_required(x, s, v));
	case WORD_ADDITIONAL:
		return (read_schema_closed(x, s, v));
	case WORD_ANY:
		return (read_schema_any(x, s, v));
	case WORD_NOTE:
		break;
	}
	return (true);
}

/* Which of the words it is; once said is said. */
static bool
read_schema_known(struct reader *x, struct conf_schema *s, struct slice key,
    struct slice v, uint32_t *said)
{
	size_t i;

	for (i = 0; i < nitems(known); i++) {
		if (!json_string_eq(key, slice_str(known[i].name)))
			continue;
		if ((*said >> i & 1) != 0)
			return (read_schema_bad(x, key, "%s is there already",
			    known[i].name));
		*said |= 1U << i;
		return (read_schema_word(x, s, known[i].word, v));
	}
	return (read_schema_bad(x, key, "%.*s is not supported",
	    (int)(key.n > 60 ? 60 : key.n), (const char *)key.p));
}

static bool
read_schema_whole(struct reader *x, struct conf_schema *s, struct slice v)
{
	struct slice key, value;
	struct json_iter it;
	uint32_t said = 0;

	if (json_type(v) == JSON_TRUE)
		return (true);
	if (json_type(v) != JSON_OBJECT || !json_enter(v, &it))
		return (read_schema_bad(x, v, "a schema must be an object, or "
		    "true"));
	if (x->depth == CONF_SCHEMA_DEPTH)
		return (read_schema_bad(x, v, "more than 16 schemas in each "
		    "other"));
	x->depth++;
	while (json_next(&it, &key, &value))
		if (!read_schema_known(x, s, key, value, &said))
			return (false);
	x->depth--;
	/* both would have to hold */
	return ((said & 6) != 6 || read_schema_bad(x, v,
	    "enum and const are not supported together"));
}

struct conf_schema *
conf_schema_read(struct slice text, const char **wrong, int *line)
{
	static struct reader x;
	struct conf_schema *s = conf_schema_new();
	const uint8_t *p;
	struct slice v;

	x = (struct reader){ .at = NULL };
	if (json_value(text, &v) != (ssize_t)text.n || text.n == 0)
		(void)read_schema_bad(&x, text, "is no JSON");
	else
		(void)read_schema_whole(&x, s, v);
	if (x.wrong[0] == '\0')
		return (s);
	*wrong = x.wrong;
	*line = 1;
	for (p = text.p; x.at != NULL && p < x.at; p++)
		*line += *p == '\n';
	conf_schema_free(&s);
	return (NULL);
}
