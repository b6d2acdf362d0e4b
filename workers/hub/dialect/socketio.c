/*
 * Socket.IO 5 on an engine: namespaces are connected and left, events handed
 * to their rules, attachments collected.  What is valid when is the
 * specification's table; what an event may do is rule.c's.  Called by
 * engine.c with each Engine.IO message.
 */
#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/dialect/engine.h"
#include "hub/dialect/inbound.h"
#include "hub/queue/pack.h"
#include "hub/queue/send.h"
#include "hub/queue/sentlog.h"
#include "hub/rule/appoint.h"
#include "hub/rule/rule.h"
#include "hub/session/note.h"
#include "hub/session/admit.h"
#include "hub/session/limit.h"
#include "hub/session/rollout.h"
#include "hub/session/tokens.h"
#include "proto/json.h"
#include "proto/sio.h"

/* Text and attachments of one packet, in largest messages. */
#define PACKET_MESSAGES	4

/* --- CONNECT, DISCONNECT -------------------------------------------------- */

static struct session *
socketio_session(const struct client *c, struct slice nsp)
{
	struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (s->ns->name_len == nsp.n &&
		    memcmp(s->ns->name, nsp.p, nsp.n) == 0)
			return (s);
	return (NULL);
}

static const char rate_limited[] = "rate_limited";
static const char rollout[] = "rollout";

static void
socketio_connect_error(struct client *c, const struct conf_namespace *ns,
    struct slice nsp, const char *message, const char *code,
    const char *reason)
{
	struct hub *h = c->hub;
	struct buf data;

	note_refused(c, nsp, reason != NULL ? reason : code != NULL ? code :
	    message);
	buf_init(&data);
	if (code != NULL)
		buf_printf(&data, "{\"code\":\"%s\"", code);
	if (reason != NULL)
		buf_printf(&data, ",\"reason\":\"%s\"", reason);
	if (code == rate_limited)
		buf_printf(&data, ",\"retry_after_ms\":%llu",
		    (unsigned long long)limit_retry_ms(h));
	if (code == rollout && ns->poll) {
		buf_str(&data, ",\"poll\":");
		refusal_poll_path(&data, ns);
	}
	if (code != NULL)
		buf_byte(&data, '}');
	buf_reset(&h->text);
	sio_encode_connect_error(&h->text, nsp, slice_str(message),
	    buf_unread(&data));
	if (data.oom)
		h->text.oom = true;
	client_send(c, &h->text);
	buf_fini(&data);
	counter_add(COUNTER_ns_refusals, 1);
	if (ns != NULL) {
		counter_ns_add(ns->index, NS_refusals, 1);
		counter_ns_add(ns->index, NS_error_connect, 1);
	}
	/* who may be guessing at names or tokens does so a few times */
	if (++engine_of(c)->failed >= h->conf->failed_connects) {
		counter_add(COUNTER_connects_exhausted, 1);
		client_close(c, REASON_too_many_requests);
	}
}

/* A token that was good is so no more. */
static enum authfail
socketio_token_over(struct client *c, const struct principal *who)
{
	enum authfail f;

	if (principal_is_over(who, c->hub->conf->jwt.leeway_ms, c->hub->wall))
		f = AUTHFAIL_expired;
	else if (tokens_revoked(c->hub, who))
		f = AUTHFAIL_revoked;
	else
		return (AUTH_OK);
	admit_token_failed(c->hub, c->address, f);
	return (f);
}

/*
 * Who wants in: the token in CONNECT's auth object, else the handshake's.
 * *who is a reference or NULL.
 */
static enum authfail
socketio_identify(struct client *c, struct slice auth, struct principal **who)
{
	static uint8_t token[TOKEN_MAX];
	struct slice raw;
	enum authfail f;
	ssize_t n;

	*who = NULL;
	n = json_text(auth, SLICE("token"), token, sizeof token, &raw);
	/* an empty one is none, too */
	if (raw.n == 0 || json_type(raw) == JSON_NULL || n == 0) {
		if (c->who != NULL)
			*who = principal_ref(c->who);
		return (c->fail);
	}
	if (n < 0) {
		f = json_type(raw) == JSON_STRING &&
		    json_plain_size(raw, 0) > sizeof token ?
		    AUTHFAIL_too_long : AUTHFAIL_malformed;
		admit_token_failed(c->hub, c->address, f);
		return (f);
	}
	return (admit_verify(c->hub, c->address,
	    slice_of(token, (size_t)n), who));
}

/* May who come in, now?  false: the reply says why not; f: what was wrong with
 * the token. */
static bool
socketio_admits(struct engine *e, const struct conf_namespace *ns,
    enum authfail f, const struct principal *who)
{
	struct client *c = &e->client;
	const char *why, *code = "unauthorized";

	if (f == AUTH_OK)
		f = socketio_token_over(c, who);
	if (f != AUTH_OK)
		why = authfail_words(f);
	else
		why = admit_may(ns, NULL, 0, who, &code);
	if (why == NULL && !rollout_admits(ns, who, c->address) &&
	    !wire_is_polling((enum wire)c->wire)) {
		socketio_connect_error(c, ns, slice_of(ns->name, ns->name_len),
		    ROLLOUT_WORDS, rollout, NULL);
		return (false);
	}
	if (why == NULL)
		return (true);
	if (f == AUTHFAIL_rate_limited)
		code = rate_limited;
	if (f == AUTH_OK && who == NULL) {
		f = AUTHFAIL_missing;
		admit_failed(c->hub, f);
	}
	socketio_connect_error(c, ns, slice_of(ns->name, ns->name_len), why, code,
	    f == AUTH_OK ? NULL : authfail_name(f));
	return (false);
}

/* The reply to CONNECT. */
static void
socketio_back(struct client *c, struct session *s)
{
	struct buf *b = &c->hub->text;

	engine_of(c)->connect_us = 0;
	buf_reset(b);
	sio_encode_connect(b, slice_of(s->ns->name, s->ns->name_len),
	    session_sid(s), recover_pid(s));
	client_send(c, b);
}

/* A new session in the namespace, whose CONNECT had this auth object (empty:
 * none). */
static void
socketio_new(struct engine *e, const struct conf_namespace *ns,
    struct principal *who, struct slice auth)
{
	struct client *c = &e->client;
	struct slice nsp = slice_of(ns->name, ns->name_len);
	struct hub *h = c->hub;
	struct session *s;
	struct limit_nodes nodes;
	const char *why;

	if (!limit_session(h, c, ns, who, &nodes, &why)) {
		socketio_connect_error(c, ns, nsp, why, "limit", NULL);
		return;
	}
	s = session_new(h, c, c->out, (enum wire)c->wire, ns, who);
	if (s == NULL) {
		limit_give_back(h->count, &nodes);
		counter_add(COUNTER_memory_failures, 1);
		socketio_connect_error(c, ns, nsp, "out of memory", "internal", NULL);
		return;
	}
	s->counted = nodes;
	client_link(c, s);
	if (e->back.log != NULL && !recover_give(s))
		counter_add(COUNTER_memory_failures, 1);
	socketio_back(c, s);
	appoint_auth(s, auth);
	rule_connect(s, auth);
	client_schedule(c);
}

/* Nobody has the session that it asked for. */
static void
socketio_enter(struct client *c, const struct conf_namespace *ns,
    struct principal *who, struct slice auth)
{
	struct engine *e = engine_of(c);

	if (socketio_admits(e, ns, AUTH_OK, who))
		socketio_new(e, ns, who, auth);
}

static struct comeback *
socketio_comeback(struct client *c)
{
	return (&engine_of(c)->back);
}

static void
socketio_connect(struct client *c, const struct sio_packet *p)
{
	const struct conf_namespace *ns;
	struct engine *e = engine_of(c);
	struct principal *who = NULL;
	enum authfail f = AUTH_OK;

	if (socketio_session(c, p->nsp) != NULL) {
		client_close(c, REASON_sio_parse);
		return;
	}
	ns = conf_namespace_find(c->hub->conf, p->nsp);
	if (!limit_packet(c, c->who)) {
		socketio_connect_error(c, ns, p->nsp, "too many, too fast",
		    rate_limited, NULL);
		return;
	}
	if (ns == NULL) {
		socketio_connect_error(c, NULL, p->nsp, "Invalid namespace", NULL, NULL);
		return;
	}
	if (recover_asking(&e->back, ns)) {
		client_close(c, REASON_sio_parse);
		return;
	}
	if (c->nsessions + recover_asked(&e->back) >=
	    c->hub->conf->namespaces_per_connection) {
		socketio_connect_error(c, ns, p->nsp, "too many namespaces", "limit",
		    NULL);
		return;
	}
	if (ns->auth != CONF_AUTH_NONE)
		f = socketio_identify(c, p->data, &who);
	if (socketio_admits(e, ns, f, who) &&
	    recover_connect(c, ns, p->data, who) == RECOVER_NOT)
		socketio_new(e, ns, who, p->data);
	principal_unref(&who);
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

static void socketio_done(struct engine *, const struct sio_packet *,
    const struct slice *attachments, unsigned n);

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
	socketio_done(e, &p, parts, a->want);
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

/* A whole packet, attachments included. */
static void
socketio_done(struct engine *e, const struct sio_packet *p,
    const struct slice *attachments, unsigned n)
{
	struct client *c = &e->client;
	struct session *s;

	counter_add(COUNTER_sio_packets_in, 1);
	if (p->type == SIO_CONNECT) {
		socketio_connect(c, p);
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
	if (p.nattach == 0)
		socketio_done(e, &p, NULL, 0);
	else if (socketio_session(&e->client, p.nsp) == NULL)
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
	if (c->sessions == NULL && LIST_EMPTY(&engine_of(c)->back.asks))
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
