/*
 * Messages of servers of Socket.IO; see message.h.
 */
#include "relay/bridge/message.h"

#include "base/reserved.h"
#include "conf/conf.h"
#include "proto/json.h"
#include "proto/sio.h"
#include "relay/bridge/msgpack.h"
#include "relay/bridge/whom.h"
#include "shm/interest.h"

#define MESSAGE_EVENT	2	/* Socket.IO protocol 5: packet type */

static bool
message_read_json(struct buf *text, struct slice payload, size_t max)
{
	if (payload.n > max)
		return (false);
	buf_slice(text, payload);
	if (!text->oom)
		json_mend(text->data, text->wpos);
	return (true);
}

static bool
message_read_msgpack(struct message *m, struct buf *text, struct slice payload,
    size_t max)
{
	struct msgpack_text t = { .out = text, .max = max };
	struct msgpack_value v;

	if (msgpack_value(payload, &v) != (ssize_t)payload.n ||
	    v.type != MSGPACK_MAP || msgpack_text(&t, &v) != MSGPACK_OK)
		return (false);
	m->nattach = t.nattach;
	memcpy(m->attachments, t.attachments,
	    t.nattach * sizeof *t.attachments);
	return (true);
}

bool
message_read(struct message *m, struct buf *text, struct slice payload,
    size_t max)
{
	bool ok;

	buf_reset(text);
	m->nattach = 0;
	if (payload.n > 0 && payload.p[0] == '{')
		ok = message_read_json(text, payload, max);
	else
		ok = message_read_msgpack(m, text, payload, max);
	if (text->oom) {
		text->oom = false;
		return (false);
	}
	return (ok && json_value(buf_unread(text), &m->json) ==
	    (ssize_t)text->wpos && json_type(m->json) == JSON_OBJECT);
}

bool
message_is_for_servers(const struct bus_envelope *e)
{
	const struct bus_audience *to = &e->publish.to;

	return (e->kind == BUS_PUBLISH && (e->flags & BUS_WATCHERS) == 0 &&
	    (to->nusers == 0 || to->nrooms + to->nsids > 0));
}

bool
message_number(struct slice json, struct slice name, int64_t *n)
{
	struct slice v;

	return (json_get(json, name, &v) && json_int(v, n));
}

/* --- names ----------------------------------------------------------------*/

/* As JavaScript writes a whole number. */
static bool
message_is_digits(struct slice v)
{
	size_t i;

	for (i = v.n > 1 && v.p[0] == '-' ? 1 : 0; i < v.n; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return (false);
	return (!slice_eq(v, SLICE("-0")));
}

/* names has room for all of the text: it never moves. */
static bool
message_name(struct slice v, struct buf *names, struct slice *name)
{
	uint8_t *to = names->data + names->wpos;
	ssize_t n = -1;

	if (json_type(v) == JSON_STRING)
		n = json_name(v, to, INTEREST_NAME_MAX);
	else if (json_type(v) == JSON_NUMBER && v.n <= INTEREST_NAME_MAX &&
	    message_is_digits(v)) {
		memcpy(to, v.p, v.n);
		n = (ssize_t)v.n;
	}
	if (n < 0)
		return (false);
	*name = slice_of(to, (size_t)n);
	names->wpos += (size_t)n;
	return (true);
}

static bool
message_list(struct slice json, struct slice member, struct buf *names,
    struct whom *w, void (*add)(struct whom *, struct slice))
{
	struct slice v, key, element, name;
	struct json_iter it;

	if (!json_get(json, member, &v) || json_type(v) == JSON_NULL)
		return (true);
	if (json_type(v) != JSON_ARRAY || !json_enter(v, &it))
		return (false);
	while (json_next(&it, &key, &element))
		add(w, message_name(element, names, &name) ? name :
		    slice_of(NULL, 0));		/* nobody's */
	return (true);
}

bool
message_whom(struct slice json, struct slice member, struct buf *names,
    struct whom *w)
{
	struct slice opts = json;

	buf_reset(names);
	if (member.n != 0 && (!json_get(json, member, &opts) ||
	    json_type(opts) != JSON_OBJECT))
		return (true);		/* everybody */
	if (!buf_reserve(names, opts.n + 1)) {
		names->oom = false;
		return (false);
	}
	return (message_list(opts, SLICE("rooms"), names, w, whom_room) &&
	    message_list(opts, SLICE("except"), names, w, whom_except));
}

/* --- events ---------------------------------------------------------------*/

/* [event, args ...]; what Socket.IO keeps for itself is no event. */
static bool
message_event(struct slice data, struct bus_publish *p)
{
	uint8_t name[CONF_EVENT_MAX];
	struct json_iter it;
	struct slice key, rest;
	ssize_t n;

	if (json_type(data) != JSON_ARRAY || !json_enter(data, &it) ||
	    !json_next(&it, &key, &p->event))
		return (false);
	n = json_name(p->event, name, sizeof name);
	if (n <= 0 || reserved_by_socketio(slice_of(name, (size_t)n)))
		return (false);
	/* what stands between the comma behind it and the bracket */
	rest = slice_from(data, (size_t)(p->event.p + p->event.n - data.p));
	while (rest.n > 0 && rest.p[0] != ',' && rest.p[0] != ']')
		rest = slice_from(rest, 1);
	p->args = slice_of(rest.p + 1, rest.n < 2 ? 0 : rest.n - 2);
	return (true);
}

bool
message_publish(const struct message *m, struct slice json,
    const struct conf_namespace *ns, struct bus_envelope *e,
    uint64_t *wait_ms)
{
	struct bus_publish *p = bus_publish(e);
	struct slice packet, v;
	int64_t type, ms;

	*wait_ms = 0;
	p->nsp = slice_of(ns->name, ns->name_len);
	if (!json_get(json, SLICE("packet"), &packet) ||
	    !message_number(packet, SLICE("type"), &type) ||
	    type != MESSAGE_EVENT ||
	    (json_get(packet, SLICE("nsp"), &v) &&
	    !json_string_eq(v, p->nsp)) ||
	    !json_get(packet, SLICE("data"), &v) || !message_event(v, p) ||
	    (m->nattach > 0 && !sio_placeholders(p->args,
	    (unsigned)m->nattach)))
		return (false);
	if (json_get_path(json, SLICE("opts.flags.volatile"), &v) &&
	    json_type(v) == JSON_TRUE)
		e->flags |= BUS_VOLATILE;
	if (json_get_path(json, SLICE("opts.flags.timeout"), &v) &&
	    json_int(v, &ms) && ms > 0)
		*wait_ms = (uint64_t)ms;
	p->nattach = m->nattach;
	memcpy(p->attachments, m->attachments,
	    m->nattach * sizeof *p->attachments);
	return (true);
}
