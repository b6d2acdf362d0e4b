/*
 * What is logged of refusals; see refusal.h.  They are counted elsewhere.
 */
#include "worker/http/refusal.h"

#include <stdio.h>

#include "base/address.h"
#include "sys/log.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define REFUSAL_SHOWN	128	/* of what a peer said */

static unsigned long long
refusal_held(uint64_t held)
{
	return ((unsigned long long)held);
}

/* Whom it happened to, and in which request: values of `address' and, behind
 * it, of `request'. */
#define REFUSAL_CLIENT_MAX	(ADDRESS_TEXT_MAX + TRACE_ID_MAX + 16)
static const char *
refusal_client(const struct request *rq, char out[REFUSAL_CLIENT_MAX])
{
	char address[ADDRESS_TEXT_MAX];

	(void)snprintf(out, REFUSAL_CLIENT_MAX, "%s request=\"%s\"",
	    address_text(rq->from.address, rq->from.port, address),
	    rq->trace.id);
	return (out);
}

void
refusal_told(const struct request *rq, struct slice user, const char *code)
{
	conn_record_refused(rq->c, rq->from.address, rq->from.port, user,
	    code);
}

void
refusal_host(const struct request *rq)
{
	static struct log_rate rate;
	char host[REFUSAL_SHOWN], client[REFUSAL_CLIENT_MAX];
	uint64_t held;

	if (log_rate(&rate, rq->w->now, &held))
		log_info("refused what=host address=%s host=\"%s\" "
		    "directive=hosts unsaid=%llu", refusal_client(rq, client),
		    log_safe(host, sizeof host, rq->head.host.p,
		    rq->head.host.n), refusal_held(held));
}

void
refusal_origin(const struct request *rq)
{
	static struct log_rate rate;
	char origin[REFUSAL_SHOWN], host[REFUSAL_SHOWN];
	char client[REFUSAL_CLIENT_MAX];
	struct slice value;
	uint64_t held;

	if (!log_rate(&rate, rq->w->now, &held))
		return;
	if (http_field(&rq->head, "Origin", &value) == 0)
		value = slice_of(NULL, 0);
	log_info("refused what=origin address=%s origin=\"%s\" host=\"%s\" "
	    "directive=%s unsaid=%llu", refusal_client(rq, client),
	    log_safe(origin, sizeof origin, value.p, value.n),
	    log_safe(host, sizeof host, rq->head.host.p, rq->head.host.n),
	    rq->head.upgrade_websocket ? "allowed_origins" :
	    "allowed_origins,cors.origins", refusal_held(held));
}

void
refusal_key(const struct request *rq)
{
	static struct log_rate rate;
	char client[REFUSAL_CLIENT_MAX];
	uint64_t held;

	if (log_rate(&rate, rq->w->now, &held))
		log_info("refused what=key address=%s directive=api.key "
		    "unsaid=%llu", refusal_client(rq, client),
		    refusal_held(held));
}

void
refusal_place(const struct request *rq, const char *key)
{
	static struct log_rate rate;
	char client[REFUSAL_CLIENT_MAX], name[REFUSAL_SHOWN];
	uint64_t held;

	if (log_rate(&rate, rq->w->now, &held))
		log_info("refused what=key key=\"%s\" address=%s "
		    "directive=api.key.networks unsaid=%llu", log_quoted(name,
		    sizeof name, slice_str(key)), refusal_client(rq, client),
		    refusal_held(held));
}

void
refusal_version(const struct request *rq)
{
	static struct log_rate rate;
	char version[REFUSAL_SHOWN], client[REFUSAL_CLIENT_MAX];
	uint64_t held;
	ssize_t n;

	if (!log_rate(&rate, rq->w->now, &held))
		return;
	n = http_query_get(rq->head.query, "EIO", rq->w->decoded);
	log_info("refused what=version address=%s eio=\"%s\" served=4 "
	    "directive=none hint=\"clients of Socket.IO 3 and later\" "
	    "unsaid=%llu", refusal_client(rq, client),
	    log_safe(version, sizeof version, rq->w->decoded,
	    n < 0 ? 0 : (size_t)n), refusal_held(held));
}

/* The other kinds are none that its claims can be of. */
static const char *
refusal_client_user(enum authfail f)
{
	return (f == AUTHFAIL_user_missing || f == AUTHFAIL_user_long ||
	    f == AUTHFAIL_user_control ? "listen.client_user" : NULL);
}

void
refusal_token(void *arg, enum authfail f, bool certificate)
{
	static const char *const directives[AUTHFAIL__MAX] = {
		[AUTHFAIL_missing] = "namespace.auth",
		[AUTHFAIL_algorithm] = "jwt.algorithms",
		[AUTHFAIL_unknown_key] = "jwt.key,jwt.jwks_file",
		[AUTHFAIL_signature] = "jwt.secret,jwt.key,jwt.jwks_file",
		[AUTHFAIL_expired] = "jwt.leeway",
		[AUTHFAIL_not_yet_valid] = "jwt.leeway",
		[AUTHFAIL_issuer] = "jwt.issuer",
		[AUTHFAIL_audience] = "jwt.audience",
		[AUTHFAIL_user_missing] = "jwt.user_claim",
		[AUTHFAIL_user_type] = "jwt.user_claim",
		[AUTHFAIL_user_rounded] = "jwt.user_claim",
		[AUTHFAIL_user_long] = "jwt.user_claim",
		[AUTHFAIL_user_control] = "jwt.user_claim",
		[AUTHFAIL_roles] = "jwt.roles_claim",
		[AUTHFAIL_rate_limited] = "rate.auth_failures",
	};
	static struct log_rate rates[2][AUTHFAIL__MAX];
	const struct worker *w = arg;
	const char *directive;
	uint64_t held;

	MUST((unsigned)f < AUTHFAIL__MAX);
	directive = certificate ? refusal_client_user(f) : directives[f];
	if (log_rate(&rates[certificate][f], w->now, &held))
		log_info("refused what=%s reason=%s words=\"%s\" "
		    "directive=%s unsaid=%llu", certificate ? "certificate" :
		    "token", authfail_name(f), authfail_words(f),
		    directive == NULL ? "none" : directive,
		    refusal_held(held));
}

/* Words, with a member's name in them perhaps, fit to stand between quotes. */
static const char *
refusal_words(char *out, size_t cap, struct slice words)
{
	size_t i;

	for (i = 0; i < words.n && i < cap - 1; i++)
		out[i] = words.p[i] < ' ' || words.p[i] > '~' ||
		    words.p[i] == '"' || words.p[i] == '\\' ? '?' :
		    (char)words.p[i];
	out[i] = '\0';
	return (out);
}

void
refusal_publish(void *arg, struct slice code, struct slice message)
{
	static struct log_rate rate;
	const struct worker *w = arg;
	char text[REFUSAL_SHOWN], name[32];
	uint64_t held;

	if (log_rate(&rate, w->now, &held))
		log_warnx("redis_publish_refused code=%s why=\"%s\" "
		    "unsaid=%llu", log_safe(name, sizeof name, code.p, code.n),
		    refusal_words(text, sizeof text, message),
		    refusal_held(held));
}
