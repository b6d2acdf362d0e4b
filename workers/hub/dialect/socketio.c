/*
 * Socket.IO 5 on an engine: namespaces are left, events handed to their rules,
 * attachments collected; CONNECT is socketio_connect.c's.  What is valid when is the
 * specification's table; what an event may do is rule.c's.  Called by
 * engine.c with each Engine.IO message.
 */
#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/dialect/socketio_connecting.h"
#include "hub/dialect/engine.h"
#include "hub/dialect/inbound.h"
#include "hub/dialect/socketio_int.h"
#include "hub/queue/pack.h"
#include "hub/queue/send.h"
#include "hub/queue/sentlog.h"
#include "hub/session/limit.h"
#include "proto/json.h"
#include "proto/sio.h"

/* Text and attachments of one packet, in largest messages. */
#define PACKET_MESSAGES	4

/* --- sessions ------------------------------------------------------------- */

struct session *
socketio_session(const struct client *c, struct slice nsp)
{
	struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (s->ns->name_len == nsp.n &&
		    memcmp(s->ns->name, nsp.p, nsp.n) == 0)
			return (s);
	return (NULL);
}

static struct comeback *
socketio_comeback(struct client *c)
{
	return (&engine_of(c)->back);
}

static void
socketio_disconnect(struct client *c, struct session *s, enum reason reason)
{
	if (c->nsessions == 1)
		engine_remember(engine_of(c), s);
	client_unlink(c, s);
	session_over(&s, reason);
	client_schedule(c);
}

/* --- attachments ---------------------------------------------------------- */

/* The packet's text is here, `want` binary messages are to come. */
static void
socketio_assembly_begin(struct engine *e, struct slice text, unsigned want)
{
	struct hub *h = e->client.hub;
	struct assembly *a = calloc(1, sizeof *a);

	if (a != NULL) {
		buf_init(&a->text);
		buf_init(&a->bytes);
		buf_slice(&a->text, text);
		a->want = want;
		a->deadline_us = h->now.us + h->conf->ping_timeout_ms * 1000;
		e->assembly = a;
	}
	if (a == NULL || a->text.oom) {
		counter_add(COUNTER_memory_failures, 1);
		client_close(&e->client, REASON_memory);
		return;
	}
	client_schedule(&e->client);
}

static void
socketio_assembly_done(struct engine *e)
{
	struct slice parts[SIO_ATTACHMENTS_MAX];
	struct assembly *a = e->assembly;
	struct sio_packet p;
	size_t from = 0;
	unsigned i;

	e->assembly = NULL;
	for (i = 0; i < a->want; i++) {
		parts[i] = slice_of(a->bytes.data == NULL ? NULL :
		    a->bytes.data + from, a->ends[i] - from);
		from = a->ends[i];
	}
	MUST(sio_decode(buf_unread(&a->text), &p) > 0);
	counter_add(COUNTER_sio_packets_in, 1);
	socketio_packet(&e->client, &p, parts, a->want);
	assembly_free(&a);
	if (!e->client.closing)
		client_schedule(&e->client);
}

static void
socketio_attachment(struct engine *e, struct slice data)
{
	struct assembly *a = e->assembly;

	if (a == NULL) {	/* nobody announced it */
		client_close(&e->client, REASON_sio_parse);
		return;
	}
	if (a->text.wpos + a->bytes.wpos + data.n > PACKET_MESSAGES *
	    e->client.hub->conf->message_bytes) {
		client_close(&e->client, REASON_ws_too_big);
		return;
	}
	buf_slice(&a->bytes, data);
	if (a->bytes.oom) {
		counter_add(COUNTER_memory_failures, 1);
		client_close(&e->client, REASON_memory);
		return;
	}
	a->ends[a->got++] = a->bytes.wpos;
	if (a->got == a->want)
		socketio_assembly_done(e);
}

/* --- packets -------------------------------------------------------------- */

static void
socketio_event(struct session *s, const struct sio_packet *p,
    const struct slice *attachments, unsigned n)
{
	struct inbound in = { .event = p->event, .args = p->args,
		.attachments = attachments, .nattach = n };

	if (p->has_id)
		in.ack = (struct ack){ .kind = ACK_SIO, .id = p->id };
	inbound_event(s, &in);
}

void
socketio_packet(struct client *c, const struct sio_packet *p,
    const struct slice *attachments, unsigned n)
{
	struct connecting *x;
	struct session *s;

	if (p->type == SIO_CONNECT) {
		socketio_connect(c, p);
		return;
	}
	x = likely(c->hub->nconnecting == 0) ? NULL :
	    connecting_find(c, p->nsp);
	if (unlikely(x != NULL)) {
		if (!connecting_hold(x, p, attachments, n))
			client_close(c, REASON_too_many_requests);
		return;
	}
	s = socketio_session(c, p->nsp);
	if (s == NULL) {
		client_close(c, REASON_sio_parse);
		return;
	}
	switch (p->type) {
	case SIO_DISCONNECT:
		/* who wants to leave may, at the price of a message */
		(void)limit_packet(c, s->who);
		socketio_disconnect(c, s, REASON_client_close);
		break;
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		if (!p->empty)
			socketio_event(s, p, attachments, n);
		break;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		if (!p->empty)
			inbound_answer(s, p->has_id ? &p->id : NULL, p->args,
			    attachments, n);
		break;
	case SIO_CONNECT:
	case SIO_CONNECT_ERROR:
	default:
		client_close(c, REASON_sio_parse);
		break;
	}
}

static void
socketio_text(struct engine *e, struct slice text)
{
	struct sio_packet p;

	/* it lies in a buffer of the connection's, which may be written */
	json_mend((uint8_t *)(uintptr_t)text.p, text.n);
	if (e->assembly != NULL || sio_decode(text, &p) < 0) {
		client_close(&e->client, REASON_sio_parse);
		return;
	}
	if (p.nattach == 0) {
		counter_add(COUNTER_sio_packets_in, 1);
		socketio_packet(&e->client, &p, NULL, 0);
	} else if (socketio_session(&e->client, p.nsp) == NULL &&
	    connecting_find(&e->client, p.nsp) == NULL)
		client_close(&e->client, REASON_sio_parse);
	else
		socketio_assembly_begin(e, text, p.nattach);
}

/* --- ended by us ---------------------------------------------------------- */

/* The connection stays: its client may be in other namespaces, or join this
 * one again. */
static void
socketio_kick(struct client *c, struct session *s, enum reason reason)
{
	struct hub *h = c->hub;

	buf_reset(&h->text);
	sio_encode_disconnect(&h->text, slice_of(s->ns->name,
	    s->ns->name_len));
	client_send(c, &h->text);
	socketio_disconnect(c, s, reason);
}

/* As session_farewell() and socketio_kick() do, without a session. */
static void
socketio_no_namespace(struct client *c, struct slice nsp)
{
	struct slice args =
	    SLICE("{\"reason\":\"this namespace is no more\"}");
	struct publication p = { .nsp = nsp, .args = args, .first = args,
		.event = SLICE("\"roost:disconnect\"") };
	struct wire_plan plan = pack_plan(c->hub->out.pack,
	    (enum wire)c->wire, &p);
	struct hub *h = c->hub;
	uint8_t *to = out_direct(&h->out, c->out, plan.total);

	if (to == NULL) {
		send_lost(&h->out, c->out);
		return;
	}
	pack_put((enum wire)c->wire, &p, &plan, to);
	buf_reset(&h->text);
	sio_encode_disconnect(&h->text, nsp);
	client_send(c, &h->text);
	counter_add(COUNTER_rights_sessions, 1);
}

static void
socketio_expire(struct client *c, struct session *s, enum reason reason)
{
	socketio_kick(c, s, reason);
	if (c->sessions == NULL && LIST_EMPTY(&engine_of(c)->back.asks) &&
	    connecting_count(c) == 0)
		client_close(c, reason);
}

/* --- begin and end -------------------------------------------------------- */

/* A first CONNECT is to come. */
static bool
socketio_begin(struct engine *e, struct admission *a)
{
	struct hub *h = e->client.hub;

	(void)a;
	e->connect_us = h->now.us + h->conf->connect_timeout_ms * 1000;
	if (!h->recovers)
		return (true);
	e->back.log = sentlog_new(h->conf->recovery_packets,
	    h->conf->recovery_bytes);
	if (e->back.log != NULL)
		outq_log(e->client.out, e->back.log);
	return (true);
}

static void
socketio_gone(struct client *c)
{
	connecting_cancel(c);
	assembly_free(&engine_of(c)->assembly);
	engine_gone(c);
}

const struct engine_kind engine_socketio = {
	.client = { ENGINE_CLIENT, .number = CLIENT_IS_SOCKETIO,
	    .gone = socketio_gone,
	    .expire = socketio_expire, .kick = socketio_kick,
	    .comeback = socketio_comeback, .enter = socketio_enter,
	    .back = socketio_back, .no_namespace = socketio_no_namespace },
	.begin = socketio_begin, .text = socketio_text,
	.binary = socketio_attachment,
	.ws = WIRE_SIO, .b64 = WIRE_SIO_B64, .polling = WIRE_POLL,
};
