/*
 * Requirements for the members of an event's first argument.
 */
#include "conf/rule/check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "conf/heap.h"
#include "conf/value/string.h"
#include "conf/value/word.h"

#define CHECK_TYPES "any | string | number | integer | boolean | object | array"

/* Which of them have a size or value to bound. */
static bool
check_has_range(enum conf_check_type type)
{
	return (type == CONF_CHECK_STRING || type == CONF_CHECK_NUMBER ||
	    type == CONF_CHECK_INTEGER || type == CONF_CHECK_ARRAY);
}

/* -12, 4000, 0.5, 1e9: a JSON number, whole. */
static bool
check_number(struct slice s, double *value)
{
	char text[40], *end;

	if (s.n == 0 || s.n >= sizeof text)
		return (false);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (strspn(text, "0123456789+-.eE") != s.n ||
	    !(isdigit((unsigned char)text[0]) || text[0] == '-'))
		return (false);
	*value = strtod(text, &end);
	return (*end == '\0' && *value <= 1e300 && *value >= -1e300);
}

static const char *
check_range(struct slice range, struct conf_check *c)
{
	const uint8_t *dots;
	struct slice low, high;

	if (range.n == 0)
		return (NULL);
	dots = memmem(range.p, range.n, "..", 2);
	if (dots == NULL)
		return ("the range must be MIN..MAX, MIN.. or ..MAX");
	if (!check_has_range(c->type))
		return ("only string, number, integer and array have a range");
	low = slice_of(range.p, (size_t)(dots - range.p));
	high = slice_from(range, low.n + 2);
	c->has_min = low.n > 0;
	c->has_max = high.n > 0;
	if ((c->has_min && !check_number(low, &c->min)) ||
	    (c->has_max && !check_number(high, &c->max)))
		return ("the range has something other than numbers");
	if (c->has_min && c->has_max && c->min > c->max)
		return ("the range ends before it starts");
	return (NULL);
}

/* "TYPE" or "TYPE|null" */
static const char *
check_type(struct slice type, struct conf_check *c)
{
	static const struct slice null = SLICE("|null");
	int index;

	c->null = type.n > null.n &&
	    slice_eq(slice_from(type, type.n - null.n), null);
	if (c->null)
		type.n -= null.n;
	index = conf_word_index(CHECK_TYPES, type);
	if (index < 0)
		return ("the type must be one of " CHECK_TYPES
		    ", or one of them with |null behind it");
	c->type = (enum conf_check_type)index;
	return (NULL);
}

/* "FIELD[?]: TYPE [RANGE]" */
static const char *
check_parse(const char *text, struct conf_check *c)
{
	struct slice rest = slice_str(text), field, type;
	const uint8_t *colon = rest.n == 0 ? NULL : memchr(rest.p, ':', rest.n);
	const char *wrong;

	memset(c, 0, sizeof *c);
	if (colon == NULL)
		return ("must be \"FIELD: TYPE\" or \"FIELD?: TYPE\"");
	field = ascii_trim(slice_of(rest.p, (size_t)(colon - rest.p)));
	rest = ascii_trim(slice_from(rest, (size_t)(colon - rest.p) + 1));
	c->optional = field.n > 0 && field.p[field.n - 1] == '?';
	field.n -= c->optional;
	if (field.n == 0)
		return ("the field has no name");
	type = slice_of(rest.p, 0);
	while (type.n < rest.n && rest.p[type.n] != ' ' &&
	    rest.p[type.n] != '\t')
		type.n++;
	wrong = check_type(type, c);
	if (wrong == NULL)
		wrong = check_range(ascii_trim(slice_from(rest, type.n)), c);
	if (wrong == NULL)
		c->field = conf_strndup(field.p, field.n);
	return (wrong);
}

void
conf_free_checks(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;
	size_t i;

	(void)row;
	for (i = 0; i < event->nchecks; i++)
		free(event->checks[i].field);
	free(event->checks);
	event->checks = NULL;
	event->nchecks = 0;
}

static bool
check_repeats(const struct conf_event *event, const struct conf_check *c)
{
	size_t i;

	for (i = 0; i < event->nchecks; i++)
		if (strcmp(event->checks[i].field, c->field) == 0)
			return (true);
	return (false);
}

#define CHECKS_MAX	64	/* of one event */

void
conf_set_checks(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_event *event = object;
	struct conf_check check;
	const char *wrong;
	size_t i;

	conf_free_checks(v->row, object);
	if (v->n > CHECKS_MAX) {
		conf_value_bad(p, v, &v->tokens[0], "more than %d checks",
		    CHECKS_MAX);
		return;
	}
	if (v->n > 0)
		event->checks = conf_calloc(v->n, sizeof *event->checks);
	for (i = 0; i < v->n; i++) {
		wrong = check_parse(v->tokens[i].text, &check);
		if (wrong == NULL && check_repeats(event, &check)) {
			wrong = "the field is checked twice";
			free(check.field);
		}
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
		else
			event->checks[event->nchecks++] = check;
	}
}

/* Enough digits to read back the same. */
static void
check_print_number(double value, struct buf *out)
{
	if (value >= -1e15 && value <= 1e15 &&
	    value == (double)(int64_t)value)
		buf_printf(out, "%.0f", value);
	else
		buf_printf(out, "%.17g", value);
}

static void
check_print(const struct conf_check *c, struct buf *out)
{
	buf_printf(out, "%s%s: ", c->field, c->optional ? "?" : "");
	buf_slice(out, conf_word_at(CHECK_TYPES, c->type));
	buf_str(out, c->null ? "|null" : "");
	if (!c->has_min && !c->has_max)
		return;
	buf_byte(out, ' ');
	if (c->has_min)
		check_print_number(c->min, out);
	buf_str(out, "..");
	if (c->has_max)
		check_print_number(c->max, out);
}

void
conf_dump_checks(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	struct buf text;
	size_t i;

	(void)row;
	buf_init(&text);
	buf_byte(out, '{');
	for (i = 0; i < event->nchecks; i++) {
		buf_reset(&text);
		check_print(&event->checks[i], &text);
		buf_byte(&text, '\0');
		MUST(!text.oom);
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print((const char *)text.data, out);
	}
	buf_byte(out, '}');
	buf_fini(&text);
}
