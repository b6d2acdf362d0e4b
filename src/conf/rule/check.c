/*
 * Requirements for an event's first argument; see check.h.  A line of check says
 * something of one member, by its path; all lines together are one schema.
 */
#include "conf/rule/check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "conf/heap.h"
#include "conf/schema/regex.h"
#include "conf/schema/schema.h"
#include "conf/value/list.h"
#include "conf/value/string.h"
#include "conf/value/word.h"
#include "proto/json.h"

#define CHECK_TYPES "any | string | number | integer | boolean | object | array"
static const unsigned check_bits[] = { CONF_IS_ANY, CONF_IS_STRING,
	CONF_IS_NUMBER, CONF_IS_INTEGER, CONF_IS_BOOLEAN, CONF_IS_OBJECT,
	CONF_IS_ARRAY };

/* --- what a member must be ------------------------------------------------ */

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

static bool
check_whole(double d, size_t *n)
{
	if (d < 0 || d > 9e15 || d != (double)(uint64_t)d)
		return (false);
	*n = (size_t)d;
	return (true);
}

static const char *
check_lengths(const struct conf_schema *s, size_t *min, size_t *max)
{
	return ((s->has_min && !check_whole(s->min, min)) ||
	    (s->has_max && !check_whole(s->max, max)) ?
	    "lengths are whole numbers" : NULL);
}

/* Of what it speaks. */
static const char *
check_range_means(struct conf_schema *s)
{
	const char *wrong;

	switch (s->types & ~(unsigned)CONF_IS_NULL) {
	case CONF_IS_NUMBER:
	case CONF_IS_INTEGER:
		return (NULL);
	case CONF_IS_STRING:
		wrong = check_lengths(s, &s->min_chars, &s->max_chars);
		break;
	case CONF_IS_ARRAY:
		wrong = check_lengths(s, &s->min_items, &s->max_items);
		break;
	default:
		return ("only string, number, integer and array have a range");
	}
	s->has_min = s->has_max = false;
	return (wrong);
}

static const char *
check_range(struct slice range, struct conf_schema *s)
{
	const uint8_t *dots = memmem(range.p, range.n, "..", 2);
	struct slice low, high;

	if (dots == NULL)
		return ("the range must be MIN..MAX, MIN.. or ..MAX");
	low = slice_of(range.p, (size_t)(dots - range.p));
	high = slice_from(range, low.n + 2);
	s->has_min = low.n > 0;
	s->has_max = high.n > 0;
	if ((s->has_min && !check_number(low, &s->min)) ||
	    (s->has_max && !check_number(high, &s->max)))
		return ("the range has something other than numbers");
	if (s->has_min && s->has_max && s->min > s->max)
		return ("the range ends before it starts");
	return (check_range_means(s));
}

/* The next word; empty: there is none. */
static struct slice
check_word(struct slice *rest)
{
	struct slice word;

	*rest = ascii_trim(*rest);
	word = slice_of(rest->p, 0);
	while (word.n < rest->n && !ascii_blank(rest->p[word.n]))
		word.n++;
	*rest = slice_from(*rest, word.n);
	return (word);
}

/* "TYPE" or "TYPE|null" */
static const char *
check_type(struct slice type, struct conf_schema *s)
{
	static const struct slice null = SLICE("|null");
	bool with_null;
	int index;

	with_null = type.n > null.n &&
	    slice_eq(slice_from(type, type.n - null.n), null);
	if (with_null)
		type.n -= null.n;
	index = conf_word_index(CHECK_TYPES, type);
	if (index < 0)
		return ("the type must be one of " CHECK_TYPES
		    ", or one of them with |null behind it, or one of A|B");
	s->types = check_bits[index] | (with_null ? CONF_IS_NULL : 0);
	return (NULL);
}

/* "a|b|3|null": what is JSON is that, all else is a string. */
static const char *
check_one_of(struct slice rest, struct conf_schema *s)
{
	const uint8_t *bar;
	struct slice one;
	char *text, *json;

	rest = ascii_trim(rest);
	while (rest.n != 0) {
		bar = memchr(rest.p, '|', rest.n);
		one = bar == NULL ? rest :
		    slice_of(rest.p, (size_t)(bar - rest.p));
		rest = slice_from(rest, one.n + (bar != NULL));
		one = ascii_trim(one);
		if (one.n == 0 || s->nvalues == CONF_SCHEMA_VALUES)
			return ("it must be one of 1 to 256 values, with | "
			    "between them");
		text = conf_strndup(one.p, one.n);
		json = json_valid(one) && json_type(one) != JSON_OBJECT &&
		    json_type(one) != JSON_ARRAY ? conf_strdup(text) :
		    conf_json_string(text);
		conf_schema_add_value(s, slice_str(json));
		free(json);
		free(text);
	}
	return (s->nvalues == 0 ? "it must be one of something" : NULL);
}

static const char *
check_pattern(struct slice rest, struct conf_schema *s)
{
	const char *wrong;
	char *text;

	rest = ascii_trim(rest);
	if (rest.n == 0)
		return ("the pattern is missing");
	text = conf_strndup(rest.p, rest.n);
	s->pattern = conf_regex_new(text, &wrong);
	free(text);
	return (s->pattern == NULL ? wrong : NULL);
}

static const char *
check_format(struct slice name, struct conf_schema *s)
{
	int index = conf_word_index(CONF_FORMATS, name);

	if (index < 0)
		return ("the format must be one of " CONF_FORMATS);
	s->format = (enum conf_format_of)index;
	return (NULL);
}

/* Behind the type: "1..40 format date pattern ^x", "closed" */
static const char *
check_more(struct slice rest, struct conf_schema *s)
{
	const char *wrong = NULL;
	bool string = (s->types & CONF_IS_STRING) != 0;
	bool ranged = false;
	struct slice word;

	while (wrong == NULL && (word = check_word(&rest)).n != 0)
		if (slice_eq(word, SLICE("closed")) &&
		    (s->types & CONF_IS_OBJECT) != 0)
			s->closed = true;
		else if (slice_eq(word, SLICE("format")) && string)
			wrong = check_format(check_word(&rest), s);
		else if (slice_eq(word, SLICE("pattern")) && string) {
			wrong = check_pattern(rest, s);
			rest = slice_of(rest.p, 0);
		} else if (ranged)
			wrong = "what stands behind the range is not known";
		else {
			wrong = check_range(word, s);
			ranged = true;
		}
	return (wrong);
}

/* Behind the colon. */
static const char *
check_says(struct slice rest, struct conf_schema *s)
{
	struct slice ahead = rest, type = check_word(&rest);
	const char *wrong;

	if (slice_eq(check_word(&ahead), SLICE("one")) &&
	    slice_eq(check_word(&ahead), SLICE("of")))
		return (check_one_of(ahead, s));
	wrong = check_type(type, s);
	return (wrong != NULL ? wrong : check_more(rest, s));
}

/* --- which member --------------------------------------------------------- */

/* A step of a path: "name", unescaped, and how many "[]" are behind it. */
struct check_step {
	char		 name[256];
	size_t		 n;
	unsigned	 lists;
};

static bool
check_step(struct slice *path, struct check_step *step)
{
	step->n = 0;
	step->lists = 0;
	while (path->n != 0 && path->p[0] != '.' && path->p[0] != '[') {
		if (path->p[0] == '\\' && path->n > 1)
			*path = slice_from(*path, 1);
		if (step->n == sizeof step->name)
			return (false);
		step->name[step->n++] = (char)path->p[0];
		*path = slice_from(*path, 1);
	}
	while (slice_starts(*path, SLICE("[]"))) {
		*path = slice_from(*path, 2);
		step->lists++;
	}
	if (path->n != 0 && path->p[0] == '.' && path->n > 1)
		*path = slice_from(*path, 1);
	else if (path->n != 0)
		return (false);
	return (step->n != 0 && step->lists <= 4);
}

/* It has parts, so that it is of this type, where nothing else was said. */
static bool
check_has_parts(struct conf_schema *s, unsigned type)
{
	if (!s->said)
		s->types = type;
	return ((s->types & type) != 0);
}

/* One step down, and to the elements of its lists. */
static const char *
check_go(struct conf_schema **at, const struct check_step *step, bool must,
    bool last, struct conf_schema_member **m)
{
	unsigned i;

	if (!check_has_parts(*at, CONF_IS_OBJECT))
		return ("what it is a member of is no object");
	*m = conf_schema_member(*at, slice_of(step->name, step->n));
	if (*m == NULL)
		return ("more than 64 members of one object");
	(*m)->declared = true;
	*at = (*m)->schema;
	if ((step->lists != 0 || !last) && !(*at)->said)
		(*m)->required |= must;
	for (i = 0; i < step->lists; i++) {
		if (!check_has_parts(*at, CONF_IS_ARRAY))
			return ("what it is an element of is no array");
		if ((*at)->items == NULL)
			(*at)->items = conf_schema_new();
		*at = (*at)->items;
	}
	return (NULL);
}

static const char *
check_find(struct conf_schema *root, struct slice path, bool must,
    struct conf_schema **at)
{
	struct conf_schema_member *m;
	struct check_step step;
	unsigned depth = 0;
	const char *wrong;

	*at = root;
	do {
		if (++depth == CONF_SCHEMA_DEPTH / 2)
			return ("the path has more than 7 steps");
		if (!check_step(&path, &step))
			return ("the path is no NAME.NAME[].NAME");
		wrong = check_go(at, &step, must, path.n == 0, &m);
		if (wrong != NULL)
			return (wrong);
	} while (path.n != 0);
	if ((*at)->said)
		return ("the field is checked twice");
	if (step.lists == 0)
		m->required = must;
	return (NULL);
}

/* "PATH[?]: WHAT", or "closed" */
static const char *
check_read_line(const char *text, struct conf_schema *root)
{
	struct slice rest = slice_str(text), path;
	const uint8_t *colon = rest.n == 0 ? NULL : memchr(rest.p, ':', rest.n);
	struct conf_schema *s;
	const char *wrong;
	unsigned had;
	bool optional;

	if (strcmp(text, "closed") == 0) {
		root->closed = true;
		return (NULL);
	}
	if (colon == NULL)
		return ("must be \"FIELD: TYPE\" or \"FIELD?: TYPE\"");
	path = ascii_trim(slice_of(rest.p, (size_t)(colon - rest.p)));
	rest = ascii_trim(slice_from(rest, (size_t)(colon - rest.p) + 1));
	optional = path.n > 0 && path.p[path.n - 1] == '?';
	path.n -= optional;
	if (path.n == 0)
		return ("the field has no name");
	if ((wrong = check_find(root, path, !optional, &s)) != NULL)
		return (wrong);
	had = s->members != NULL ? CONF_IS_OBJECT : s->items != NULL ?
	    CONF_IS_ARRAY : 0;
	s->types = CONF_IS_ANY;
	s->said = true;
	wrong = check_says(rest, s);
	if (wrong == NULL && had != 0 && (s->types & had) == 0)
		wrong = "other lines speak of its members, or elements";
	return (wrong);
}

/* --- directives ----------------------------------------------------------- */

#define CHECKS_MAX	64	/* of one event */

void
conf_free_checks(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;

	conf_free_strings(row, object);
	conf_schema_free(&event->checked);
}

void
conf_set_checks(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_event *event = object;
	const char *wrong;
	size_t i;

	if (v->n > CHECKS_MAX) {
		conf_value_bad(p, v, &v->tokens[0], "more than %d checks",
		    CHECKS_MAX);
		return;
	}
	conf_free_checks(v->row, object);
	if (v->n == 0)
		return;
	event->checked = conf_schema_new();
	event->checked->said = true;
	for (i = 0; i < v->n; i++) {
		wrong = check_read_line(v->tokens[i].text, event->checked);
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
	}
	for (i = 0; i < v->n && v->tokens[i].text[0] != '\0'; i++)
		;
	if (i == v->n)
		conf_set_strings(p, v, object);
}

void
conf_free_schema(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;
	char **file = conf_field_of(row, object);

	free(*file);
	*file = NULL;
	conf_schema_free(&event->schema);
}

/* The file's text, read once for all that name it; NULL: reported. */
static const struct conf_file *
check_schema_file(struct conf_parser *p, const struct conf_value *v,
    const char *path)
{
	struct conf *conf = p->conf;
	const char *why = "there are no files here";
	size_t cap = conf->nfiles, i;
	struct conf_file *f;
	struct buf text;

	for (i = 0; i < conf->nfiles; i++)
		if (strcmp(conf->files[i].path, path) == 0)
			return (&conf->files[i]);
	buf_init(&text);
	if (p->src->read == NULL || !p->src->read(p->src->read_arg, path,
	    &text, &why)) {
		conf_value_bad(p, v, &v->tokens[0], "%s", why);
		buf_fini(&text);
		return (NULL);
	}
	conf->files = conf_grow(conf->files, conf->nfiles, &cap,
	    sizeof *conf->files);
	f = &conf->files[conf->nfiles++];
	f->path = conf_strdup(path);
	f->n = text.wpos;
	f->text = conf_strndup(text.data, text.wpos);
	buf_fini(&text);
	return (f);
}

void
conf_set_schema(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_event *event = object;
	const char *path = v->tokens[0].text, *wrong;
	const struct conf_file *f;
	int line;

	conf_free_schema(v->row, object);
	event->schema_file = conf_strdup(path);
	if (path[0] == '\0' || (f = check_schema_file(p, v, path)) == NULL)
		return;
	event->schema = conf_schema_read(slice_of(f->text, f->n), &wrong,
	    &line);
	if (event->schema == NULL)
		conf_value_bad(p, v, &v->tokens[0], "line %d: %s", line, wrong);
}
