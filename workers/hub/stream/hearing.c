/*
 * Requests whose verdicts are to come; see hearing.h, and client.h for what the
 * host calls.  Called by admit.c, by way of the hub's events, and by dialect/
 * for rooms that a request names.
 */
#include "hub/stream/hearing.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/audience/sids.h"
#include "hub/client.h"
#include "hub/session/handshake.h"
#include "hub/stream/forward.h"
#include "hub/stream/granted.h"
#include "hub/stream/stream_int.h"
#include "proto/json.h"
#include "proto/json_verdict.h"

#define HEARING_JOINS	"room:join"	/* the event by which clients do */

enum point_state { POINT_ASKED, POINT_FAILED, POINT_ANSWERED };

/* One question. */
struct point {
	struct question	 question;
	struct hearing	*of;		/* NULL: nobody waits any more */
	SLIST_ENTRY(point) next;
	enum point_state state;
	uint64_t	 kind;		/* FORWARD_ASKS_... */
	uint64_t	 asked_ms;	/* unix */
	struct buf	 answer;
	size_t		 room_len;	/* JOIN */
	uint8_t		 room[];
};

struct hearing {
	unsigned	 magic;
#define HEARING_MAGIC	0x4ea21463
	struct hub	*hub;
	void		*asker;		/* of the host */
	unsigned	 open;		/* questions without an answer */
	char		 sid[SESSION_SID_LEN];	/* that its session will have */
	SLIST_HEAD(, point) points;
	/* of the last refusal */
	char		 code[VERDICT_CODE_MAX + 1];
	char		 words[VERDICT_WORDS_MAX + 1];
};


/* --- life -------------------------------------------------------------------*/

static struct hearing *
hearing_get(struct hub *h, const struct client_request *q)
{
	struct hearing *x = *q->hearing;

	if (x != NULL)
		return (x);
	x = calloc(1, sizeof *x);
	if (x == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	x->magic = HEARING_MAGIC;
	x->hub = h;
	x->asker = q->asker;
	sid_make(h, x->sid);
	*q->hearing = x;
	return (x);
}

static void
hearing_point_free(struct point *p)
{
	buf_fini(&p->answer);
	free(p);
}

void
hearing_forget(struct hearing **xp)
{
	struct hearing *x = *xp;
	struct point *p;

	if (x == NULL)
		return;
	CHECK_MAGIC(x, HEARING_MAGIC);
	*xp = NULL;
	while ((p = SLIST_FIRST(&x->points)) != NULL) {
		SLIST_REMOVE_HEAD(&x->points, next);
		p->of = NULL;
		if (p->state != POINT_ASKED)	/* else its answer frees it */
			hearing_point_free(p);
	}
	x->magic = 0;
	free(x);
}

/* --- questions --------------------------------------------------------------*/

/* What is no answer counts once, as often as it is looked at. */
static void
hearing_end(struct point *p, enum point_state state)
{
	p->state = state;
	if (state == POINT_FAILED)
		counter_add(COUNTER_verdicts_failed, 1);
}

static void
hearing_over(struct hub *h, struct question *q, const struct bus_envelope *e)
{
	struct point *p = container_of(q, struct point, question);
	struct hearing *x = p->of;
	struct verdict v;

	if (x == NULL) {
		hearing_point_free(p);
		return;
	}
	if (e == NULL || e->page.result != BUS_STORE_OK ||
	    !verdict_decode(e->page.frames, &v))
		hearing_end(p, POINT_FAILED);
	else {
		buf_slice(&p->answer, e->page.frames);
		hearing_end(p, p->answer.oom ? POINT_FAILED :
		    POINT_ANSWERED);
	}
	if (--x->open == 0)
		h->ports.heard(h->ports.host, x->asker);
}

static struct point *
hearing_find(const struct hearing *x, uint64_t kind, struct slice room)
{
	struct point *p;

	SLIST_FOREACH(p, &x->points, next)
		if (p->kind == kind &&
		    slice_eq(slice_of(p->room, p->room_len), room))
			return (p);
	return (NULL);
}

static struct point *
hearing_point_new(struct hearing *x, uint64_t kind, struct slice room)
{
	struct point *p = calloc(1, sizeof *p + room.n);

	if (p == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	p->question.over = hearing_over;
	p->of = x;
	p->kind = kind;
	p->asked_ms = x->hub->wall.ms;
	p->room_len = room.n;
	if (room.n != 0)
		memcpy(p->room, room.p, room.n);
	buf_init(&p->answer);
	SLIST_INSERT_HEAD(&x->points, p, next);
	return (p);
}

/* {"room":NAME}, as room:join has it. */
static struct slice
hearing_args(struct hub *h, struct slice room)
{
	struct buf *b = &h->answer;

	buf_reset(b);
	buf_str(b, "{\"room\":");
	json_escape(b, room);
	buf_byte(b, '}');
	return (buf_unread(b));
}

/* What was kept of it, for those who ask about him alone. */
static struct slice
hearing_handshake(struct hub *h, const struct client_request *q,
    const struct principal *who)
{
	handshake_put_all(q->ns, q->handshake, who, &h->text);
	return (buf_unread(&h->text));
}

static bool
hearing_send(struct hub *h, struct point *p, const struct client_request *q,
    struct principal *who)
{
	struct forward f = { .kind = p->kind, .event = SLICE("\"connect\"") };
	struct forward_from from = { .ns = q->ns, .who = who,
		.handshake = hearing_handshake(h, q, who) };
	struct bus_envelope e;

	if (!q->once)
		from.sid = slice_of(p->of->sid, SESSION_SID_LEN);
	if (p->kind == FORWARD_ASKS_JOIN) {
		f.event = SLICE("\"" HEARING_JOINS "\"");
		f.room = slice_of(p->room, p->room_len);
		f.args = hearing_args(h, f.room);
	}
	if (h->text.oom || h->answer.oom) {
		h->text.oom = h->answer.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	forward_fill_from(h, &from, &f, &e);
	return (question_ask_for(h, &e, &p->question,
	    q->ns->hook->timeout_ms));
}

/* The question, asked before or now; NULL: there can be none. */
static struct point *
hearing_point(struct hub *h, const struct client_request *q,
    struct principal *who, uint64_t kind, struct slice room)
{
	struct hearing *x = q->hearing == NULL ? NULL : hearing_get(h, q);
	struct point *p = x == NULL ? NULL : hearing_find(x, kind, room);

	if (x == NULL || p != NULL)
		return (p);
	p = hearing_point_new(x, kind, room);
	if (p == NULL)
		return (NULL);
	if (hearing_send(h, p, q, who)) {
		x->open++;
		verdict_count(kind);
	} else
		hearing_end(p, POINT_FAILED);
	return (p);
}

/* --- answers ----------------------------------------------------------------*/

static bool
hearing_refuse(struct hearing *x, const struct verdict *v, struct refusal *r)
{
	counter_add(COUNTER_verdicts_refused, 1);
	(void)snprintf(x->code, sizeof x->code, "%.*s", (int)v->code.n,
	    (const char *)v->code.p);
	verdict_words(v, x->words);
	*r = (struct refusal){ .status = v->status == 0 ? 403 :
	    (int)v->status, .code = v->code.n == 0 ? "forbidden" : x->code,
	    .message = x->words, .data = v->data };
	return (false);
}

static bool
hearing_failed(const struct client_request *q, struct refusal *r)
{
	switch (q->ns->hook->on_failure) {
	case CONF_FAILURE_ALLOW:
		return (true);
	case CONF_FAILURE_REFUSE:
		break;
	}
	*r = (struct refusal){ .status = 503, .code = "unavailable",
		.message = "the back end cannot be asked" };
	return (false);
}

/* true: it may be; *text: the verdict, or empty. */
static bool
hearing_says(const struct client_request *q, const struct point *p,
    struct verdict *v, struct slice *text, struct refusal *r)
{
	*v = (struct verdict){ .allow = true };
	*text = slice_of(NULL, 0);
	if (p != NULL && p->state == POINT_ASKED) {
		*r = (struct refusal){ .status = 0, .code = "unknown",
			.message = "it is not known yet" };
		return (false);
	}
	if (p == NULL)
		counter_add(COUNTER_verdicts_failed, 1);
	if (p == NULL || p->state == POINT_FAILED)
		return (hearing_failed(q, r));
	MUST(verdict_decode(buf_unread(&p->answer), v));
	*text = buf_unread(&p->answer);
	return (v->allow || hearing_refuse(p->of, v, r));
}

bool
hearing_connect(struct hub *h, const struct client_request *q,
    struct admission *a, struct refusal *r)
{
	struct point *p = hearing_point(h, q, a->who, FORWARD_ASKS_CONNECT,
	    slice_of(NULL, 0));
	struct verdict v;

	if (!hearing_says(q, p, &v, &a->granted, r))
		return (false);
	static_assert(sizeof a->sid == SESSION_SID_LEN, "a sid");
	if (p != NULL)
		memcpy(a->sid, p->of->sid, sizeof a->sid);
	a->has_sid = p != NULL;
	if (granted_who(h, &v, p == NULL ? h->wall.ms : p->asked_ms, &a->who))
		return (true);
	*r = (struct refusal){ .status = 503, .code = "internal",
		.message = "out of memory" };
	return (false);
}

bool
hearing_join(struct hub *h, const struct client_request *q,
    const struct admission *a, struct slice room, struct refusal *r)
{
	struct point *p = hearing_point(h, q, a->who, FORWARD_ASKS_JOIN, room);
	struct slice text;
	struct verdict v;

	return (hearing_says(q, p, &v, &text, r));
}
