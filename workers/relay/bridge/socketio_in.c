/*
 * What other servers broadcast, on its way to our clients; see socketio.h.
 *
 *	[uid, {type: 2, data: [event, args...], nsp},
 *	    {rooms: [...], except: [...], flags: {volatile}}]
 *
 * Whom it is for is looked at first: most is for rooms that nobody here is
 * in, and is not made JSON.
 */
#include "relay/bridge/socketio_int.h"

#include "base/reserved.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "proto/sio.h"
#include "relay/bridge/channel.h"

#define IN_EVENT	2	/* types of packets: both are events here */
#define IN_BINARY_EVENT	5

struct in {
	const struct socketio_namespace *n;
	struct msgpack_value packet, opts, data;
	/* digits of rooms that are numbers */
	char		 digits[2 * BUS_LIST_MAX][MSGPACK_NAME_MAX];
	size_t		 ndigits;
};

/* --- what it says ---------------------------------------------------------*/

/* Three elements, the last two maps; more may come in later versions. */
static bool
in_read(struct in *in, struct slice payload)
{
	struct msgpack_value all, uid;
	struct msgpack_iter it;

	return (msgpack_value(payload, &all) == (ssize_t)payload.n &&
	    all.type == MSGPACK_ARRAY && msgpack_enter(&all, &it) &&
	    msgpack_next(&it, NULL, &uid) &&
	    msgpack_next(&it, NULL, &in->packet) &&
	    msgpack_next(&it, NULL, &in->opts) &&
	    uid.type == MSGPACK_STR && in->packet.type == MSGPACK_MAP &&
	    in->opts.type == MSGPACK_MAP);
}

/* An event of this namespace, as the channel says. */
static bool
in_is_event(struct in *in)
{
	struct msgpack_value v;

	if (!msgpack_get(&in->packet, SLICE("type"), &v) ||
	    v.type != MSGPACK_UINT ||
	    (v.uint != IN_EVENT && v.uint != IN_BINARY_EVENT) ||
	    !msgpack_get(&in->packet, SLICE("data"), &in->data) ||
	    in->data.type != MSGPACK_ARRAY || in->data.count == 0)
		return (false);
	if (!msgpack_get(&in->packet, SLICE("nsp"), &v) ||
	    v.type == MSGPACK_NIL)
		return (slice_eq(socketio_nsp(in->n), SLICE("/")));
	return (v.type == MSGPACK_STR &&
	    slice_eq(v.bytes, socketio_nsp(in->n)));
}

/* --- whom it is for -------------------------------------------------------*/

/* A list that is not there is empty.  false: it is something else. */
static bool
in_names(struct in *in, struct slice which, struct whom *w,
    void (*add)(struct whom *, struct slice))
{
	struct msgpack_value list, v;
	struct msgpack_iter it;
	struct slice name;

	if (!msgpack_get(&in->opts, which, &list) ||
	    list.type == MSGPACK_NIL)
		return (true);
	if (list.type != MSGPACK_ARRAY || !msgpack_enter(&list, &it))
		return (false);
	while (msgpack_next(&it, NULL, &v)) {
		if (v.type != MSGPACK_STR && in->ndigits == nitems(in->digits))
			w->many = true;
		else if (msgpack_name(&v, in->digits[in->ndigits], &name)) {
			add(w, name);
			in->ndigits += v.type != MSGPACK_STR;
		} else
			add(w, slice_of(NULL, 0));	/* nobody's */
	}
	return (true);
}

static bool
in_is_volatile(const struct in *in)
{
	struct msgpack_value flags, v;

	return (msgpack_get(&in->opts, SLICE("flags"), &flags) &&
	    msgpack_get(&flags, SLICE("volatile"), &v) &&
	    v.type == MSGPACK_BOOL && v.yes);
}

/* --- what clients get -----------------------------------------------------*/

static enum msgpack_result
in_text(struct msgpack_text *t, const struct msgpack_value *data,
    size_t *event_n)
{
	enum msgpack_result res = MSGPACK_OK;
	struct msgpack_value v;
	struct msgpack_iter it;
	size_t i;

	MUST(msgpack_enter(data, &it));
	for (i = 0; res == MSGPACK_OK && msgpack_next(&it, NULL, &v); i++) {
		if (i > 1)
			buf_byte(t->out, ',');
		res = msgpack_text(t, &v);
		if (i == 0)
			*event_n = t->out->wpos;
	}
	return (res);
}

/* A name that a client would take for something else ends its connection. */
static bool
in_is_name(struct slice event)
{
	uint8_t name[RESERVED_SOCKETIO_MAX];
	ssize_t n;

	if (json_type(event) != JSON_STRING)
		return (json_type(event) == JSON_NUMBER);
	n = json_name(event, name, sizeof name);
	return (n < 0 || !reserved_by_socketio(slice_of(name, (size_t)n)));
}

/* false: refused and counted. */
static bool
in_fill(struct in *in, struct bus_publish *p, struct msgpack_text *t)
{
	struct slice text;
	size_t event_n = 0;

	buf_reset(t->out);
	switch (in_text(t, &in->data, &event_n)) {
	case MSGPACK_OK:
		break;
	case MSGPACK_NO_JSON:
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return (false);
	case MSGPACK_LARGE:
		counter_add(COUNTER_socketio_refused_size, 1);
		return (false);
	case MSGPACK_MANY:
		counter_add(COUNTER_socketio_refused_many, 1);
		return (false);
	}
	counter_add(COUNTER_socketio_strange, t->strange);
	if (t->out->oom) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	text = buf_unread(t->out);
	p->event = slice_of(text.p, event_n);
	p->args = slice_from(text, event_n);
	if (!in_is_name(p->event)) {
		counter_add(COUNTER_socketio_refused_event, 1);
		return (false);
	}
	/* what only looks like a placeholder */
	if (t->nattach > 0 && !sio_placeholders(p->args, t->nattach)) {
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return (false);
	}
	memcpy(p->attachments, t->attachments,
	    t->nattach * sizeof *t->attachments);
	p->nattach = t->nattach;
	return (true);
}

static void
in_deliver(struct in *in, struct bus_envelope *e, const uint64_t slots[2])
{
	struct socketio *s = in->n->s;
	struct msgpack_text t = { .out = &s->text,
		.max = s->p.home->conf->message_bytes };
	struct bus_publish *p = &e->publish;

	if (!in_fill(in, p, &t))
		return;
	p->nsp = socketio_nsp(in->n);
	if (in_is_volatile(in))
		e->flags |= BUS_VOLATILE;
	counter_add(COUNTER_socketio_broadcasts, 1);
	home_deliver(s->p.home, slots, e);
}

static void
in_take(struct in *in, struct slice payload)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct whom w = socketio_whom(in->n, &bus_publish(&e)->to);

	if (!in_read(in, payload) || !in_is_event(in) ||
	    !in_names(in, SLICE("rooms"), &w, whom_room) ||
	    !in_names(in, SLICE("except"), &w, whom_except)) {
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return;
	}
	switch (whom_end(&w)) {
	case WHOM_SOME:
		in_deliver(in, &e, w.slots);
		break;
	case WHOM_NOBODY:
		counter_add(COUNTER_socketio_elsewhere, 1);
		break;
	case WHOM_MANY:
		counter_add(COUNTER_socketio_refused_many, 1);
		break;
	}
}

void
socketio_on_broadcast(void *arg, struct slice channel, struct slice payload)
{
	static struct in in;	/* large; one at a time */
	struct socketio_namespace *n = arg;
	struct socketio *s = n->s;
	struct bus_audience to;
	struct slice room;
	struct whom w;

	if (n->ns == NULL || n->ns->gone)
		return;		/* on its way out */
	if (socketio_is_ours(s, payload)) {
		counter_add(COUNTER_socketio_own, 1);
		return;
	}
	if (!channel_room(channel, s->p.home->conf->redis.socketio_prefix,
	    socketio_nsp(n), &room)) {
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return;
	}
	w = socketio_whom(n, &to);
	if (room.n != 0 && !whom_has(&w, room)) {
		counter_add(COUNTER_socketio_elsewhere, 1);
		return;
	}
	if (payload.n > s->p.home->conf->message_bytes) {
		counter_add(COUNTER_socketio_refused_size, 1);
		return;
	}
	in.n = n;
	in.ndigits = 0;
	in_take(&in, payload);
}
