/*
 * What a rule writes into an event; see written.h.  Called by rule.c.
 */
#include "hub/rule/written.h"

#include "hub/hub_int.h"
#include "hub/session/handshake.h"
#include "hub/session/principal.h"
#include "proto/json.h"

/* --- members -------------------------------------------------------------- */

/* What is not there is null. */
static void
written_value(struct buf *b, const struct session *s,
    const struct conf_member *m)
{
	struct slice value = SLICE("null");

	switch (m->from) {
	case CONF_FROM_QUERY:
		if (!handshake_value(s, SLICE("query"), slice_str(m->text),
		    &value))
			value = SLICE("null");
		break;
	case CONF_FROM_HEADER:
		if (!handshake_value(s, SLICE("headers"), slice_str(m->text),
		    &value))
			value = SLICE("null");
		break;
	case CONF_FROM_ADDRESS:
		if (!handshake_value(s, slice_of(NULL, 0), SLICE("address"),
		    &value))
			value = SLICE("null");
		break;
	case CONF_FROM_JSON:
		value = slice_str(m->text);
		break;
	case CONF_FROM_CLAIM:
		if (!principal_claim(s->who, m->text, &value))
			value = SLICE("null");
		break;
	case CONF_FROM_USER:
		if (s->who != NULL)
			value = principal_user_json(s->who);
		break;
	case CONF_FROM_SID:
		buf_byte(b, '"');
		buf_slice(b, session_sid(s));
		value = SLICE("\"");
		break;
	}
	buf_slice(b, value);
}

static bool
written_replaces(const struct conf_event *r, struct slice key)
{
	size_t i;

	for (i = 0; i < r->nmembers; i++)
		if (json_string_eq(key, slice_str(r->members[i].name)))
			return (true);
	return (false);
}

static void
written_copy(struct buf *b, const uint8_t *from, const uint8_t *end)
{
	if (from == NULL)
		return;
	buf_byte(b, ',');
	buf_append(b, from, (size_t)(end - from));
}

/* The sender's members, without those that are the rule's: as they stand, in as
 * long pieces as can be. */
static void
written_others(struct buf *b, const struct conf_event *r, struct slice object)
{
	const uint8_t *from = NULL, *end = NULL;
	struct slice key, value;
	struct json_iter it;

	MUST(json_enter(object, &it));
	while (json_next(&it, &key, &value)) {
		if (written_replaces(r, key)) {
			written_copy(b, from, end);
			from = NULL;
			continue;
		}
		if (from == NULL)
			from = key.p;
		end = value.p + value.n;
	}
	written_copy(b, from, end);
}

static void
written_object(struct buf *b, const struct session *s,
    const struct conf_event *r, struct slice object)
{
	size_t i;

	for (i = 0; i < r->nmembers; i++) {
		buf_byte(b, i == 0 ? '{' : ',');
		buf_str(b, r->members[i].key);
		buf_byte(b, ':');
		written_value(b, s, &r->members[i]);
	}
	written_others(b, r, object);
	buf_byte(b, '}');
}

/* An object, that no attachment takes the place of. */
static bool
written_takes_members(const struct written *w)
{
	struct slice v;

	return (json_type(w->first) == JSON_OBJECT && (w->nattach == 0 ||
	    !json_get(w->first, SLICE("_placeholder"), &v)));
}

/* --- the whole ------------------------------------------------------------ */

static bool
written_members(struct session *s, const struct inbound *in,
    const struct conf_event *r, struct written *w)
{
	struct buf *b = &s->hub->written;
	const uint8_t *rest;
	size_t n;

	if (w->first.n == 0 && w->args.n != 0)
		MUST(json_value(w->args, &w->first) > 0);
	if (!written_takes_members(w)) {
		refuse(s, in, REFUSED_INVALID,
		    "the first argument must be an object");
		return (false);
	}
	buf_reset(b);
	written_object(b, s, r, w->first);
	n = b->wpos;
	rest = w->first.p + w->first.n;
	buf_append(b, rest, (size_t)(w->args.p + w->args.n - rest));
	if (b->oom) {
		b->oom = false;
		refuse_memory(s, in);
		return (false);
	}
	w->args = buf_unread(b);
	w->first = slice_of(w->args.p, n);
	return (true);
}

bool
written_args(struct session *s, const struct inbound *in,
    const struct conf_event *r, struct written *w)
{
	if (r->ndata != 0)
		*w = (struct written){ .args = slice_str(r->data_args) };
	return (r->nmembers == 0 || written_members(s, in, r, w));
}
