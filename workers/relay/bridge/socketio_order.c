/*
 * What other servers and emitters want done to clients: requests, JSON or
 * MessagePack, each for all servers of a namespace; see socketio.h.  Those
 * that are questions are passed on, as one kind of JSON.
 *
 *	{type: 2 | 3, opts: {rooms, except}, rooms: [...]}	join, leave
 *	{type: 4, opts: {rooms, except}, close}			disconnect
 *
 * In the form of older versions there is a sid instead of opts, and a room.
 */
#include "relay/bridge/socketio_int.h"

#include "base/number_js.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/message.h"
#include "shm/interest.h"

/* Of all lists of a request: names in their own memory. */
#define ORDER_NAMES	(3 * BUS_LIST_MAX)
#define ORDER_NAME_MAX	INTEREST_NAME_MAX

struct order {
	const struct socketio_namespace *n;
	struct message	 m;
	uint8_t		 names[ORDER_NAMES][ORDER_NAME_MAX];
	size_t		 nnames;
};

/* --- names ----------------------------------------------------------------*/

/* A string or a number; empty: nobody can have that name.  false: there is no
 * room for it. */
static bool
order_name(struct order *o, struct slice value, struct slice *name)
{
	char digits[NUMBER_JS_MAX];
	uint8_t *to;
	ssize_t n = 0;
	double v;

	if (o->nnames == nitems(o->names))
		return (false);
	to = o->names[o->nnames];
	if (json_type(value) == JSON_STRING)
		n = json_name(value, to, ORDER_NAME_MAX);
	else if (json_type(value) == JSON_NUMBER && json_double(value, &v) &&
	    v < 1e300 && v > -1e300) {
		n = (ssize_t)number_js(v, digits);
		memcpy(to, digits, (size_t)n);
	}
	*name = slice_of(to, n < 0 ? 0 : (size_t)n);
	return (true);
}

/* A list that is not there is empty; a name that is taken keeps its memory.
 * false: it is no list. */
static bool
order_names(struct order *o, struct slice object, struct slice which,
    struct whom *w, void (*add)(struct whom *, struct slice))
{
	struct slice list, key, value, name;
	struct json_iter it;

	if (!json_get(object, which, &list) || json_type(list) == JSON_NULL)
		return (true);
	if (json_type(list) != JSON_ARRAY || !json_enter(list, &it))
		return (false);
	while (json_next(&it, &key, &value)) {
		if (!order_name(o, value, &name)) {
			w->many = true;
			break;
		}
		add(w, name);
		o->nnames++;
	}
	return (true);
}

static void
order_add_sid(struct whom *w, struct slice sid)
{
	w->nnamed++;
	w->to->sids[w->to->nsids++] = sid;
}

/* Whom it is for, into *w.  false: refused and counted, or nobody here. */
static bool
order_whom(struct order *o, struct whom *w)
{
	struct slice opts, value, name;

	if (json_get(o->m.json, SLICE("opts"), &opts)) {
		if (json_type(opts) != JSON_OBJECT ||
		    !order_names(o, opts, SLICE("rooms"), w, whom_room) ||
		    !order_names(o, opts, SLICE("except"), w, whom_except))
			goto bad;
	} else if (json_get(o->m.json, SLICE("sid"), &value) &&
	    order_name(o, value, &name)) {
		o->nnames++;
		order_add_sid(w, name);
	} else
		goto bad;
	switch (whom_end(w)) {
	case WHOM_SOME:
		return (true);
	case WHOM_NOBODY:
		return (false);
	case WHOM_MANY:
		counter_add(COUNTER_socketio_refused_many, 1);
		return (false);
	}
bad:
	counter_add(COUNTER_socketio_refused_malformed, 1);
	return (false);
}

/* --- rooms ----------------------------------------------------------------*/

/* The rooms to be joined or left, without what is no name here.  false: refused
 * and counted. */
static bool
order_rooms(struct order *o, struct slice *rooms, size_t *n)
{
	struct slice list, key, value, name;
	struct json_iter it;

	*n = 0;
	if (json_get(o->m.json, SLICE("room"), &value)) {
		it.rest = slice_of(NULL, 0);	/* it alone */
	} else if (!json_get(o->m.json, SLICE("rooms"), &list) ||
	    json_type(list) != JSON_ARRAY || !json_enter(list, &it) ||
	    !json_next(&it, &key, &value)) {
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return (false);
	}
	do {
		if (*n == BUS_LIST_MAX || !order_name(o, value, &name)) {
			counter_add(COUNTER_socketio_refused_many, 1);
			return (false);
		}
		if (name.n == 0) {
			counter_add(COUNTER_socketio_refused_name, 1);
			continue;
		}
		o->nnames++;
		rooms[(*n)++] = name;
	} while (it.rest.n > 0 && json_next(&it, &key, &value));
	return (*n > 0);
}

/* Until workers have done it, their directory does not know. */
static void
order_expect(struct order *o, const struct bus_rooms *b,
    const uint64_t slots[2])
{
	struct socketio *s = o->n->s;
	size_t i;

	for (i = 0; i < b->njoin; i++)
		whom_joins_add(s->joins, o->n->ns->index, b->join[i], slots,
		    home_now(s->p.home));
}

static void
order_change(struct order *o, bool join)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_rooms *b = bus_rooms(&e);
	struct whom w = socketio_whom(o->n, &b->to);
	struct socketio *s = o->n->s;

	if (!order_rooms(o, join ? b->join : b->leave,
	    join ? &b->njoin : &b->nleave) || !order_whom(o, &w))
		return;
	b->nsp = socketio_nsp(o->n);
	order_expect(o, b, w.slots);
	home_deliver(s->p.home, w.slots, &e);
}

/* --- the end --------------------------------------------------------------*/

static void
order_disconnect(struct order *o)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_disconnect *d = bus_disconnect(&e);
	struct whom w = socketio_whom(o->n, &d->to);
	struct socketio *s = o->n->s;
	struct slice value;

	if (!order_whom(o, &w))
		return;
	d->nsp = socketio_nsp(o->n);
	if (json_get(o->m.json, SLICE("close"), &value) &&
	    json_type(value) == JSON_TRUE)
		e.flags |= BUS_CLOSE;
	home_deliver(s->p.home, w.slots, &e);
}

/* --- all ------------------------------------------------------------------*/

static void
order_ask(struct order *o, enum socketio_request type, bool refused)
{
	struct socketio *s = o->n->s;
	struct socketio_question q = { .ns = o->n->ns, .type = type,
		.refused = refused, .message = &o->m };

	if (s->p.ask != NULL)
		s->p.ask(s->p.arg, &q);
}

static const uint32_t order_kinds[] = {
	[SOCKETIO_SOCKETS] = CONF_SOCKETIO_ANY,
	[SOCKETIO_ALL_ROOMS] = CONF_SOCKETIO_ANY,
	[SOCKETIO_JOIN] = CONF_SOCKETIO_JOIN,
	[SOCKETIO_LEAVE] = CONF_SOCKETIO_JOIN,
	[SOCKETIO_DISCONNECT] = CONF_SOCKETIO_DISCONNECT,
	[SOCKETIO_FETCH] = CONF_SOCKETIO_ANY,
	[SOCKETIO_EVENT] = CONF_SOCKETIO_EVENT,
	[SOCKETIO_BROADCAST] = CONF_SOCKETIO_BROADCAST,
};

static void
order_do(struct order *o, enum socketio_request type)
{
	switch (type) {
	case SOCKETIO_JOIN:
		counter_add(COUNTER_socketio_joins, 1);
		order_change(o, true);
		break;
	case SOCKETIO_LEAVE:
		counter_add(COUNTER_socketio_leaves, 1);
		order_change(o, false);
		break;
	case SOCKETIO_DISCONNECT:
		counter_add(COUNTER_socketio_disconnects, 1);
		order_disconnect(o);
		break;
	case SOCKETIO_EVENT:
		counter_add(COUNTER_socketio_events, 1);
		order_ask(o, type, false);
		break;
	case SOCKETIO_SOCKETS:
	case SOCKETIO_ALL_ROOMS:
	case SOCKETIO_FETCH:
	case SOCKETIO_BROADCAST:
		counter_add(COUNTER_socketio_questions, 1);
		order_ask(o, type, false);
		break;
	}
}

/* What is not allowed is not done.  Who asks waits for all servers: that is
 * answered, with nothing. */
static void
order_take(struct order *o, enum socketio_request type)
{
	const struct conf_redis *conf = &o->n->s->p.home->conf->redis;

	if (conf_socketio_allows(conf, order_kinds[type])) {
		order_do(o, type);
		return;
	}
	counter_add(COUNTER_socketio_refused_off, 1);
	if (type == SOCKETIO_EVENT || type == SOCKETIO_BROADCAST)
		order_ask(o, type, true);
}

void
socketio_order(struct socketio *s, const struct conf_namespace *ns,
    enum socketio_request type, struct slice object)
{
	static struct order o;	/* large; one at a time */

	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	o.n = &s->ns[ns->index];
	o.m.json = object;
	o.m.nattach = o.nnames = 0;
	order_take(&o, type);
}

void
socketio_on_request(void *arg, struct slice channel, struct slice payload)
{
	static struct order o;	/* large; one at a time */
	struct socketio_namespace *n = arg;
	size_t max = n->s->p.home->conf->message_bytes;
	int64_t type;

	(void)channel;
	if (n->ns == NULL || n->ns->gone)
		return;		/* on its way out */
	if (payload.n > max) {
		counter_add(COUNTER_socketio_refused_size, 1);
		return;
	}
	o.n = n;
	o.nnames = 0;
	if (!message_read(&o.m, &n->s->text, payload, max) ||
	    !message_number(o.m.json, SLICE("type"), &type) ||
	    type < 0 || type >= (int64_t)nitems(order_kinds)) {
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return;
	}
	order_take(&o, (enum socketio_request)type);
}
