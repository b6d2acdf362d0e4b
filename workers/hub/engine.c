/*
 * An Engine.IO 4 session over WebSocket with Socket.IO 5 on it: heartbeat,
 * namespaces, events.  What is valid when is the specification's table; what
 * an event may do is rule.c's.  Called by the host through client.h.
 */
#include <stdlib.h>

#include "base/digest.h"
#include "hub/client_int.h"
#include "hub/hub_int.h"
#include "proto/eio.h"
#include "proto/json.h"
#include "proto/sio.h"

/* --- heartbeat ------------------------------------------------------------ */

static uint64_t
engine_due(const struct client *c)
{
	uint64_t due = c->pong_us != 0 ? c->pong_us : c->ping_us;

	if (c->connect_us != 0 && c->connect_us < due)
		due = c->connect_us;
	return (due);
}

static uint64_t
engine_tick(struct client *c)
{
	static const uint8_t ping[] = { 0x81, 0x01, EIO_PING };
	uint64_t now = c->hub->now.us;

	if (c->connect_us != 0 && c->connect_us <= now) {
		client_close(c, REASON_connect_timeout);
		return (0);
	}
	(void)client_beat(c, slice_of(ping, sizeof ping));
	return (engine_due(c));
}

static void
on_pong(struct client *c)
{
	if (client_beat_answered(c))
		client_schedule(c, engine_due(c));
}

/* Anything received while a pong is due extends its deadline, once. */
static void
on_sign_of_life(struct client *c)
{
	if (c->pong_us == 0 || c->ping_timeouts != 0)
		return;
	c->ping_timeouts = 1;
	c->pong_us = c->hub->now.us + c->hub->conf->ping_timeout_ms * 1000;
	client_schedule(c, engine_due(c));
}

/* --- CONNECT, DISCONNECT -------------------------------------------------- */

static struct session *
session_in(const struct client *c, struct slice nsp)
{
	struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (s->ns->name_len == nsp.n &&
		    memcmp(s->ns->name, nsp.p, nsp.n) == 0)
			return (s);
	return (NULL);
}

static void
connect_error(struct client *c, const struct conf_namespace *ns,
    struct slice nsp, const char *message, const char *code,
    const char *reason)
{
	struct hub *h = c->hub;
	struct buf data;

	buf_init(&data);
	if (code != NULL)
		buf_printf(&data, "{\"code\":\"%s\"", code);
	if (reason != NULL)
		buf_printf(&data, ",\"reason\":\"%s\"", reason);
	if (code != NULL)
		buf_byte(&data, '}');
	buf_reset(&h->text);
	sio_encode_connect_error(&h->text, nsp, slice_str(message),
	    buf_unread(&data));
	client_send_text(h, c->out, &h->text);
	buf_fini(&data);
	counter_add(COUNTER_ns_refusals, 1);
	if (ns != NULL) {
		counter_ns_add(ns->index, NS_refusals, 1);
		counter_ns_add(ns->index, NS_error_connect, 1);
	}
}

/*
 * Who wants in: the token in CONNECT's auth object, else the handshake's.
 * *who is a reference or NULL.
 */
static enum authfail
identify(struct client *c, struct slice auth, struct principal **who)
{
	static uint8_t token[TOKEN_MAX + 2];
	struct slice raw;
	ssize_t n;

	*who = NULL;
	if (auth.n == 0 || !json_get(auth, SLICE("token"), &raw) ||
	    json_type(raw) == JSON_NULL) {
		if (c->who != NULL)
			*who = principal_ref(c->who);
		return (c->fail);
	}
	if (raw.n > sizeof token) {
		counter_auth_failed(AUTHFAIL_too_long);
		return (AUTHFAIL_too_long);
	}
	n = json_type(raw) == JSON_STRING ? json_unescape(raw, token) : -1;
	if (n < 0) {
		counter_auth_failed(AUTHFAIL_malformed);
		return (AUTHFAIL_malformed);
	}
	return (client_verify(c->hub, slice_of(token, (size_t)n), who));
}

static void
enter(struct client *c, const struct conf_namespace *ns, struct slice nsp,
    struct principal *who)
{
	struct hub *h = c->hub;
	struct session *s;

	s = session_new(h, c, c->out, WIRE_SIO, ns, who);
	if (s == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		connect_error(c, ns, nsp, "out of memory", "internal", NULL);
		return;
	}
	client_link(c, s);
	c->connect_us = 0;
	buf_reset(&h->text);
	sio_encode_connect(&h->text, nsp, s->sid, NULL);
	client_send_text(h, c->out, &h->text);
	client_schedule(c, engine_due(c));
}

static void
on_connect(struct client *c, const struct sio_packet *p)
{
	const struct conf_namespace *ns;
	struct principal *who = NULL;
	const char *why, *code = "unauthorized";
	enum authfail f = AUTH_OK;

	if (session_in(c, p->nsp) != NULL) {
		client_close(c, REASON_sio_parse);
		return;
	}
	ns = conf_namespace_find(c->hub->conf, p->nsp);
	if (ns == NULL) {
		connect_error(c, NULL, p->nsp, "Invalid namespace", NULL, NULL);
		return;
	}
	if (c->nsessions >= c->hub->conf->namespaces_per_connection) {
		connect_error(c, ns, p->nsp, "too many namespaces", "limit",
		    NULL);
		return;
	}
	if (ns->auth != CONF_AUTH_NONE)
		f = identify(c, p->data, &who);
	if (f != AUTH_OK)
		why = authfail_words(f);
	else
		why = client_admits(ns, NULL, 0, who, &code);
	if (why == NULL) {
		enter(c, ns, p->nsp, who);
	} else {
		if (f == AUTH_OK && who == NULL) {
			f = AUTHFAIL_missing;
			counter_auth_failed(f);
		}
		connect_error(c, ns, p->nsp, why, code,
		    f == AUTH_OK ? NULL : authfail_name(f));
	}
	principal_unref(&who);
}

static void
on_disconnect(struct client *c, struct session *s)
{
	client_unlink(c, s);
	session_free(&s);
	client_schedule(c, engine_due(c));
}

/* --- packets -------------------------------------------------------------- */

static void
on_event(struct session *s, const struct sio_packet *p)
{
	struct inbound in = { .event = p->event, .args = p->args };

	if (p->has_id)
		in.ack = (struct ack){ .kind = ACK_SIO, .id = p->id };
	rule_event(s, &in);
}

static void
on_packet(struct client *c, struct slice text)
{
	struct sio_packet p;
	struct session *s;

	counter_add(COUNTER_sio_packets_in, 1);
	if (sio_decode(text, &p) < 0) {
		client_close(c, REASON_sio_parse);
		return;
	}
	if (p.type == SIO_CONNECT) {
		on_connect(c, &p);
		return;
	}
	s = session_in(c, p.nsp);
	if (s == NULL) {
		client_close(c, REASON_sio_parse);
		return;
	}
	switch (p.type) {
	case SIO_DISCONNECT:
		on_disconnect(c, s);
		break;
	case SIO_EVENT:
		if (!p.empty)
			on_event(s, &p);
		break;
	case SIO_ACK:
		counter_add(COUNTER_acks_in, 1);
		counter_add(COUNTER_acks_unknown, 1);
		break;
	case SIO_BINARY_EVENT:
	case SIO_BINARY_ACK:
		client_close(c, REASON_unsupported_data);
		break;
	case SIO_CONNECT:
	case SIO_CONNECT_ERROR:
	default:
		client_close(c, REASON_sio_parse);
		break;
	}
}

static void
engine_text(struct client *c, uint8_t *data, size_t n)
{
	struct eio_packet p;

	if (eio_decode(slice_of(data, n), &p) < 0) {
		client_close(c, REASON_eio_parse);
		return;
	}
	if (p.type != EIO_PONG)
		on_sign_of_life(c);
	switch (p.type) {
	case EIO_MESSAGE:
		on_packet(c, p.data);
		break;
	case EIO_PONG:
		on_pong(c);
		break;
	case EIO_CLOSE:
		client_close(c, REASON_client_close);
		break;
	case EIO_PING:		/* only a probe may, on another transport */
		client_close(c, REASON_eio_parse);
		break;
	case EIO_BINARY:
		client_close(c, REASON_unsupported_data);
		break;
	case EIO_OPEN:
	case EIO_UPGRADE:
	case EIO_NOOP:
		break;
	}
}

static void
engine_binary(struct client *c, uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	client_close(c, REASON_unsupported_data);
}

static void
engine_expire(struct client *c, struct session *s)
{
	struct hub *h = c->hub;

	buf_reset(&h->text);
	sio_encode_disconnect(&h->text, slice_of(s->ns->name,
	    s->ns->name_len));
	client_send_text(h, c->out, &h->text);
	client_unlink(c, s);
	session_free(&s);
	if (c->sessions == NULL)
		client_close(c, REASON_auth_expired);
}

static void
engine_gone(struct client *c)
{
	(void)c;
	counter_sub(COUNTER_eio_sessions, 1);
}

static const struct client_kind engine_kind = {
	.text = engine_text, .binary = engine_binary, .tick = engine_tick,
	.gone = engine_gone, .expire = engine_expire,
};

/* --- opening -------------------------------------------------------------- */

void
engine_admit(struct hub *h, const struct client_request *q,
    struct admission *a)
{
	*a = (struct admission){ .ns = NULL };
	if (q->token.n != 0 && h->conf->jwt.enabled)
		a->fail = client_verify(h, q->token, &a->who);
}

static void
send_open(struct client *c)
{
	struct hub *h = c->hub;
	uint8_t rnd[13];
	char sid[EIO_SID_LEN + 1];

	h->ports.random(h->ports.host, rnd, sizeof rnd);
	eio_sid_encode((uint16_t)(h->slot << 8 | (h->generation & 0xff)), rnd,
	    sid);
	buf_reset(&h->text);
	eio_encode_open(&h->text, &(struct eio_open){ .sid = sid,
	    .ping_interval_ms = h->conf->ping_interval_ms,
	    .ping_timeout_ms = h->conf->ping_timeout_ms,
	    .max_payload = h->conf->message_bytes });
	client_send_text(h, c->out, &h->text);
}

struct client *
engine_open(struct hub *h, struct admission *a, struct outq *out, void *host)
{
	struct client *c = client_new(h, &engine_kind, out, host, a);

	if (c == NULL)
		return (NULL);
	c->ping_us = h->now.us + h->conf->ping_interval_ms * 1000;
	c->connect_us = h->now.us + h->conf->connect_timeout_ms * 1000;
	send_open(c);
	counter_add(COUNTER_eio_opened, 1);
	counter_add(COUNTER_eio_sessions, 1);
	client_schedule(c, engine_due(c));
	return (c);
}
