/*
 * What servers with the sharded adapter say, on its way to the workers; see
 * sharded.h.
 */
#include "relay/bridge/sharded_int.h"

#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/members.h"
#include "relay/bridge/message.h"
#include "relay/bridge/socketio.h"
#include "relay/bridge/whom.h"

#define IN_ID_MAX	64	/* bytes of an id, as JSON */
#define IN_UID_MAX	64

/* One message, and what its answers are written in. */
struct in {
	struct sharded	*s;
	const struct conf_namespace *ns;
	struct message	 m;
	struct slice	 data;		/* of it */
	struct slice	 id;		/* raw JSON string, empty: nobody waits */
	struct slice	 uid;		/* whose, plain */
	struct slice	 tail;		/* of answers */
	struct members_asker who;
};

/* --- how it is answered ---------------------------------------------------*/

/* The frame has room for all of them: it does not move. */
static struct slice
sharded_in_put(struct in *in, enum sharded_type type, const char *member)
{
	struct buf *b = &in->s->frame;
	size_t from = b->wpos;

	buf_printf(b, "{\"type\":%u,\"data\":{\"requestId\":", (unsigned)type);
	buf_slice(b, in->id);
	buf_str(b, member);
	return (slice_from(buf_unread(b), from));
}

static struct slice
sharded_in_put_tail(struct in *in, const char *close)
{
	struct buf *b = &in->s->frame;
	size_t from = b->wpos;

	buf_str(b, close);
	sharded_put_tail(in->s, b, sharded_nsp(in->ns));
	return (slice_from(buf_unread(b), from));
}

static bool
sharded_in_asker(struct in *in)
{
	struct members_asker *who = &in->who;
	struct sharded *s = in->s;

	buf_reset(&s->frame);
	who->channel = sharded_channel(s, sharded_nsp(in->ns), in->uid);
	if (s->channel.oom || !buf_reserve(&s->frame, 1024 + 6 * in->id.n +
	    12 * in->ns->name_len)) {
		s->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	who->sharded = true;
	who->list.tail = sharded_in_put_tail(in, "]}");
	who->count.tail = who->ack.tail = sharded_in_put_tail(in, "}");
	who->list.head = sharded_in_put(in, SHARDED_FETCHED, ",\"sockets\":[");
	who->count.head = sharded_in_put(in, SHARDED_COUNT,
	    ",\"clientCount\":");
	who->ack.head = sharded_in_put(in, SHARDED_ACK, ",\"packet\":");
	counter_add(COUNTER_requests, 1);
	return (true);
}

/* All of an answer. */
static void
sharded_in_say(struct in *in, enum sharded_type type, const char *member)
{
	struct buf *b = &in->s->frame;
	size_t from = b->wpos;

	(void)sharded_in_put(in, type, member);
	(void)sharded_in_put_tail(in, "}");
	members_say(in->s->p.members, &in->who,
	    slice_from(buf_unread(b), from));
}

/* What cannot be understood has nobody in it, and that is an answer. */
static void
sharded_in_nobody(struct in *in, enum sharded_type type, const char *member)
{
	counter_add(COUNTER_requests_bad, 1);
	sharded_in_say(in, type, member);
}

/* --- for whom -------------------------------------------------------------*/

static enum whom_result
sharded_in_whom(struct in *in, struct bus_audience *to, uint64_t slots[2])
{
	struct sharded *s = in->s;
	struct whom w = { .interest = s->interest, .ns = in->ns->index,
		.joins = socketio_joins(s->p.socketio),
		.now = home_now(s->p.home), .to = to };
	enum whom_result res;

	whom_begin(&w);
	if (!message_whom(in->data, SLICE("opts"), &s->names, &w))
		return (WHOM_MANY);
	res = whom_end(&w);
	slotset_copy(slots, w.slots);
	return (res);
}

/* false: refused and counted; who waits is answered with nothing. */
static bool
sharded_in_may(const struct in *in, uint32_t what)
{
	if (conf_socketio_allows(&in->s->p.home->conf->redis, what))
		return (true);
	counter_add(COUNTER_socketio_refused_off, 1);
	return (false);
}

/* --- each of them ---------------------------------------------------------*/

static void
sharded_in_deliver(struct in *in, struct bus_envelope *e,
    const uint64_t slots[2])
{
	counter_add(COUNTER_socketio_broadcasts, 1);
	home_deliver(in->s->p.home, slots, e);
}

static void
sharded_in_broadcast(struct in *in)
{
	static struct bus_envelope e;	/* large; one at a time */
	uint64_t slots[2], wait_ms;
	enum whom_result res = WHOM_MANY;
	bool ok;

	if (!sharded_in_may(in, CONF_SOCKETIO_BROADCAST)) {
		if (in->id.n != 0 && sharded_in_asker(in))
			sharded_in_say(in, SHARDED_COUNT,
			    ",\"clientCount\":0");
		return;
	}
	ok = message_publish(&in->m, in->data, in->ns, &e, &wait_ms);
	if (ok)
		res = sharded_in_whom(in, &e.publish.to, slots);
	if (in->id.n != 0 && !sharded_in_asker(in))
		return;
	if (in->id.n != 0 && res != WHOM_MANY)
		members_ask(in->s->p.members, &in->who, &e, slots, wait_ms);
	else if (in->id.n != 0)
		sharded_in_nobody(in, SHARDED_COUNT, ",\"clientCount\":0");
	else if (res == WHOM_SOME)
		sharded_in_deliver(in, &e, slots);
	else if (res == WHOM_NOBODY)
		counter_add(COUNTER_socketio_elsewhere, 1);
	else
		counter_add(ok ? COUNTER_socketio_refused_many :
		    COUNTER_socketio_refused_malformed, 1);
}

static void
sharded_in_fetch(struct in *in)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_members *q = bus_members(&e, BUS_MEMBERS_WHOLE);
	uint64_t slots[2];

	if (in->id.n == 0 || !sharded_in_asker(in))
		return;
	q->nsp = sharded_nsp(in->ns);
	if (sharded_in_whom(in, &q->to, slots) == WHOM_MANY)
		sharded_in_nobody(in, SHARDED_FETCHED, ",\"sockets\":[]");
	else
		members_list(in->s->p.members, &in->who, &e, slots);
}

static void
sharded_in_event(struct in *in)
{
	if (sharded_in_may(in, CONF_SOCKETIO_EVENT))
		counter_add(COUNTER_socketio_events, 1);
	/* there is no program here that could say more */
	if (in->id.n != 0 && sharded_in_asker(in))
		sharded_in_say(in, SHARDED_EVENT_DONE, ",\"packet\":null");
}

static void
sharded_in_do(struct in *in, enum sharded_type type)
{
	struct socketio *orders = in->s->p.socketio;

	switch (type) {
	case SHARDED_BROADCAST:
		sharded_in_broadcast(in);
		break;
	case SHARDED_JOIN:
		socketio_order(orders, in->ns, SOCKETIO_JOIN, in->data);
		break;
	case SHARDED_LEAVE:
		socketio_order(orders, in->ns, SOCKETIO_LEAVE, in->data);
		break;
	case SHARDED_DISCONNECT:
		socketio_order(orders, in->ns, SOCKETIO_DISCONNECT, in->data);
		break;
	case SHARDED_FETCH:
		sharded_in_fetch(in);
		break;
	case SHARDED_EVENT:
		sharded_in_event(in);
		break;
	case SHARDED_FETCHED:
	case SHARDED_EVENT_DONE:
	case SHARDED_COUNT:
	case SHARDED_ACK:
		break;		/* answers: not to us */
	}
}

/* --- which it is ----------------------------------------------------------*/

/* false: not for us, or nothing that is understood. */
static bool
sharded_in_read(struct in *in, int64_t *type, char uid[IN_UID_MAX])
{
	struct slice v;
	ssize_t n;

	n = json_text(in->m.json, SLICE("uid"), (uint8_t *)uid,
	    IN_UID_MAX, &v);
	if (n <= 0 || !json_get(in->m.json, SLICE("nsp"), &v) ||
	    !json_string_eq(v, sharded_nsp(in->ns)) ||
	    !message_number(in->m.json, SLICE("type"), type) ||
	    !json_get(in->m.json, SLICE("data"), &in->data) ||
	    json_type(in->data) != JSON_OBJECT)
		return (false);
	in->uid = slice_of(uid, (size_t)n);
	if (!json_get(in->data, SLICE("requestId"), &in->id) ||
	    json_type(in->id) != JSON_STRING || in->id.n > IN_ID_MAX)
		in->id = slice_of(NULL, 0);
	return (true);
}

/* Of a daemon of this configuration, or of this process by another link. */
static bool
sharded_in_is_ours(const struct in *in)
{
	const char *uid = in->s->uid;

	return ((in->uid.n >= SHARDED_FAMILY &&
	    memcmp(in->uid.p, uid, SHARDED_FAMILY) == 0) ||
	    (in->uid.n == SHARDED_UID && memcmp(in->uid.p + SHARDED_FAMILY,
	    uid + SHARDED_FAMILY, SHARDED_UID - SHARDED_FAMILY) == 0));
}

void
sharded_on_message(void *arg, struct slice channel, struct slice payload)
{
	struct sharded_namespace *n = arg;
	struct sharded *s = n->s;
	struct in in = { .s = s, .ns = n->ns };
	size_t max = s->p.home->conf->message_bytes;
	char uid[IN_UID_MAX];
	int64_t type;

	(void)channel;
	if (n->ns == NULL || n->ns->gone)
		return;		/* on its way out */
	if (payload.n > max) {
		counter_add(COUNTER_socketio_refused_size, 1);
		return;
	}
	if (!message_read(&in.m, &s->text, payload, max) ||
	    !sharded_in_read(&in, &type, uid)) {
		counter_add(COUNTER_socketio_refused_malformed, 1);
		return;
	}
	if (sharded_in_is_ours(&in))
		counter_add(COUNTER_socketio_own, 1);
	else if (type >= SHARDED_BROADCAST && type <= SHARDED_ACK)
		sharded_in_do(&in, (enum sharded_type)type);
}
