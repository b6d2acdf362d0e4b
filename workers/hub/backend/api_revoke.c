/*
 * POST revoke: a body in, an answer out; see api.h.  What is done is revoke.c's.
 *
 *	{"user":ID, "iat":T, "grace":SECONDS | "jti":ID, "until":T | "exp":T |
 *	"for":SECONDS, "reason"}
 */
#include "hub/backend/api_int.h"

#include "hub/backend/ask.h"
#include "hub/backend/revoke.h"
#include "proto/json.h"

#define GRACE_MAX_S		3600
#define REASON_MAX_BYTES	510	/* of the reason, unescaped */

struct revoke_order {
	struct api_order to;
	struct revocation r;
	struct slice	 reason;	/* raw JSON string, or empty */
	uint32_t	 grace;		/* unix seconds; 0: none */
	uint8_t		 name[REVOKED_NAME_MAX];
};

/* --- reading --------------------------------------------------------------- */

/* A name under one of these two, and nothing under the other one. */
static bool
revoke_read_whom(struct revoke_order *o, struct slice body)
{
	struct slice user, jti, raw;
	bool has_user = json_get(body, SLICE("user"), &user);
	bool has_jti = json_get(body, SLICE("jti"), &jti);
	ssize_t n;

	if (has_user == has_jti)
		return (api_order_bad(&o->to, "bad_request",
		    "whom: user, or jti"));
	o->r.kind = has_user ? REVOKED_USER : REVOKED_TOKEN;
	raw = has_user ? user : jti;
	n = json_type(raw) == JSON_STRING ? json_name(raw, o->name,
	    sizeof o->name) : -1;
	o->r.name = slice_of(o->name, n < 0 ? 0 : (size_t)n);
	return (n > 0 || api_order_bad(&o->to, "bad_request",
	    "user and jti are strings of 1..255 bytes without control "
	    "characters"));
}

/* 1: there is one; 0: none; -1: it is none. */
static int
revoke_read_time(struct slice body, struct slice member, int64_t *t)
{
	struct slice v;

	if (!json_get(body, member, &v))
		return (0);
	return (json_type(v) == JSON_NUMBER && json_int(v, t) && *t > 0 ?
	    1 : -1);
}

/* Tokens are good for a leeway longer than they say. */
static bool
revoke_read_end(struct revoke_order *o, const struct hub *h, struct slice body)
{
	const struct conf_jwt *j = &h->conf->jwt;
	int64_t now = (int64_t)(h->wall.ms / 1000), t = 0, span = 0;
	int until = revoke_read_time(body, SLICE("until"), &t);
	int exp = until != 0 ? 0 : revoke_read_time(body, SLICE("exp"), &t);
	int lasts = revoke_read_time(body, SLICE("for"), &span);
	struct slice v;

	if (until < 0 || exp < 0 || lasts < 0 ||
	    (until + exp != 0 && lasts != 0) ||
	    (until != 0 && json_get(body, SLICE("exp"), &v)))
		return (api_order_bad(&o->to, "bad_request", "until or exp, "
		    "unix seconds, or for, seconds: one of them"));
	if (until + exp == 0)
		t = now + (lasts ? span : (int64_t)(j->revoke_ms / 1000));
	if (t <= now)
		return (api_order_bad(&o->to, "bad_request",
		    "that is over: until and exp are unix seconds to come"));
	if (span > UINT32_MAX || t > (int64_t)UINT32_MAX - 3600)
		return (api_order_bad(&o->to, "bad_request",
		    "until when: in this century"));
	o->r.until = (uint32_t)(t + (int64_t)((j->leeway_ms + 999) / 1000));
	return (true);
}

static bool
revoke_read_reason(struct revoke_order *o, struct slice body)
{
	if (!json_get(body, SLICE("reason"), &o->reason))
		return (true);
	return ((json_type(o->reason) == JSON_STRING &&
	    json_plain_size(o->reason, 0) <= REASON_MAX_BYTES) ||
	    api_order_bad(&o->to, "bad_request",
	    "reason is a string of at most 510 bytes"));
}

static bool
revoke_read_grace(struct revoke_order *o, const struct hub *h,
    struct slice body)
{
	int64_t span = 0;
	int given = revoke_read_time(body, SLICE("grace"), &span);

	if (given == 0)
		return (true);
	if (o->r.kind == REVOKED_TOKEN)
		return (api_order_bad(&o->to, "bad_request",
		    "grace goes with user"));
	if (given < 0 || span > GRACE_MAX_S)
		return (api_order_bad(&o->to, "bad_request",
		    "grace is 1..3600 seconds"));
	o->grace = (uint32_t)(h->wall.ms / 1000) + (uint32_t)span;
	return (true);
}

/* The moment up to which tokens were issued, by the issuer's clock.  Who is given
 * time for a later one may be given it in the same second. */
static bool
revoke_read_moment(struct revoke_order *o, const struct hub *h,
    struct slice body)
{
	int64_t iat = (int64_t)(h->wall.ms / 1000) - (o->grace != 0);
	int given = revoke_read_time(body, SLICE("iat"), &iat);

	if (o->r.kind == REVOKED_TOKEN)
		return (given == 0 || api_order_bad(&o->to, "bad_request",
		    "iat goes with user"));
	if (given < 0 || iat > (int64_t)o->r.until)
		return (api_order_bad(&o->to, "bad_request",
		    "iat is in unix seconds, before until"));
	o->r.moment = (uint32_t)iat;
	return (true);
}

static const struct slice revoke_members[] = {
	SLICE("user"), SLICE("jti"), SLICE("until"), SLICE("exp"),
	SLICE("for"), SLICE("iat"), SLICE("grace"), SLICE("reason"),
};

static bool
revoke_read_order(struct revoke_order *o, struct hub *h, struct slice body)
{
	struct slice whole = body;

	memset(o, 0, sizeof *o);
	if (!api_order_init(&o->to, whole))
		return (false);
	if (whole.n == 0 || json_value(whole, &body) != (ssize_t)whole.n)
		return (api_order_bad(&o->to, "bad_request",
		    "the body is not valid JSON"));
	/* whoever is in other namespaces, too, loses them */
	if (api_is_limited(h))
		return (api_order_bad(&o->to, "forbidden",
		    "revoke is for keys of all namespaces"));
	return (api_order_known(&o->to, body, revoke_members,
	    nitems(revoke_members)) && revoke_read_whom(o, body) &&
	    revoke_read_end(o, h, body) && revoke_read_grace(o, h, body) &&
	    revoke_read_moment(o, h, body) &&
	    revoke_read_reason(o, body));
}

/* --- doing ----------------------------------------------------------------- */

static bool
revoke_order_do(struct hub *h, struct revoke_order *o, void *asker,
    struct buf *out, struct ask **later)
{
	const char *count = o->grace != 0 ? "expiring" : "disconnected";
	struct ask *a = asker == NULL ? NULL : ask_count(h, asker, count);
	struct members_done d;

	if (!revoke(h, &o->r, o->reason, o->grace, a, &d)) {
		ask_forget(&a);
		return (api_order_bad(&o->to, "unavailable", "too many are "
		    "revoked: raise shm revocations"));
	}
	if (a == NULL) {	/* nobody asks, or too many do */
		ask_render_revoked(out, count, d.here, 1, o->r.until, !d.partly &&
		    !d.far && slotset_empty(d.bits));
		return (true);
	}
	ask_revoked(a, o->r.until);
	ask_counted(a, d.here);
	if (d.partly)
		ask_unheard(a);
	if (d.far)
		ask_far(a);
	ask_put(&a, d.bits, out);
	*later = a;
	return (true);
}

int
api_revoke(struct hub *h, struct slice body, void *asker, struct buf *out,
    struct ask **later)
{
	static struct revoke_order o;	/* lists of names; one at a time */
	int status;
	bool ok;

	*later = NULL;
	ok = revoke_read_order(&o, h, body) &&
	    revoke_order_do(h, &o, asker, out, later);
	status = api_order_end(&o.to, ok, out);
	return (*later != NULL ? 0 : status);
}
