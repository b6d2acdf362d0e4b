/*
 * CONNECT of Socket.IO: who wants in, may he, and the reply.  Called by
 * socketio.c with each such packet, and by recover/ when it knows of a session
 * that was asked for.
 */
#include "hub/dialect/socketio_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/dialect/socketio_connecting.h"
#include "hub/dialect/engine.h"
#include "hub/hub_int.h"
#include "hub/rule/appoint.h"
#include "hub/rule/door.h"
#include "hub/rule/rule.h"
#include "hub/session/admit.h"
#include "hub/session/limit.h"
#include "hub/session/note.h"
#include "hub/session/rollout.h"
#include "hub/session/tokens.h"
#include "hub/stream/granted.h"
#include "proto/json.h"
#include "proto/sio.h"

static const char rate_limited[] = "rate_limited";
static const char rollout[] = "rollout";

/* The reply with this data, JSON or empty; told to the log as `what`. */
static void
socketio_refuse(struct client *c, const struct conf_namespace *ns,
    struct slice nsp, const char *message, const struct buf *data,
    const char *what)
{
	struct hub *h = c->hub;

	note_refused(c, nsp, what);
	buf_reset(&h->text);
	sio_encode_connect_error(&h->text, nsp, slice_str(message),
	    buf_unread(data));
	if (data->oom)
		h->text.oom = true;
	client_send(c, &h->text);
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

static void
socketio_connect_error(struct client *c, const struct conf_namespace *ns,
    struct slice nsp, const char *message, const char *code,
    const char *reason)
{
	struct buf data;

	buf_init(&data);
	if (code != NULL)
		buf_printf(&data, "{\"code\":\"%s\"", code);
	if (reason != NULL)
		buf_printf(&data, ",\"reason\":\"%s\"", reason);
	if (code == rate_limited)
		buf_printf(&data, ",\"retry_after_ms\":%llu",
		    (unsigned long long)limit_retry_ms(c->hub));
	if (code == rollout && ns->poll) {
		buf_str(&data, ",\"poll\":");
		refusal_poll_path(&data, ns);
	}
	if (code != NULL)
		buf_byte(&data, '}');
	socketio_refuse(c, ns, nsp, message, &data, reason != NULL ? reason :
	    code != NULL ? code : message);
	buf_fini(&data);
}

/* As a hook says: its data, or else its code. */
static void
socketio_refuse_verdict(struct client *c, const struct conf_namespace *ns,
    const struct verdict *v)
{
	char words[VERDICT_WORDS_MAX + 1], code[VERDICT_CODE_MAX + 1];
	struct buf data;

	(void)snprintf(code, sizeof code, "%.*s", (int)v->code.n,
	    (const char *)v->code.p);
	if (v->code.n == 0)
		(void)snprintf(code, sizeof code, "forbidden");
	verdict_words(v, words);
	buf_init(&data);
	if (v->data.n != 0)
		buf_slice(&data, v->data);
	else
		buf_printf(&data, "{\"code\":\"%s\"}", code);
	counter_add(COUNTER_verdicts_refused, 1);
	socketio_refuse(c, ns, slice_of(ns->name, ns->name_len), words, &data,
	    code);
	buf_fini(&data);
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
socketio_reply(struct client *c, struct session *s)
{
	struct buf *b = &c->hub->text;

	engine_of(c)->connect_us = 0;
	buf_reset(b);
	sio_encode_connect(b, slice_of(s->ns->name, s->ns->name_len),
	    session_sid(s), recover_pid(s));
	client_send(c, b);
}

void
socketio_back(struct client *c, struct session *s)
{
	socketio_reply(c, s);
	connecting_end(c, s->ns);
}

/* A new session in the namespace, whose CONNECT had this auth object (empty:
 * none). */
static void
socketio_new(struct engine *e, const struct conf_namespace *ns,
    struct principal *who, struct slice auth)
{
	struct client *c = &e->client;
	struct slice nsp = slice_of(ns->name, ns->name_len);
	struct connecting *x = connecting_find(c, nsp);
	struct hub *h = c->hub;
	struct session *s;
	struct limit_nodes nodes;
	const char *why;

	if (!limit_session(h, c, ns, who, &nodes, &why)) {
		socketio_connect_error(c, ns, nsp, why, "limit", NULL);
		return;
	}
	s = session_new(h, c, c->out, (enum wire)c->wire, ns, who,
	    x == NULL ? slice_of(NULL, 0) : connecting_sid(x));
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
	socketio_reply(c, s);
	appoint_auth(s, auth);
	if (unlikely(x != NULL))
		door_welcome(s, connecting_granted(x));
	rule_connect(s, auth);
	client_schedule(c);
}

void
socketio_enter(struct client *c, const struct conf_namespace *ns,
    struct principal *who, struct slice auth)
{
	struct engine *e = engine_of(c);

	if (socketio_admits(e, ns, AUTH_OK, who))
		socketio_new(e, ns, who, auth);
	connecting_end(c, ns);
}

/* --- those that a hook is asked about --------------------------------------*/

/* He may: with the session that he asks for, or a new one. */
static void
socketio_let_in(struct client *c, const struct conf_namespace *ns,
    struct principal *who, struct slice auth)
{
	if (recover_connect(c, ns, auth, who) == RECOVER_NOT) {
		socketio_new(engine_of(c), ns, who, auth);
		connecting_end(c, ns);
	}
}

/* He is whom the hook says, if it does, who may come in as anybody. */
static void
socketio_heard(struct connecting *x, const struct verdict *v)
{
	struct client *c = connecting_client(x);
	const struct conf_namespace *ns = connecting_ns(x);
	struct principal **who = connecting_who(x);

	if (v != NULL && !granted_who(c->hub, v,
	    connecting_asked_ms(x), who))
		socketio_connect_error(c, ns, slice_of(ns->name, ns->name_len),
		    "out of memory", "internal", NULL);
	else if (socketio_admits(engine_of(c), ns, AUTH_OK, *who)) {
		socketio_let_in(c, ns, *who, connecting_auth(x));
		return;
	}
	connecting_end(c, ns);
}

/* What the hook says, or what becomes of it without an answer. */
static void
socketio_said(struct connecting *x, const struct verdict *v)
{
	struct client *c = connecting_client(x);
	const struct conf_namespace *ns = connecting_ns(x);

	if (c->closing)
		connecting_end(c, ns);
	else if (v == NULL && ns->hook->on_failure == CONF_FAILURE_REFUSE) {
		socketio_connect_error(c, ns, slice_of(ns->name, ns->name_len),
		    "the back end cannot be asked", "unavailable", NULL);
		connecting_end(c, ns);
	} else if (v != NULL && !v->allow) {
		socketio_refuse_verdict(c, ns, v);
		connecting_end(c, ns);
	} else
		socketio_heard(x, v);
	if (!c->closing)
		client_schedule(c);
}

static const struct connecting_calls socketio_calls = {
	.said = socketio_said, .again = socketio_packet,
};

static void
socketio_ask(struct client *c, const struct conf_namespace *ns,
    struct principal *who, struct slice auth)
{
	struct engine *e = engine_of(c);

	if (connecting_ask(c, ns, who, auth, &socketio_calls)) {
		if (e->connect_us != 0)		/* a first one has come */
			e->connect_us += ns->hook->timeout_ms * 1000;
		return;
	}
	counter_add(COUNTER_verdicts_failed, 1);
	if (ns->hook->on_failure == CONF_FAILURE_ALLOW)
		socketio_let_in(c, ns, who, auth);
	else
		socketio_connect_error(c, ns, slice_of(ns->name, ns->name_len),
		    "the back end cannot be asked", "unavailable", NULL);
}

/* socket.io-client says nothing when it gives a CONNECT up, and may send another
 * one: that counts, and each is asked about.  As often as it may be refused. */
static bool
socketio_gives_up(struct client *c, struct slice nsp)
{
	struct connecting *x = connecting_find(c, nsp);

	return (x == NULL || (++engine_of(c)->failed <
	    c->hub->conf->failed_connects && connecting_forget(x)));
}

void
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
	if (recover_asking(&e->back, ns) || !socketio_gives_up(c, p->nsp)) {
		client_close(c, REASON_sio_parse);
		return;
	}
	if (c->nsessions + recover_asked(&e->back) + connecting_count(c) >=
	    c->hub->conf->namespaces_per_connection) {
		socketio_connect_error(c, ns, p->nsp, "too many namespaces", "limit",
		    NULL);
		return;
	}
	if (ns->auth != CONF_AUTH_NONE)
		f = socketio_identify(c, p->data, &who);
	if (!socketio_admits(e, ns, f, who))
		;		/* it knows */
	else if (unlikely(ns->asks_connect))
		socketio_ask(c, ns, who, p->data);
	else
		socketio_let_in(c, ns, who, p->data);
	principal_unref(&who);
}
