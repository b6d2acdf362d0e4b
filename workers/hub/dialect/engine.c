/*
 * An Engine.IO 4 session: opening, heartbeat, both transports, the move from
 * polling to WebSocket.  What its messages mean is socketio.c's, or
 * messages.c's.  Called by the host through client.h.
 */
#include <stdlib.h>

#include "base/digest.h"
#include "base/utf8.h"
#include "hub/hub_int.h"
#include "hub/audience/room.h"
#include "hub/dialect/engine.h"
#include "hub/queue/send.h"
#include "hub/queue/sentlog.h"
#include "hub/session/rollout.h"
#include "proto/ws.h"

/* --- heartbeat ------------------------------------------------------------ */

/* When the first CONNECT must have come; one that waits for other workers has
 * come.  0: at no time. */
static uint64_t
engine_connect_due(const struct engine *e)
{
	return (LIST_EMPTY(&e->back.asks) ? e->connect_us : 0);
}

uint64_t
engine_due(const struct client *c)
{
	const struct engine *e = (const struct engine *)(const void *)c;
	uint64_t due = client_beat_due(c);

	if (engine_connect_due(e) != 0 && engine_connect_due(e) < due)
		due = engine_connect_due(e);
	if (e->assembly != NULL && e->assembly->deadline_us < due)
		due = e->assembly->deadline_us;
	return (due);
}

void
engine_tick(struct client *c)
{
	static const uint8_t packet = EIO_PING;
	struct engine *e = engine_of(c);
	enum wire w = (enum wire)c->wire;
	uint64_t now = c->hub->now.us;
	uint8_t ping[16];

	if (engine_connect_due(e) != 0 && engine_connect_due(e) <= now)
		client_close(c, REASON_connect_timeout);
	else if (e->assembly != NULL && e->assembly->deadline_us <= now)
		client_close(c, REASON_sio_parse);
	else {
		wire_text_put(w, slice_of(&packet, 1), ping);
		if (client_beat(c, slice_of(ping, wire_text_size(w,
		    slice_of(&packet, 1)))) &&
		    e->back.log != NULL)
			sentlog_ping(e->back.log, outq_bytes(c->out));
	}
}

static void
engine_pong(struct client *c)
{
	struct engine *e = engine_of(c);

	if (!client_beat_answered(c))
		return;
	if (e->back.log != NULL)
		sentlog_pong(e->back.log);
	client_schedule(c);
}

/* --- packets -------------------------------------------------------------- */

/* A binary message as base64; decoded over itself. */
static void
engine_base64(struct engine *e, struct slice data)
{
	uint8_t *to = (uint8_t *)(uintptr_t)data.p;
	ssize_t n = digest_base64_decode_loose(data, to);

	if (n < 0)
		client_close(&e->client, REASON_eio_parse);
	else
		engine_kind_of(e)->binary(e, slice_of(to, (size_t)n));
}

void
engine_text(struct client *c, uint8_t *data, size_t n)
{
	struct engine *e = engine_of(c);
	struct eio_packet p;

	if (eio_decode(slice_of(data, n), &p) < 0) {
		client_close(c, REASON_eio_parse);
		return;
	}
	if (p.type != EIO_PONG)
		client_beat_extend(c);
	switch (p.type) {
	case EIO_MESSAGE:
		engine_kind_of(e)->text(e, p.data);
		break;
	case EIO_PONG:
		engine_pong(c);
		break;
	case EIO_CLOSE:
		client_close(c, REASON_client_close);
		break;
	case EIO_PING:		/* only a probe may, on another transport */
		client_close(c, REASON_eio_parse);
		break;
	case EIO_BINARY:
		engine_base64(e, p.data);
		break;
	case EIO_OPEN:
	case EIO_UPGRADE:
	case EIO_NOOP:
		break;
	}
}

void
engine_binary(struct client *c, uint8_t *data, size_t n)
{
	struct engine *e = engine_of(c);

	client_beat_extend(c);
	engine_kind_of(e)->binary(e, slice_of(data, n));
}

bool
engine_payload(struct client *c, struct eio_payload *it)
{
	struct work *w = &c->hub->work;
	struct slice packet;
	uint64_t before;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	do {
		if (c->closing || !eio_payload_next(it, &packet))
			return (true);
		before = outq_bytes(c->out);
		counter_add(COUNTER_messages_in, 1);
		/* the upgrade came before all of the POST was done */
		if (!wire_is_polling((enum wire)c->wire) &&
		    !utf8_valid(packet))
			client_close(c, REASON_eio_parse);
		else
			engine_text(c, (uint8_t *)(uintptr_t)packet.p,
			    packet.n);
		work_add(w, 1);
		work_answered(w, outq_bytes(c->out) - before);
	} while (!it->done && !work_done(w));
	return (it->done || c->closing);
}

/* The client may come back after these. */
static bool
engine_may_come_back(enum reason r)
{
	return (r != REASON_auth_expired && r != REASON_rights_lost &&
	    r != REASON_kicked &&
	    r != REASON_memory && r != REASON_too_many_requests);
}

void
engine_parting(struct client *c, enum reason r)
{
	struct engine *e = engine_of(c);

	if (wire_is_polling((enum wire)c->wire))
		counter_add(COUNTER_eio_polling_ended, 1);
	recover_cancel(c);
	if (e->back.log != NULL && engine_may_come_back(r))
		recover_park(c, r);
}

void
engine_gone(struct client *c)
{
	struct engine *e = engine_of(c);

	if (e->back.log != NULL)
		c->out->log = NULL;
	sentlog_unref(&e->back.log);
	free(e->was);
	counter_sub(COUNTER_eio_sessions, 1);
	if (wire_is_polling((enum wire)c->wire))
		counter_sub(COUNTER_eio_polling, 1);
}

/* --- opening -------------------------------------------------------------- */

static void
engine_send_open(struct engine *e)
{
	struct hub *h = e->client.hub;
	struct eio_owner owner = { .slot = (uint8_t)h->slot,
		.generation = (uint8_t)h->generation,
		.websocket = !wire_is_polling((enum wire)e->client.wire) };
	uint8_t rnd[EIO_SID_RANDOM];

	h->ports.random(h->ports.host, rnd, sizeof rnd);
	eio_sid_encode(owner, rnd, e->sid);
	buf_reset(&h->text);
	eio_encode_open(&h->text, &(struct eio_open){ .sid = e->sid,
	    .upgrades = wire_is_polling((enum wire)e->client.wire) &&
	    conf_may_upgrade(h->conf),
	    .ping_interval_ms = h->conf->ping_interval_ms,
	    .ping_timeout_ms = h->conf->ping_timeout_ms,
	    .max_payload = h->conf->message_bytes });
	client_send(&e->client, &h->text);
}

struct client *
engine_new(struct hub *h, const struct engine_kind *kind, struct admission *a,
    enum wire wire, bool b64, struct outq *out)
{
	struct client *c = client_new(h, &kind->client, wire, out, a);
	struct engine *e;

	if (c == NULL)
		return (NULL);
	e = engine_of(c);
	e->b64 = b64;
	client_beat_start(c);
	engine_send_open(e);
	counter_add(COUNTER_eio_opened, 1);
	counter_add(COUNTER_eio_sessions, 1);
	if (wire_is_polling(wire))
		counter_add(COUNTER_eio_polling, 1);
	counter_add(wire_is_polling(wire) ? COUNTER_opened_eio_polling :
	    COUNTER_opened_eio_websocket, 1);
	if (!kind->begin(e, a)) {
		client_gone(&c, REASON_memory);
		return (NULL);
	}
	client_schedule(c);
	return (c);
}

const char *
engine_sid(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	return (((const struct engine *)(const void *)c)->sid);
}

/* --- upgrade -------------------------------------------------------------- */

/* One packet that was queued for polling, as a frame. */
static void
engine_reframe(struct engine *e, struct slice packet)
{
	struct client *c = &e->client;
	struct buf *b = &c->hub->text;
	ssize_t n;

	buf_reset(b);
	if (packet.n == 0 || packet.p[0] != EIO_BINARY || e->b64) {
		buf_slice(b, packet);
		client_send(c, b);
		return;
	}
	if (!buf_reserve(b, packet.n)) {
		send_lost(&c->hub->out, c->out);
		return;
	}
	n = digest_base64_decode(slice_from(packet, 1), b->data);
	MUST(n >= 0);	/* we encoded it */
	client_send_binary(c, slice_of(b->data, (size_t)n));
}

/* See recover_begin_at(). */
static struct session *
engine_begin_here(struct engine *e, struct session *s, uint64_t pos)
{
	return (s == NULL ? NULL : recover_begin_at(s, pos,
	    outq_pos(e->client.out)));
}

/* What polling has not taken, from pos on, goes out on the WebSocket first:
 * with other heads, and so to other places. */
static void
engine_requeue(struct engine *e, struct outq *old, uint64_t pos)
{
	struct out *o = &e->client.hub->out;
	struct session *s = e->back.log == NULL ? NULL : e->client.sessions;
	struct slice run, packet;
	const uint8_t *end;

	while (outq_peek(old, &run)) {
		s = engine_begin_here(e, s, pos);
		end = memchr(run.p, EIO_SEPARATOR, run.n);
		MUST(end != NULL);	/* references hold whole packets */
		packet = slice_of(run.p, (size_t)(end - run.p));
		engine_reframe(e, packet);
		pos += packet.n + 1;
		outq_sent(o, old, packet.n + 1);
	}
	(void)engine_begin_here(e, s, pos);
}

/* Whom a rollout leaves on polling is there in full: it is no event that he is
 * not on WebSocket, only that he asked. */
bool
engine_may_upgrade(const struct client *c)
{
	const struct session *s;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	for (s = c->sessions; s != NULL; s = s->next)
		if (s->ns->rollout < 100 && rollout_place(s->ns, s->who,
		    c->address) >= s->ns->rollout) {
			counter_add(COUNTER_eio_rollout_held, 1);
			return (false);
		}
	return (true);
}

bool
engine_upgrade(struct client *c, struct outq *out, enum deflate_window window)
{
	struct engine *e = engine_of(c);
	struct outq *old = c->out;
	struct session *s;
	uint64_t pos = 0;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	MUST(wire_is_polling((enum wire)c->wire) && !c->closing);
	outq_late_flush(&c->hub->out, old);
	c->wire = (uint8_t)wire_packed(e->b64 ? engine_kind_of(e)->b64 :
	    engine_kind_of(e)->ws, window);
	if (e->back.log != NULL) {
		/* before it sent "5" the client had its last GET answered */
		pos = outq_pos(old) - outq_bytes(old);
		old->log = NULL;
		sentlog_clear(e->back.log);
		outq_log(out, e->back.log);
	}
	c->out = out;
	if (old->lossy) {	/* so it was to end, and does so here */
		out->lossy = true;
		(void)outq_touch(&c->hub->out, out);
	}
	counter_sub(COUNTER_eio_polling, 1);
	counter_add(COUNTER_eio_upgrades, 1);
	engine_requeue(e, old, pos);
	for (s = c->sessions; s != NULL; s = s->next)
		if (!room_move(c->hub, s, out, (enum wire)c->wire))
			return (false);
	return (true);
}
