/*
 * Who may come in; see admit.h, and client.h for what the host calls.  Called
 * by socketio's CONNECT, by auth.c, and for sessions that come back.
 */
#include "hub/session/admit.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "hub/client.h"
#include "hub/hub_int.h"
#include "hub/session/handshake.h"
#include "hub/session/limit.h"
#include "hub/session/rollout.h"
#include "hub/session/tokens.h"
#include "shm/table_revoked.h"

/* --- tokens --------------------------------------------------------------- */

static void
admit_tell(struct hub *h, enum authfail f, bool vouched)
{
	counter_auth_failed(f);
	if (h->ports.refused != NULL)
		h->ports.refused(h->ports.host, f, vouched);
}

void
admit_failed(struct hub *h, enum authfail f)
{
	admit_tell(h, f, false);
}

void
admit_token_failed(struct hub *h, uint64_t address, enum authfail f)
{
	admit_failed(h, f);
	limit_token_failed(h, address);
}

/* No time of issue, as one in milliseconds: nothing would be before it. */
#define IAT_AHEAD_S	86400

/* Who the claims say, unless that is revoked.  Lets go of them. */
static enum authfail
admit_make(struct hub *h, struct token_claims *claims, struct principal **who)
{
	enum authfail f = AUTH_OK;

	if (claims->iat > (int64_t)(h->wall.ms / 1000) + IAT_AHEAD_S)
		claims->iat = REVOKED_NO_IAT;
	*who = principal_new(h->conf, claims);
	if (*who == NULL || !tokens_name(h, *who, slice_of(claims->jti,
	    claims->jti_len))) {
		counter_add(COUNTER_memory_failures, 1);
		f = AUTHFAIL_memory;
	} else if (tokens_revoked(h, *who))
		f = AUTHFAIL_revoked;
	if (f != AUTH_OK)
		principal_unref(who);
	token_claims_fini(claims);
	return (f);
}

enum authfail
admit_verify(struct hub *h, uint64_t address, struct slice token,
    struct principal **who)
{
	const struct conf_jwt *j = &h->conf->jwt;
	struct token_policy policy = {
		.issuer = slice_str(j->issuer),
		.audience = slice_str(j->audience),
		.user_claim = slice_str(j->user_claim),
		.roles_claim = slice_str(j->roles_claim),
		.leeway_s = j->leeway_ms / 1000,
	};
	struct token_claims claims;
	enum authfail f;

	*who = NULL;
	if (!limit_token(h, address)) {
		admit_failed(h, AUTHFAIL_rate_limited);
		return (AUTHFAIL_rate_limited);
	}
	if (h->keys == NULL)
		f = AUTHFAIL_unknown_key;
	else {
		work_add(&h->work, WORK_SIGNATURE);
		work_come(&h->work, WORK_SIGNATURE);
		f = token_verify(h->keys, &policy, token, h->wall, &claims);
	}
	if (f != AUTH_OK) {
		admit_token_failed(h, address, f);
		return (f);
	}
	f = admit_make(h, &claims, who);
	if (f == AUTHFAIL_revoked)
		admit_token_failed(h, address, f);
	if (f != AUTH_OK)
		return (f);
	counter_add(COUNTER_tokens_verified, 1);
	return (AUTH_OK);
}

/* What the host vouches for, as a certificate, has no signature for us, and a
 * bad one is no attempt to guess. */
static enum authfail
admit_vouched(struct hub *h, struct slice json, struct principal **who)
{
	struct token_claims claims;
	enum authfail f;

	f = token_vouched(json, h->wall, &claims);
	if (f != AUTH_OK) {
		admit_tell(h, f, true);
		return (f);
	}
	f = admit_make(h, &claims, who);
	if (f == AUTHFAIL_revoked)
		admit_tell(h, f, true);
	if (f != AUTH_OK)
		return (f);
	counter_add(COUNTER_certificates_taken, 1);
	return (AUTH_OK);
}

const char *
admit_may(const struct conf_namespace *ns, char *const *roles,
    size_t nroles, const struct principal *who, const char **code)
{
	*code = "unauthorized";
	if (ns->auth == CONF_AUTH_REQUIRED && who == NULL)
		return ("authentication required");
	*code = "forbidden";
	if (!principal_has_role(who, ns->roles, ns->nroles) ||
	    !principal_has_role(who, roles, nroles))
		return ("your role is not admitted here");
	return (NULL);
}

/* --- at the handshake ----------------------------------------------------- */

void
admission_fini(struct admission *a)
{
	struct limit_nodes nodes = { a->user_node, a->ns_node };

	principal_unref(&a->who);
	handshake_free(&a->handshake);
	free(a->room);
	a->room = NULL;
	limit_give_back(a->count, &nodes);
	a->user_node = a->ns_node = 0;
}

void
engine_admit(struct hub *h, const struct client_request *q,
    struct admission *a)
{
	*a = (struct admission){ .address = q->address };
	if (unlikely(q->handshake.n != 0))
		a->handshake = handshake_new(q->handshake);
	if (q->token.n != 0 && h->conf->jwt.enabled)
		a->fail = admit_verify(h, q->address, q->token, &a->who);
	else if (q->vouched.n != 0)
		a->fail = admit_vouched(h, q->vouched, &a->who);
}

static bool
admit_refuse(struct refusal *r, int status, const char *code,
    const char *message)
{
	*r = (struct refusal){ .status = status, .code = code,
		.message = message };
	return (false);
}

/* The room that a route joins, with the path's parameters filled in. */
static bool
admit_fill_room(const struct client_request *q, struct admission *a)
{
	const struct conf_route *r = q->route;
	struct slice part;
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 0; i < r->njoin; i++) {
		part = slice_str(r->join[i].text);
		if (r->join[i].param)
			part = q->values[conf_pattern_param(&r->path, part)];
		buf_slice(&b, part);
	}
	a->room = (char *)b.data;
	a->room_len = b.wpos;
	return (!b.oom);
}

/* Rooms that a route names are joined without a join rule: the route is one.
 * The name must still be one that a room can have. */
static bool
admit_room(const struct client_request *q, struct admission *a,
    struct refusal *r)
{
	if (q->route == NULL || q->route->njoin == 0)
		return (true);
	if (!admit_fill_room(q, a))
		return (admit_refuse(r, 503, "internal", "out of memory"));
	if (a->room_len == 0 || a->room_len > ROOM_NAME_MAX)
		return (admit_refuse(r, 400, "bad_request",
		    "room name too long"));
	if (!utf8_name(slice_of(a->room, a->room_len)))
		return (admit_refuse(r, 400, "bad_request",
		    "path is not UTF-8"));
	return (true);
}

/* The words of a refusal that is about who asks, NULL: none; *code with it. */
static const char *
admit_who(struct hub *h, const struct client_request *q, struct admission *a,
    const char **code)
{
	if (q->token.n != 0 && q->ns->auth != CONF_AUTH_NONE)
		a->fail = admit_verify(h, q->address, q->token, &a->who);
	else if (q->vouched.n != 0 && q->ns->auth != CONF_AUTH_NONE)
		a->fail = admit_vouched(h, q->vouched, &a->who);
	*code = a->fail == AUTHFAIL_rate_limited ? "rate_limited" :
	    "unauthorized";
	if (a->fail != AUTH_OK)
		return (authfail_words(a->fail));
	return (admit_may(q->ns, q->route == NULL ? NULL :
	    q->route->roles, q->route == NULL ? 0 : q->route->nroles, a->who,
	    code));
}

/* The hook says who may, and perhaps as whom: who that is then needs the same
 * roles, and is not revoked. */
static bool
admit_heard(struct hub *h, const struct client_request *q,
    struct admission *a, struct refusal *r)
{
	const char *code, *why;

	if (!h->events->hearing(h, q, a, r))
		return (false);
	if (tokens_revoked(h, a->who)) {
		a->fail = AUTHFAIL_revoked;
		admit_failed(h, a->fail);
		return (admit_refuse(r, 401, "unauthorized",
		    authfail_words(a->fail)));
	}
	why = admit_may(q->ns, q->route == NULL ? NULL : q->route->roles,
	    q->route == NULL ? 0 : q->route->nroles, a->who, &code);
	return (why == NULL || admit_refuse(r, 403, "forbidden", why));
}

static bool
admit_session(struct hub *h, const struct client_request *q,
    struct admission *a, struct refusal *r)
{
	const char *code, *why = admit_who(h, q, a, &code);
	struct limit_nodes nodes;

	if (a->fail == AUTHFAIL_rate_limited) {
		(void)admit_refuse(r, 429, code, why);
		r->retry_ms = limit_retry_ms(h);
		return (false);
	}
	if (why != NULL) {
		if (strcmp(code, "unauthorized") == 0 &&
		    a->fail == AUTH_OK)
			admit_failed(h, AUTHFAIL_missing);
		return (admit_refuse(r, strcmp(code, "forbidden") == 0 ? 403 :
		    401, code, why));
	}
	if (!q->polls && !rollout_admits(q->ns, a->who, q->address)) {
		(void)admit_refuse(r, 403, "rollout", ROLLOUT_WORDS);
		r->poll = q->ns->poll ? q->ns : NULL;
		return (false);
	}
	if (!admit_room(q, a, r))
		return (false);
	if (unlikely(q->ns->asks_connect || (q->ns->asks && a->room != NULL)) &&
	    !admit_heard(h, q, a, r))
		return (false);
	if (!limit_session(h, NULL, q->ns, a->who, &nodes, &why))
		return (admit_refuse(r, 429, "limit", why));
	a->user_node = nodes.user;
	a->ns_node = nodes.ns;
	if (unlikely(q->handshake.n != 0))
		a->handshake = handshake_new(q->handshake);
	return (true);
}

bool
plain_admit(struct hub *h, const struct client_request *q,
    struct admission *a, struct refusal *r)
{
	*a = (struct admission){ .ns = q->ns, .route = q->route,
		.since = q->since, .address = q->address, .count = h->count };
	if (admit_session(h, q, a, r))
		return (true);
	if (r->status == 0)	/* it asks again */
		return (false);
	counter_add(COUNTER_ns_refusals, 1);
	counter_ns_add(q->ns->index, NS_refusals, 1);
	return (false);
}
