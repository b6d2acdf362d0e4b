/*
 * What clients ask of their notifications; see notices.h.  Called by service.c.
 */
#include "hub/service/notices.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/service/notice_text.h"
#include "hub/session/principal.h"
#include "hub/store/waiter.h"
#include "hub/stream/box.h"
#include "proto/json.h"

/* A client that waits for its answer. */
struct notices_wait {
	struct waiter	 waiter;
	enum box_op	 op;
	uint8_t		 raw[];
};

static struct notice_names notices_names;	/* large; one at a time */

/* --- answers -------------------------------------------------------------------- */

static void
notices_put(struct buf *b, enum box_op op, const struct box_reply *r)
{
	if (op == BOX_PREFS) {
		buf_slice(b, r->text.n != 0 ? r->text : notice_prefs_none());
		return;
	}
	buf_printf(b, "{\"%s\":%llu,\"version\":%llu", op == BOX_LIST ?
	    "unread" : "count", (unsigned long long)r->count,
	    (unsigned long long)r->version);
	if (op == BOX_LIST || op == BOX_READ || op == BOX_DELETE) {
		buf_str(b, op == BOX_LIST ? ",\"notifications\":[" :
		    ",\"ids\":[");
		buf_slice(b, r->text);
		buf_byte(b, ']');
	}
	if (r->next != 0)
		buf_printf(b, ",\"next\":%llu", (unsigned long long)r->next);
	buf_byte(b, '}');
}

static void
notices_done(struct hub *h, void *arg, enum bus_store result,
    const struct box_reply *r)
{
	struct notices_wait *w = arg;
	struct inbound in = { .ack = w->waiter.ack };
	struct session *s = waiter_session(h, &w->waiter);
	struct buf b;

	waiter_end(h, &w->waiter);
	if (s == NULL)
		;		/* nobody is there to be told */
	else if (r == NULL)
		refuse(s, &in, result == BUS_STORE_TOO_LARGE ?
		    REFUSED_TOO_LARGE : REFUSED_UNAVAILABLE, "%s",
		    box_why(result));
	else {
		buf_init(&b);
		notices_put(&b, w->op, r);
		session_ack_buf(s, &w->waiter.ack, &b);
		buf_fini(&b);
	}
	free(w);
}

static bool
notices_ask(struct session *s, const struct inbound *in, enum box_op op,
    struct buf *body)
{
	struct notices_wait *w = body->oom ? NULL :
	    calloc(1, sizeof *w + in->ack.raw.n);

	if (w == NULL) {
		refuse_memory(s, in);
		return (false);
	}
	w->op = op;
	waiter_begin(&w->waiter, WAITER_STREAM, s, &in->ack, w->raw);
	if (box_ask(s->hub, s->ns, principal_user(s->who), op,
	    buf_unread(body), notices_done, w))
		return (true);
	waiter_end(s->hub, &w->waiter);
	free(w);
	refuse(s, in, REFUSED_UNAVAILABLE, "%s",
	    box_why(BUS_STORE_UNAVAILABLE));
	return (false);
}

/* --- events ----------------------------------------------------------------------- */

static bool
notices_are_on(struct session *s, const struct inbound *in)
{
	if (!s->ns->inbox) {
		refuse(s, in, REFUSED_UNKNOWN_EVENT,
		    "inbox is off in this namespace");
		return (false);
	}
	if (s->who == NULL) {
		refuse(s, in, REFUSED_UNAUTHORIZED,
		    "only a user with a token has notifications");
		return (false);
	}
	return (true);
}

static struct slice
notices_object(const struct inbound *in)
{
	struct slice first = in->first;

	if (first.n == 0 && in->args.n != 0)
		MUST(json_value(in->args, &first) > 0);
	return (first);
}

/* It is asked with what stands in the body, unless something is wrong. */
static bool
notices_ask_with(struct session *s, const struct inbound *in, enum box_op op,
    const char *wrong, struct buf *body)
{
	bool ok = false;

	if (wrong != NULL)
		refuse(s, in, REFUSED_BAD_REQUEST, "%s", wrong);
	else
		ok = notices_ask(s, in, op, body);
	buf_fini(body);
	return (ok);
}

bool
notices_do_list(struct session *s, const struct inbound *in)
{
	struct box_look look;
	const char *wrong;
	struct buf b;

	if (!notices_are_on(s, in))
		return (false);
	buf_init(&b);
	wrong = notice_look(notices_object(in), &notices_names, &look);
	if (wrong == NULL)
		box_put_look(&b, &look);
	return (notices_ask_with(s, in, BOX_LIST, wrong, &b));
}

bool
notices_do_count(struct session *s, const struct inbound *in)
{
	struct buf b;

	if (!notices_are_on(s, in))
		return (false);
	buf_init(&b);
	return (notices_ask_with(s, in, BOX_COUNT, NULL, &b));
}

static bool
notices_pick(struct session *s, const struct inbound *in, enum box_op op,
    bool all)
{
	static struct box_pick pick;	/* its list is large */
	const char *wrong;
	struct buf b;

	if (!notices_are_on(s, in))
		return (false);
	buf_init(&b);
	wrong = all ? notice_pick_all(notices_object(in), &notices_names,
	    &pick) : notice_pick(notices_object(in), &notices_names, &pick);
	if (wrong == NULL)
		box_put_pick(&b, &pick);
	return (notices_ask_with(s, in, op, wrong, &b));
}

bool
notices_do_read(struct session *s, const struct inbound *in)
{
	return (notices_pick(s, in, BOX_READ, false));
}

bool
notices_do_read_all(struct session *s, const struct inbound *in)
{
	return (notices_pick(s, in, BOX_READ, true));
}

bool
notices_do_delete(struct session *s, const struct inbound *in)
{
	return (notices_pick(s, in, BOX_DELETE, false));
}

/* Without any member they are asked for. */
static bool
notices_sets(struct slice object)
{
	struct slice v;

	return (json_get(object, SLICE("muted"), &v) ||
	    json_get(object, SLICE("least_priority"), &v) ||
	    json_get(object, SLICE("quiet_hours"), &v));
}

bool
notices_do_prefs(struct session *s, const struct inbound *in)
{
	struct slice object = notices_object(in);
	const char *wrong = NULL;
	struct box_prefs p;
	struct buf b, text;

	if (!notices_are_on(s, in))
		return (false);
	buf_init(&b);
	buf_init(&text);
	if (notices_sets(object)) {
		wrong = notice_prefs(object, &notices_names, &text, &p);
		if (wrong == NULL)
			box_put_prefs(&b, &p);
		b.oom |= text.oom;
	}
	buf_fini(&text);
	return (notices_ask_with(s, in, BOX_PREFS, wrong, &b));
}
