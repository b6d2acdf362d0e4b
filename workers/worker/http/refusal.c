/*
 * What is logged of refusals; see refusal.h.  They are counted elsewhere.
 */
#include "worker/http/refusal.h"

#include "sys/log.h"
#include "worker/http/request.h"
#include "worker/worker.h"

#define REFUSAL_SHOWN	128	/* of what a peer said */

static unsigned long long
refusal_held(uint64_t held)
{
	return ((unsigned long long)held);
}

void
refusal_host(const struct request *rq)
{
	static struct log_rate rate;
	char host[REFUSAL_SHOWN];
	uint64_t held;

	if (log_rate(&rate, rq->w->now, &held))
		log_info("refused what=host host=\"%s\" directive=hosts "
		    "unsaid=%llu", log_safe(host, sizeof host,
		    rq->head.host.p, rq->head.host.n), refusal_held(held));
}

void
refusal_origin(const struct request *rq)
{
	static struct log_rate rate;
	char origin[REFUSAL_SHOWN], host[REFUSAL_SHOWN];
	struct slice value;
	uint64_t held;

	if (!log_rate(&rate, rq->w->now, &held))
		return;
	if (http_field(&rq->head, "Origin", &value) == 0)
		value = slice_of(NULL, 0);
	log_info("refused what=origin origin=\"%s\" host=\"%s\" "
	    "directive=%s unsaid=%llu",
	    log_safe(origin, sizeof origin, value.p, value.n),
	    log_safe(host, sizeof host, rq->head.host.p, rq->head.host.n),
	    rq->head.upgrade_websocket ? "allowed_origins" :
	    "allowed_origins,cors.origins", refusal_held(held));
}

void
refusal_key(const struct request *rq)
{
	static struct log_rate rate;
	uint64_t held;

	if (log_rate(&rate, rq->w->now, &held))
		log_info("refused what=key directive=api.key unsaid=%llu",
		    refusal_held(held));
}

void
refusal_version(const struct request *rq)
{
	static struct log_rate rate;
	char version[REFUSAL_SHOWN];
	uint64_t held;
	ssize_t n;

	if (!log_rate(&rate, rq->w->now, &held))
		return;
	n = http_query_get(rq->head.query, "EIO", rq->w->decoded);
	log_info("refused what=version eio=\"%s\" served=4 directive=none "
	    "hint=\"clients of Socket.IO 3 and later\" unsaid=%llu",
	    log_safe(version, sizeof version, rq->w->decoded,
	    n < 0 ? 0 : (size_t)n), refusal_held(held));
}

void
refusal_token(void *arg, enum authfail f)
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
	static struct log_rate rates[AUTHFAIL__MAX];
	const struct worker *w = arg;
	uint64_t held;

	MUST((unsigned)f < AUTHFAIL__MAX);
	if (log_rate(&rates[f], w->now, &held))
		log_info("refused what=token reason=%s words=\"%s\" "
		    "directive=%s unsaid=%llu", authfail_name(f),
		    authfail_words(f), directives[f] == NULL ? "none" :
		    directives[f], refusal_held(held));
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
