/*
 * SockJS (proto/json_sockjs.h): a plain client whose messages are strings in arrays.
 * One over WebSocket has a connection, and is pinged; one over HTTP has a queue
 * that whoever stands for it empties now and then, and no heartbeat here.
 * Called by the host through client.h.
 */
#include "proto/json_sockjs.h"

#include "base/state.h"
#include "hub/dialect/kind.h"
#include "hub/dialect/plain.h"
#include "hub/dialect/single.h"
#include "hub/hub_int.h"
#include "proto/ws.h"

/* Larger ones are not kept for the next message. */
#define SOCKJS_SCRATCH	(64u << 10)
/* Stock clients send one in a frame. */
#define SOCKJS_FRAME_MAX 128u

/* --- in -------------------------------------------------------------------- */

static void
sockjs_message(struct client *c, struct slice raw)
{
	struct buf *b = &c->hub->message;

	counter_add(COUNTER_messages_in, 1);
	buf_reset(b);
	if (!buf_reserve(b, raw.n)) {
		counter_add(COUNTER_memory_failures, 1);
		client_close(c, REASON_memory);
		return;
	}
	b->wpos = (size_t)(json_plain_to(b->data, raw, 0) - b->data);
	plain_message(c, b->data, b->wpos);
	if (b->cap > SOCKJS_SCRATCH) {
		buf_fini(b);
		buf_init(b);
	}
}

bool
sockjs_take(struct client *c, struct sockjs_messages *m)
{
	struct work *w = &c->hub->work;
	struct slice raw;
	uint64_t before;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	do {
		if (c->closing || !sockjs_next(m, &raw))
			return (true);
		before = outq_bytes(c->out);
		sockjs_message(c, raw);
		work_add(w, 1);
		work_answered(w, outq_bytes(c->out) - before);
	} while (!work_done(w));
	return (c->closing);
}

/* A frame: all that is in it, as it cannot wait. */
static void
sockjs_text(struct client *c, uint8_t *data, size_t n)
{
	struct sockjs_messages m;
	struct slice raw;
	unsigned i;

	if (!sockjs_decode(slice_of(data, n), &m)) {
		client_close(c, REASON_raw_parse);
		return;
	}
	for (i = 0; !c->closing && sockjs_next(&m, &raw); i++) {
		if (i == SOCKJS_FRAME_MAX) {
			client_close(c, REASON_too_many_requests);
			return;
		}
		sockjs_message(c, raw);
		work_add(&c->hub->work, 1);
	}
}

static void
sockjs_binary(struct client *c, uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	client_close(c, REASON_unsupported_data);
}

/* --- out ------------------------------------------------------------------- */

/* A frame of SockJS that is no message. */
static bool
sockjs_say(struct client *c, struct slice frame)
{
	uint8_t *to = out_direct(&c->hub->out, c->out,
	    ws_header_size(frame.n) + frame.n);

	if (to == NULL)
		return (false);
	to += ws_encode_header(to, WS_OP_TEXT, frame.n);
	memcpy(to, frame.p, frame.n);
	counter_add(COUNTER_ws_frames_out, 1);
	return (true);
}

static void
sockjs_farewell(struct client *c, unsigned code, const char *words)
{
	struct buf b;

	buf_init(&b);
	sockjs_encode_close(&b, code, words);
	if (b.oom || !sockjs_say(c, buf_unread(&b)))
		counter_add(COUNTER_memory_failures, 1);
	buf_fini(&b);
}

/* --- life ------------------------------------------------------------------ */

/* Clients see no pings, but expect a frame. */
static void
sockjs_tick(struct client *c)
{
	uint8_t ping[WS_HEADER_MAX];

	if (client_beat(c, slice_of(ping,
	    ws_encode_header(ping, WS_OP_PING, 0))) &&
	    sockjs_say(c, SLICE("h")))
		counter_add(COUNTER_sockjs_heartbeats, 1);
}

static void
sockjs_pong(struct client *c)
{
	if (client_beat_answered(c))
		client_schedule(c);
}

static void
sockjs_gone(struct client *c)
{
	(void)c;
	counter_sub(COUNTER_sockjs_open, 1);
}

static bool
sockjs_load(struct client *c, struct book *k, struct state_in *in)
{
	enum wire form = wire_form((enum wire)c->wire);

	(void)k;
	(void)in;
	if (form != WIRE_SOCKJS && form != WIRE_SOCKJS_BARE)
		return (false);
	counter_add(COUNTER_sockjs_open, 1);
	return (true);
}

const struct client_kind sockjs_kind = {
	.slab = CLIENT_PLAIN, .number = CLIENT_IS_SOCKJS,
	.due = client_beat_due, .text = sockjs_text, .binary = sockjs_binary,
	.pong = sockjs_pong, .tick = sockjs_tick, .gone = sockjs_gone,
	.expire = single_expire, .kick = single_kick, .load = sockjs_load,
	.farewell = sockjs_farewell,
};

/* The host has its deadlines. */
static uint64_t
sockjs_polling_due(const struct client *c)
{
	(void)c;
	return (0);
}

static void
sockjs_polling_tick(struct client *c)
{
	(void)c;
}

static bool
sockjs_polling_load(struct client *c, struct book *k, struct state_in *in)
{
	(void)k;
	(void)in;
	if (!wire_is_sockjs_polling((enum wire)c->wire))
		return (false);
	counter_add(COUNTER_sockjs_open, 1);
	return (true);
}

const struct client_kind sockjs_polling_kind = {
	.slab = CLIENT_PLAIN, .number = CLIENT_IS_SOCKJS_POLLING,
	.due = sockjs_polling_due, .text = sockjs_text,
	.binary = sockjs_binary, .tick = sockjs_polling_tick,
	.gone = sockjs_gone, .expire = single_expire, .kick = single_kick,
	.load = sockjs_polling_load,
};

static struct client *
sockjs_new(struct hub *h, const struct client_kind *kind, enum wire wire,
    struct admission *a, struct outq *out)
{
	struct client *c = client_new(h, kind, wire, out, a);

	if (c == NULL)
		return (NULL);
	counter_add(COUNTER_sockjs_open, 1);
	/* before the first message, which the session may get at once */
	if ((kind == &sockjs_kind && !sockjs_say(c, SLICE("o"))) ||
	    !single_begin(c, a)) {
		client_gone(&c, REASON_memory);
		return (NULL);
	}
	return (c);
}

static bool
sockjs_is_bare(const struct admission *a)
{
	return (a->route != NULL && a->route->format == CONF_FORMAT_BARE);
}

struct client *
sockjs_open(struct hub *h, struct admission *a, struct outq *out)
{
	struct client *c = sockjs_new(h, &sockjs_kind, sockjs_is_bare(a) ?
	    WIRE_SOCKJS_BARE : WIRE_SOCKJS, a, out);

	if (c == NULL)
		return (NULL);
	counter_add(COUNTER_sockjs_websocket, 1);
	client_beat_start(c);
	client_schedule(c);
	return (c);
}

struct client *
sockjs_open_polling(struct hub *h, struct admission *a, struct outq *out)
{
	struct client *c = sockjs_new(h, &sockjs_polling_kind,
	    sockjs_is_bare(a) ? WIRE_SOCKJS_POLL_BARE : WIRE_SOCKJS_POLL, a,
	    out);

	if (c == NULL)
		return (NULL);
	client_beat_start(c);	/* every client says when; it is not looked at */
	client_schedule(c);
	return (c);
}
