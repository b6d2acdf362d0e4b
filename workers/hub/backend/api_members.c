/*
 * Orders to sessions for back ends: disconnect, and join and leave rooms.
 * Bodies in, answers out; see api.h.  What is done is members.c's.
 */
#include "hub/backend/api_int.h"

#include "hub/backend/ask.h"
#include "hub/backend/members.h"
#include "proto/json.h"

#define REASON_MAX_BYTES	510	/* of the reason, unescaped */

struct members_order {
	struct api_order to;
	bool		 all;		/* "all": true */
	bool		 close, reconnect;
	struct slice	 reason;	/* raw JSON string, or empty */
	struct slice	 join[BUS_LIST_MAX], leave[BUS_LIST_MAX];
	struct members_rooms rooms;
};

/* --- reading -------------------------------------------------------------- */

static bool
members_read_flag(struct members_order *o, struct slice body,
    struct slice member, bool *flag)
{
	struct slice v;

	if (!json_get(body, member, &v))
		return (true);
	*flag = json_type(v) == JSON_TRUE;
	return (*flag || json_type(v) == JSON_FALSE ||
	    api_order_bad(&o->to, "bad_request",
	    "all, close and reconnect are true or false"));
}

static bool
members_read_reason(struct members_order *o, struct slice body)
{
	if (!json_get(body, SLICE("reason"), &o->reason))
		return (true);
	return ((json_type(o->reason) == JSON_STRING &&
	    json_plain_size(o->reason, 0) <= REASON_MAX_BYTES) ||
	    api_order_bad(&o->to, "bad_request",
	    "reason is a string of at most 510 bytes"));
}

static bool
members_read_ending(struct members_order *o, struct slice body)
{
	if (!members_read_flag(o, body, SLICE("close"), &o->close) ||
	    !members_read_flag(o, body, SLICE("reconnect"), &o->reconnect) ||
	    !members_read_reason(o, body))
		return (false);
	return (!(o->close && o->reconnect) ||
	    api_order_bad(&o->to, "bad_request",
	    "close or reconnect, not both"));
}

static bool
members_read_rooms(struct members_order *o, struct slice body)
{
	struct members_rooms *r = &o->rooms;

	r->join = o->join;
	r->leave = o->leave;
	if (!api_order_list(&o->to, body, SLICE("join"), o->join,
	    &r->njoin) ||
	    !api_order_list(&o->to, body, SLICE("leave"), o->leave,
	    &r->nleave))
		return (false);
	return (r->njoin + r->nleave != 0 ||
	    api_order_bad(&o->to, "bad_request",
	    "join and leave name no room"));
}

/* Nobody is meant by silence. */
static bool
members_read_whom(struct members_order *o, struct slice user, struct slice body)
{
	struct api_order *to = &o->to;
	struct audience *a = &to->to;
	bool named;

	if (user.n > ROOM_NAME_MAX)
		return (api_order_bad(to, "bad_request",
		    "users are strings of 1..256 bytes"));
	if (!api_order_audience(to, body) ||
	    !members_read_flag(o, body, SLICE("all"), &o->all))
		return (false);
	if (user.n != 0)
		to->users[a->nusers++] = user;
	named = a->nrooms + a->nusers + a->nsids != 0;
	return (named != o->all || api_order_bad(to, "bad_request",
	    "to whom: room, user or sid, or \"all\": true"));
}

/* The body of a request with USER in its path names nobody else. */
#define WHOM	SLICE("room"), SLICE("rooms"), SLICE("user"), SLICE("users"), \
		SLICE("sid"), SLICE("all")
static const struct slice disconnect_members[] = {
	SLICE("namespace"), SLICE("reason"), SLICE("close"),
	SLICE("reconnect"), SLICE("except"), WHOM,
};
static const struct slice rooms_members[] = {
	SLICE("namespace"), SLICE("join"), SLICE("leave"), SLICE("except"),
	WHOM,
};
#undef WHOM
#define WHOM_MEMBERS	6

static bool
members_read(struct members_order *o, struct slice user, struct slice *body,
    const struct slice *members, size_t n)
{
	struct slice whole = body->n == 0 ? SLICE("{}") : *body;

	memset(o, 0, sizeof *o);
	if (!api_order_init(&o->to, whole))
		return (false);
	if (json_value(whole, body) != (ssize_t)whole.n)
		return (api_order_bad(&o->to, "bad_request",
		    "the body is not valid JSON"));
	return (api_order_known(&o->to, *body, members,
	    user.n == 0 ? n : n - WHOM_MEMBERS) &&
	    members_read_whom(o, user, *body));
}

/* --- doing ---------------------------------------------------------------- */

/* Now, or when the other workers have reported to the question. */
static void
members_answer(struct ask *a, const struct members_done *d, const char *count,
    struct buf *out, struct ask **later)
{
	if (a == NULL) {	/* too many questions are open */
		ask_render_count(out, count, d->here,
		    !d->partly && !d->far && slotset_empty(d->bits));
		return;
	}
	ask_counted(a, d->here);
	if (d->partly)
		ask_unheard(a);
	if (d->far)
		ask_far(a);
	ask_put(&a, d->bits, out);
	*later = a;
}

static void
members_disconnect(struct hub *h, const struct members_order *o, void *asker,
    struct buf *out, struct ask **later)
{
	enum ending how = o->close ? ENDING_CONNECTION :
	    o->reconnect ? ENDING_RECONNECT : ENDING_SESSION;
	struct ask *a = ask_count(h, asker, "disconnected");
	struct members_done d = members_end(h, o->to.ns, &o->to.to, how,
	    o->reason, a);

	members_answer(a, &d, "disconnected", out, later);
}

static void
members_change(struct hub *h, const struct members_order *o, void *asker,
    struct buf *out, struct ask **later)
{
	struct ask *a = ask_count(h, asker, "sessions");
	struct members_done d = members_rooms(h, o->to.ns, &o->to.to,
	    &o->rooms, a);

	members_answer(a, &d, "sessions", out, later);
}

int
api_disconnect(struct hub *h, struct slice user, struct slice body,
    void *asker, struct buf *out, struct ask **later)
{
	static struct members_order o;	/* lists of names; one at a time */
	struct slice v;
	int status;
	bool ok;

	*later = NULL;
	ok = members_read(&o, user, &body, disconnect_members,
	    nitems(disconnect_members)) && members_read_ending(&o, body);
	/* a connection may be in other namespaces, too */
	if (ok && (o.close || o.reconnect) && api_is_limited(h))
		ok = api_order_bad(&o.to, "forbidden", "close and reconnect "
		    "are for keys of all namespaces");
	/* one user may be meant wherever they are */
	if (ok && (user.n == 0 || api_is_limited(h) ||
	    json_get(body, SLICE("namespace"), &v)))
		ok = api_order_namespace(&o.to, h, body);
	if (ok)
		members_disconnect(h, &o, asker, out, later);
	status = api_order_end(&o.to, ok, out);
	return (*later != NULL ? 0 : status);
}

int
api_rooms(struct hub *h, struct slice user, struct slice body, void *asker,
    struct buf *out, struct ask **later)
{
	static struct members_order o;	/* as above */
	int status;
	bool ok;

	*later = NULL;
	ok = members_read(&o, user, &body, rooms_members,
	    nitems(rooms_members)) && members_read_rooms(&o, body) &&
	    api_order_namespace(&o.to, h, body);
	if (ok)
		members_change(h, &o, asker, out, later);
	status = api_order_end(&o.to, ok, out);
	return (*later != NULL ? 0 : status);
}
