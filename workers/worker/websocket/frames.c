/*
 * WebSocket frames on a connection; see frames.h.
 */
#include "worker/websocket/frames.h"

#include "hub/client.h"
#include "hub/work.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define FRAMES_INFLATED	512u	/* bytes in a unit of work */

/* --- open ---------------------------------------------------------------- */

static void
frames_begin(struct conn *c, enum conn_state state)
{
	c->state = (uint8_t)state;
	counter_add(COUNTER_ws_handshakes, 1);
	counter_add(COUNTER_ws_open, 1);
}

void
frames_open(struct conn *c, struct client *client)
{
	frames_begin(c, CONN_WS);
	c->client = client;
	histogram_add(HISTOGRAM_handshake_us,
	    (uint32_t)c->w->now.us - c->since_us);
	if (client == NULL) {
		conn_close(c, REASON_memory);
		return;
	}
	c->documents = client_has_documents(client);
	conn_record_open(c, client);
	conn_rearm(c);
}

void
frames_refuse(struct conn *c, struct slice message, enum reason why)
{
	uint8_t head[WS_HEADER_MAX];

	frames_begin(c, CONN_WS);
	conn_say(c, slice_of(head, ws_encode_header(head, WS_OP_BINARY,
	    message.n)));
	conn_say(c, message);
	counter_add(COUNTER_ws_frames_out, 1);
	conn_close(c, why);
}

void
frames_candidate(struct conn *c, uint64_t ms)
{
	frames_begin(c, CONN_CANDIDATE);
	c->deadline = mono_add_ms(c->w->now, ms);
	conn_rearm(c);
}

/* --- input --------------------------------------------------------------- */

static void
frames_ping(struct conn *c, const struct ws_event *ev)
{
	struct buf *b = &c->w->text;

	/* a flood of them is bounded by the queue's limit */
	buf_reset(b);
	ws_encode_frame(b, WS_OP_PONG, slice_of(ev->data, ev->n));
	if (b->oom) {
		conn_abort(c, REASON_memory);
		return;
	}
	conn_say(c, buf_unread(b));
	counter_add(COUNTER_ws_frames_out, 1);
}

/* One whole message or control frame. */
static inline void
frames_event(struct conn *c, struct ws_event *ev, frames_message_cb *message)
{
	counter_add(COUNTER_ws_frames_in, 1);
	switch (ev->type) {
	case WS_TEXT:
	case WS_BINARY:
	case WS_PONG:
		message(c, ev);
		break;
	case WS_PING:
		frames_ping(c, ev);
		break;
	case WS_CLOSE:
		c->peer_closed = true;
		c->close_code = ev->code;
		conn_close(c, REASON_client_close);
		break;
	case WS_NONE:
		break;
	}
}

static inline const struct ws_limits *
frames_limits(const struct conn *c)
{
	return (&c->w->ws_limits[2 * c->documents +
	    (c->deflate != DEFLATE_NONE)]);
}

/* A message came compressed: it is counted, and is work. */
static void
frames_inflated(struct worker *w, const struct ws_event *ev, bool good)
{
	size_t n = good ? ev->n : w->conf->message_bytes;

	work_add(w->work, (uint32_t)((n + ev->packed) / FRAMES_INFLATED));
	if (!good) {
		counter_add(COUNTER_ws_inflate_too_big,
		    ev->reason == REASON_ws_too_big);
		return;
	}
	counter_add(COUNTER_ws_inflated, 1);
	counter_add(COUNTER_ws_inflated_in_bytes, ev->packed);
	counter_add(COUNTER_ws_inflated_out_bytes, ev->n);
}

/* One step of decoding and what follows from it, for a share of the turn. */
static inline ssize_t
frames_step(struct conn *c, uint8_t *p, size_t n, frames_message_cb *message)
{
	struct worker *w = c->w;
	uint64_t before = outq_bytes(&c->outq), after;
	struct ws_event ev;
	ssize_t r;

	r = ws_decode(&c->ws, w->ws_pool, frames_limits(c), p, n, &ev);
	if (r == CODEC_MORE)
		return (0);
	if (unlikely(ev.packed != 0))
		frames_inflated(w, &ev, r != CODEC_BAD);
	if (r == CODEC_BAD) {
		conn_close(c, ev.reason);
		return (0);
	}
	if (ev.type != WS_NONE)
		frames_event(c, &ev, message);
	after = outq_bytes(&c->outq);
	work_add(w->work, 1);
	if (after > before)
		work_answered(w->work, after - before);
	if (conn_is_behind(w, &c->outq)) {
		counter_add(COUNTER_input_paused, 1);
		c->stalled = true;
		conn_record_slow(c);
	}
	return (r);
}

static inline size_t
frames_run(struct conn *c, uint8_t *p, size_t n, frames_message_cb *message)
{
	const uint8_t state = c->state;
	size_t used = 0;
	ssize_t r;

	while (used < n && c->state == state && !conn_waits(c)) {
		r = frames_step(c, p + used, n - used, message);
		if (r == 0)
			break;
		used += (size_t)r;
	}
	return (used);
}

size_t
frames_take(struct conn *c, uint8_t *p, size_t n, frames_message_cb *message)
{
	return (frames_run(c, p, n, message));
}

static void
frames_client(struct conn *c, struct ws_event *ev)
{
	if (ev->type == WS_TEXT)
		client_text(c->client, ev->data, ev->n);
	else if (ev->type == WS_BINARY)
		client_binary(c->client, ev->data, ev->n);
	else
		client_pong(c->client);
}

size_t
frames_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	(void)old;
	return (frames_run(c, p, n, frames_client));
}

void
frames_due(struct conn *c)
{
	client_tick(c->client);
}

/* --- the closing handshake ----------------------------------------------- */

/* Our Close is out: look for the peer's, drop everything else, and do not even
 * inflate it: no share of a turn bounds that here. */
size_t
frames_closing_input(struct conn *c, uint8_t *p, size_t n, size_t old)
{
	struct ws_limits lim = *frames_limits(c);
	struct worker *w = c->w;
	struct ws_event ev;
	size_t used = 0;
	ssize_t r;

	(void)old;
	lim.dropped = true;
	while (used < n) {
		r = ws_decode(&c->ws, w->ws_pool, &lim, p + used, n - used,
		    &ev);
		if (r == CODEC_MORE)
			return (used);
		if (r == CODEC_BAD || ev.type == WS_CLOSE) {
			conn_abort(c, (enum reason)c->reason);
			return (n);
		}
		used += (size_t)r;
	}
	return (used);
}

/* The reference closes Engine.IO connections for their size without a text;
 * what has no client yet is Engine.IO's, too. */
static const char *
frames_close_words(const struct conn *c, const struct reason_row *row)
{
	return (c->reason == REASON_ws_too_big &&
	    (c->client == NULL || client_is_engine(c->client)) ? "" :
	    row->words);
}

/* A Close frame behind what is queued; false: that did not work out. */
static bool
frames_say_close(struct conn *c)
{
	const struct reason_row *row = reason_row((enum reason)c->reason);
	struct worker *w = c->w;

	if (c->abort || (row->code == 0 && !c->peer_closed))
		return (false);
	if (!c->peer_closed && c->client != NULL)
		client_farewell(c->client, (enum reason)c->reason);
	buf_reset(&w->text);
	/* RFC 6455, 5.5.1: an endpoint typically echoes the status code */
	if (!c->peer_closed)
		ws_encode_close(&w->text, row->code, frames_close_words(c, row));
	else if (c->close_code == 1005)
		ws_encode_close(&w->text, 0, "");
	else
		ws_encode_close(&w->text, c->close_code, "");
	if (w->text.oom || !out_bytes(w->out, &c->outq, buf_unread(&w->text)))
		return (false);
	counter_add(COUNTER_ws_frames_out, 1);
	return (true);
}

/* After these the peer's frames cannot be told apart any more. */
static bool
frames_lost_track(enum reason r)
{
	return (r == REASON_ws_protocol || r == REASON_ws_utf8 ||
	    r == REASON_ws_too_big || r == REASON_ws_flood ||
	    r == REASON_ws_inflate ||
	    r == REASON_memory);
}

void
frames_parting(struct conn *c)
{
	uint64_t ms = c->w->conf->close_timeout_ms;
	bool said;

	counter_sub(COUNTER_ws_open, 1);
	said = frames_say_close(c);
	if (c->client != NULL)
		client_gone(&c->client, (enum reason)c->reason);
	if (!said && (c->abort || c->outq.n == 0)) {
		conn_end(c);
	} else if (!said || c->peer_closed) {
		conn_wait(c, CONN_LINGER, ms);
	} else if (frames_lost_track((enum reason)c->reason)) {
		c->half = true;
		ws_fini(&c->ws, c->w->ws_pool);
		conn_wait(c, CONN_LINGER, ms);
	} else {
		/* its Close may be among what waits */
		conn_wait(c, CONN_CLOSING, ms);
		return;
	}
	conn_tail_free(c);
}
