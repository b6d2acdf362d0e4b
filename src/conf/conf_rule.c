/*
 * The rules of namespaces, from their text and back.
 */
#include "conf/conf_rule.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "conf/conf_list.h"
#include "conf/conf_match.h"
#include "conf/conf_name.h"
#include "conf/conf_text.h"

void
conf_set_eventname(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	const char *name = v->tokens[0].text;
	const char *bad = *name == '\0' ? NULL : conf_event_name_bad(name);
	char **field = conf_field_of(v->row, object);

	if (bad == NULL && strcmp(name, "*") == 0)
		bad = "\"*\" is not a name";
	if (bad != NULL) {
		conf_value_bad(p, v, &v->tokens[0], "%s", bad);
		return;
	}
	free(*field);
	*field = *name == '\0' ? NULL : conf_json_string(name);
}

void
conf_dump_eventname(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	const char *json;

	memcpy(&json, conf_field_in(row, object), sizeof(json));
	conf_json_print(json == NULL || json == event->name_json ? "\"\"" :
	    json, out);
}

/* "prefix:REST" with something behind the colon: REST; else NULL. */
static const char *
argument(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return (strncmp(text, prefix, n) == 0 && text[n] == ':' &&
	    text[n + 1] != '\0' ? text + n + 1 : NULL);
}

/* --- join ----------------------------------------------------------------- */

/* "a,b": each a parameter of the room's pattern. */
static bool
self_params(const struct conf_room *room, const char *names, unsigned *bits)
{
	size_t n;
	int index;

	for (*bits = 0;; names += n + 1) {
		n = strcspn(names, ",");
		index = conf_pattern_param(&room->pattern, slice_of(names, n));
		if (index < 0)
			return (false);
		*bits |= 1U << index;
		if (names[n] == '\0')
			return (true);
	}
}

static void
set_join(struct conf_room *room, enum conf_join join, const char *claim,
    unsigned self)
{
	free(room->claim);
	room->join = join;
	room->claim = claim == NULL ? NULL : conf_strdup(claim);
	room->self = self;
}

void
conf_set_join(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_room *room = object;
	const char *text = v->tokens[0].text;
	const char *claim = argument(text, "claim");
	const char *self = argument(text, "self");
	bool no_pattern = room->pattern.text == NULL;	/* reported already */
	unsigned bits = 0;

	if (strcmp(text, "open") == 0)
		set_join(room, CONF_JOIN_OPEN, NULL, 0);
	else if (strcmp(text, "server") == 0)
		set_join(room, CONF_JOIN_SERVER, NULL, 0);
	else if (claim != NULL && (no_pattern || room->pattern.nparams > 0))
		set_join(room, CONF_JOIN_CLAIM, claim, 0);
	else if (claim != NULL)
		conf_value_bad(p, v, &v->tokens[0],
		    "the room's name has no {parameter} to look up");
	else if (self != NULL && (no_pattern ||
	    self_params(room, self, &bits)))
		set_join(room, CONF_JOIN_SELF, NULL, bits);
	else if (self != NULL)
		conf_value_bad(p, v, &v->tokens[0],
		    "not all of them are {parameters} of the room's name");
	else
		conf_value_bad(p, v, &v->tokens[0], "must be one of %s",
		    v->row->range);
}

static void
print_self(const struct conf_room *room, struct buf *out)
{
	unsigned index = 0;
	bool comma = false;

	buf_str(out, "self:");
	for (size_t i = 0; i < room->pattern.npieces; i++) {
		if (!room->pattern.pieces[i].param)
			continue;
		if ((room->self & 1U << index++) == 0)
			continue;
		buf_str(out, comma ? "," : "");
		buf_str(out, room->pattern.pieces[i].text);
		comma = true;
	}
}

void
conf_dump_join(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_room *room = object;
	struct buf text;

	(void)row;
	buf_init(&text);
	switch (room->join) {
	case CONF_JOIN_OPEN:
		buf_str(&text, "open");
		break;
	case CONF_JOIN_SERVER:
		buf_str(&text, "server");
		break;
	case CONF_JOIN_CLAIM:
		buf_printf(&text, "claim:%s", room->claim);
		break;
	case CONF_JOIN_SELF:
		print_self(room, &text);
		break;
	}
	buf_byte(&text, '\0');
	MUST(!text.oom);
	conf_string_print((const char *)text.data, out);
	buf_fini(&text);
}

void
conf_free_join(const struct conf_directive *row, void *object)
{
	struct conf_room *room = object;

	(void)row;
	free(room->claim);
	room->claim = NULL;
}

/* --- to ------------------------------------------------------------------- */

static const struct {
	const char	*name;
	enum conf_to	 to;
	bool		 field;		/* is followed by :FIELD */
} receivers[] = {
	{ "room", CONF_TO_ROOM, true },
	{ "user", CONF_TO_USER, true },
	{ "namespace", CONF_TO_NAMESPACE, false },
	{ "sender", CONF_TO_SENDER, false },
	{ "nowhere", CONF_TO_NOWHERE, false },
};

void
conf_set_to(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_event *event = object;
	const char *text = v->tokens[0].text, *field;
	size_t i, n = strcspn(text, ":");

	for (i = 0; i < nitems(receivers); i++)
		if (slice_eq(slice_str(receivers[i].name), slice_of(text, n)))
			break;
	if (i == nitems(receivers) || (!receivers[i].field && text[n] != '\0'))
		conf_value_bad(p, v, &v->tokens[0], "must be one of %s",
		    v->row->range);
	else if (receivers[i].field && argument(text, receivers[i].name) ==
	    NULL)
		conf_value_bad(p, v, &v->tokens[0], "needs the member of the "
		    "first argument that names it: %s:FIELD",
		    receivers[i].name);
	else {
		field = argument(text, receivers[i].name);
		free(event->field);
		event->to = receivers[i].to;
		event->field = field == NULL ? NULL : conf_strdup(field);
	}
}

void
conf_dump_to(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	struct buf text;

	(void)row;
	buf_init(&text);
	for (size_t i = 0; i < nitems(receivers); i++)
		if (receivers[i].to == event->to)
			buf_str(&text, receivers[i].name);
	if (event->field != NULL)
		buf_printf(&text, ":%s", event->field);
	buf_byte(&text, '\0');
	MUST(!text.oom);
	conf_string_print((const char *)text.data, out);
	buf_fini(&text);
}

void
conf_free_to(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;

	(void)row;
	free(event->field);
	event->field = NULL;
}

/* --- check ---------------------------------------------------------------- */

#define CHECK_TYPES "any | string | number | integer | boolean | object | array"

/* Which of them have a size or value to bound. */
static bool
has_range(enum conf_check_type type)
{
	return (type == CONF_CHECK_STRING || type == CONF_CHECK_NUMBER ||
	    type == CONF_CHECK_INTEGER || type == CONF_CHECK_ARRAY);
}

/* -12, 4000, 0.5, 1e9: a JSON number, whole. */
static bool
number(struct slice s, double *value)
{
	char text[40], *end;

	if (s.n == 0 || s.n >= sizeof(text))
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
parse_range(struct slice range, struct conf_check *c)
{
	const uint8_t *dots;
	struct slice low, high;

	if (range.n == 0)
		return (NULL);
	dots = memmem(range.p, range.n, "..", 2);
	if (dots == NULL)
		return ("the range must be MIN..MAX, MIN.. or ..MAX");
	if (!has_range(c->type))
		return ("only string, number, integer and array have a range");
	low = slice_of(range.p, (size_t)(dots - range.p));
	high = slice_from(range, low.n + 2);
	c->has_min = low.n > 0;
	c->has_max = high.n > 0;
	if ((c->has_min && !number(low, &c->min)) ||
	    (c->has_max && !number(high, &c->max)))
		return ("the range has something other than numbers");
	if (c->has_min && c->has_max && c->min > c->max)
		return ("the range ends before it starts");
	return (NULL);
}

/* "TYPE" or "TYPE|null" */
static const char *
parse_type(struct slice type, struct conf_check *c)
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
parse_check(const char *text, struct conf_check *c)
{
	struct slice rest = slice_str(text), field, type;
	const uint8_t *colon = rest.n == 0 ? NULL : memchr(rest.p, ':', rest.n);
	const char *wrong;

	memset(c, 0, sizeof(*c));
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
	wrong = parse_type(type, c);
	if (wrong == NULL)
		wrong = parse_range(ascii_trim(slice_from(rest, type.n)), c);
	if (wrong == NULL)
		c->field = conf_strndup(field.p, field.n);
	return (wrong);
}

void
conf_free_checks(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;

	(void)row;
	for (size_t i = 0; i < event->nchecks; i++)
		free(event->checks[i].field);
	free(event->checks);
	event->checks = NULL;
	event->nchecks = 0;
}

static bool
check_repeats(const struct conf_event *event, const struct conf_check *c)
{
	for (size_t i = 0; i < event->nchecks; i++)
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

	conf_free_checks(v->row, object);
	if (v->n > CHECKS_MAX) {
		conf_value_bad(p, v, &v->tokens[0], "more than %d checks",
		    CHECKS_MAX);
		return;
	}
	if (v->n > 0)
		event->checks = conf_calloc(v->n, sizeof(*event->checks));
	for (size_t i = 0; i < v->n; i++) {
		wrong = parse_check(v->tokens[i].text, &check);
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
print_number(double value, struct buf *out)
{
	if (value >= -1e15 && value <= 1e15 &&
	    value == (double)(int64_t)value)
		buf_printf(out, "%.0f", value);
	else
		buf_printf(out, "%.17g", value);
}

static void
print_check(const struct conf_check *c, struct buf *out)
{
	buf_printf(out, "%s%s: ", c->field, c->optional ? "?" : "");
	buf_slice(out, conf_word_at(CHECK_TYPES, c->type));
	buf_str(out, c->null ? "|null" : "");
	if (!c->has_min && !c->has_max)
		return;
	buf_byte(out, ' ');
	if (c->has_min)
		print_number(c->min, out);
	buf_str(out, "..");
	if (c->has_max)
		print_number(c->max, out);
}

void
conf_dump_checks(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	struct buf text;

	(void)row;
	buf_init(&text);
	buf_byte(out, '{');
	for (size_t i = 0; i < event->nchecks; i++) {
		buf_reset(&text);
		print_check(&event->checks[i], &text);
		buf_byte(&text, '\0');
		MUST(!text.oom);
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print((const char *)text.data, out);
	}
	buf_byte(out, '}');
	buf_fini(&text);
}

/* --- routes --------------------------------------------------------------- */

void
conf_set_nsref(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_route *route = object;
	const char *name = v->tokens[0].text;

	route->ns = conf_namespace_find(p->conf, slice_str(name));
	if (route->ns == NULL)
		conf_value_bad(p, v, &v->tokens[0], "there is no such namespace"
		    "%s", *name == '/' ? "" : " (its name starts with \"/\")");
}

void
conf_set_nsnames(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	for (size_t i = 0; i < v->n; i++)
		if (conf_namespace_find(p->conf,
		    slice_str(v->tokens[i].text)) == NULL)
			conf_value_bad(p, v, &v->tokens[i],
			    "there is no such namespace%s",
			    v->tokens[i].text[0] == '/' ? "" :
			    " (its name starts with \"/\")");
	conf_set_strings(p, v, object);
}

void
conf_dump_nsref(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_route *route = object;

	(void)row;
	conf_string_print(route->ns->name, out);
}

void
conf_free_template(const struct conf_directive *row, void *object)
{
	struct conf_route *route = object;

	(void)row;
	conf_pieces_free(route->join, route->njoin);
	route->join = NULL;
	route->njoin = 0;
}

void
conf_set_template(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_route *route = object;
	const struct conf_piece *piece;
	const char *wrong;

	conf_free_template(v->row, object);
	wrong = conf_template_parse(v->tokens[0].text, &route->join,
	    &route->njoin);
	if (wrong != NULL)
		conf_value_bad(p, v, &v->tokens[0], "%s", wrong);
	for (size_t i = 0; i < route->njoin; i++) {
		piece = &route->join[i];
		if (piece->param && route->path.text != NULL &&
		    conf_pattern_param(&route->path,
		    slice_of(piece->text, piece->len)) < 0)
			conf_value_bad(p, v, &v->tokens[0],
			    "the path has no parameter {%s}", piece->text);
	}
}

void
conf_dump_template(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_route *route = object;
	struct buf text;

	(void)row;
	buf_init(&text);
	conf_pieces_print(route->join, route->njoin, &text);
	buf_byte(&text, '\0');
	MUST(!text.oom);
	conf_string_print((const char *)text.data, out);
	buf_fini(&text);
}
