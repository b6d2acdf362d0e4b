/*
 * What the server writes into an event: data = { JSON, ... } and
 * set = { "MEMBER: SOURCE", ... }.
 */
#include "conf/rule/written.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "conf/heap.h"
#include "conf/rule/argument.h"
#include "conf/value/list.h"
#include "conf/value/string.h"
#include "proto/json.h"

/* --- arguments ------------------------------------------------------------ */

#define DATA_MAX	16	/* arguments */

void
conf_free_data(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;

	conf_free_strings(row, object);
	free(event->data_args);
	event->data_args = NULL;
}

/* As they stand in an event, without brackets. */
static char *
written_args_of(char *const *data, size_t n)
{
	struct buf b;
	char *args;
	size_t i;

	buf_init(&b);
	for (i = 0; i < n; i++) {
		buf_str(&b, i == 0 ? "" : ",");
		buf_str(&b, data[i]);
	}
	MUST(!b.oom);
	args = conf_strndup(b.data, b.wpos);
	buf_fini(&b);
	return (args);
}

void
conf_set_data(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_event *event = object;
	const struct conf_token *t;
	bool ok = true;

	if (v->n > DATA_MAX) {
		conf_value_bad(p, v, &v->tokens[0], "more than %d arguments",
		    DATA_MAX);
		return;
	}
	for (t = v->tokens; t < v->tokens + v->n; t++)
		if (!json_valid(slice_str(t->text))) {
			conf_value_bad(p, v, t, "is no JSON (a string has "
			    "quotes of its own: \"\\\"text\\\"\")");
			ok = false;
		}
	if (!ok)
		return;
	conf_free_data(v->row, object);
	conf_set_strings(p, v, object);
	if (event->ndata != 0)
		event->data_args = written_args_of(event->data, event->ndata);
}

bool
conf_data_takes_none(const struct conf_event *event)
{
	struct slice first;

	return (event->ndata != 0 && event->nmembers != 0 &&
	    (json_value(slice_str(event->data[0]), &first) < 0 ||
	    json_type(first) != JSON_OBJECT));
}

/* --- members -------------------------------------------------------------- */

#define MEMBERS_MAX	32	/* of one event */

/* Sources that need no name. */
static const struct {
	const char	*name;
	enum conf_from	 from;
} plain_sources[] = {
	{ "user", CONF_FROM_USER },
	{ "sid", CONF_FROM_SID },
	{ "address", CONF_FROM_ADDRESS },
};

/* ... and those that do: "claim:NAME". */
static const struct {
	const char	*name;
	enum conf_from	 from;
} named_sources[] = {
	{ "claim", CONF_FROM_CLAIM },
	{ "query", CONF_FROM_QUERY },
	{ "header", CONF_FROM_HEADER },
};

#define SOURCES \
	"claim:NAME, query:NAME, header:NAME, user, sid, address, " \
	"text:WORDS or JSON"

static void
written_member_lower(char *name)
{
	for (; *name != '\0'; name++)
		*name = (char)tolower((unsigned char)*name);
}

static const char *
written_member_source(const char *text, struct conf_member *m)
{
	const char *rest;
	size_t i;

	for (i = 0; i < nitems(plain_sources); i++)
		if (strcmp(text, plain_sources[i].name) == 0) {
			m->from = plain_sources[i].from;
			return (NULL);
		}
	for (i = 0; i < nitems(named_sources); i++)
		if ((rest = conf_argument(text, named_sources[i].name)) !=
		    NULL) {
			m->from = named_sources[i].from;
			m->text = conf_strdup(rest);
			if (m->from == CONF_FROM_HEADER)
				written_member_lower(m->text);
			return (NULL);
		}
	m->from = CONF_FROM_JSON;
	if ((rest = conf_argument(text, "text")) != NULL)
		m->text = conf_json_string(rest);
	else if (json_valid(slice_str(text)))
		m->text = conf_strdup(text);
	else
		return ("the source must be one of " SOURCES);
	return (NULL);
}

/* "MEMBER: SOURCE" */
static const char *
written_member_parse(const char *text, struct conf_member *m)
{
	struct slice whole = slice_str(text), name, rest;
	const uint8_t *colon = whole.n == 0 ? NULL :
	    memchr(whole.p, ':', whole.n);
	const char *wrong;
	char *source;

	memset(m, 0, sizeof *m);
	if (colon == NULL)
		return ("must be \"MEMBER: SOURCE\"");
	name = ascii_trim(slice_of(whole.p, (size_t)(colon - whole.p)));
	rest = ascii_trim(slice_from(whole, (size_t)(colon - whole.p) + 1));
	if (name.n == 0)
		return ("the member has no name");
	source = conf_strndup(rest.p, rest.n);
	wrong = written_member_source(source, m);
	free(source);
	if (wrong != NULL)
		return (wrong);
	m->name = conf_strndup(name.p, name.n);
	m->key = conf_json_string(m->name);
	return (NULL);
}

static void
written_member_fini(struct conf_member *m)
{
	free(m->name);
	free(m->key);
	free(m->text);
}

void
conf_free_members(const struct conf_directive *row, void *object)
{
	struct conf_event *event = object;
	size_t i;

	(void)row;
	for (i = 0; i < event->nmembers; i++)
		written_member_fini(&event->members[i]);
	free(event->members);
	event->members = NULL;
	event->nmembers = 0;
}

static bool
written_member_repeats(const struct conf_event *event, const struct conf_member *m)
{
	size_t i;

	for (i = 0; i < event->nmembers; i++)
		if (strcmp(event->members[i].name, m->name) == 0)
			return (true);
	return (false);
}

void
conf_set_members(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_event *event = object;
	struct conf_member m;
	const char *wrong;
	size_t i;

	conf_free_members(v->row, object);
	if (v->n > MEMBERS_MAX) {
		conf_value_bad(p, v, &v->tokens[0], "more than %d members",
		    MEMBERS_MAX);
		return;
	}
	if (v->n > 0)
		event->members = conf_calloc(v->n, sizeof *event->members);
	for (i = 0; i < v->n; i++) {
		wrong = written_member_parse(v->tokens[i].text, &m);
		if (wrong == NULL && written_member_repeats(event, &m)) {
			wrong = "the member is written twice";
			written_member_fini(&m);
		}
		if (wrong != NULL)
			conf_value_bad(p, v, &v->tokens[i], "%s", wrong);
		else
			event->members[event->nmembers++] = m;
	}
}

static void
written_member_print(const struct conf_member *m, struct buf *out)
{
	size_t i;

	buf_printf(out, "%s: ", m->name);
	for (i = 0; i < nitems(plain_sources); i++)
		if (plain_sources[i].from == m->from)
			buf_str(out, plain_sources[i].name);
	for (i = 0; i < nitems(named_sources); i++)
		if (named_sources[i].from == m->from)
			buf_printf(out, "%s:", named_sources[i].name);
	if (m->text != NULL)
		buf_str(out, m->text);
}

void
conf_dump_members(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;
	struct buf text;
	size_t i;

	(void)row;
	buf_init(&text);
	buf_byte(out, '{');
	for (i = 0; i < event->nmembers; i++) {
		buf_reset(&text);
		written_member_print(&event->members[i], &text);
		buf_byte(&text, '\0');
		MUST(!text.oom);
		buf_str(out, i == 0 ? "" : ", ");
		conf_string_print((const char *)text.data, out);
	}
	buf_byte(out, '}');
	buf_fini(&text);
}

bool
conf_writes_field(const struct conf_event *event)
{
	size_t i;

	for (i = 0; event->field != NULL && i < event->nmembers; i++)
		if (strcmp(event->members[i].name, event->field) == 0)
			return (true);
	return (false);
}

static bool
written_member_is_kept(char *const *kept, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(kept[i], name) == 0)
			return (true);
	return (false);
}

const char *
conf_not_kept(const struct conf_event *event, const struct conf_namespace *ns)
{
	const struct conf_member *m;

	for (m = event->members; m < event->members + event->nmembers; m++)
		if (m->from == CONF_FROM_QUERY && !written_member_is_kept(
		    ns->keep_query, ns->nkeep_query, m->text))
			return ("set has query:NAME, which is not in "
			    "keep_query of the namespace");
		else if (m->from == CONF_FROM_HEADER && !written_member_is_kept(
		    ns->keep_headers, ns->nkeep_headers, m->text))
			return ("set has header:NAME, which is not in "
			    "keep_headers of the namespace");
	return (NULL);
}
