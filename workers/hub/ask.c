/*
 * Questions to clients and their answers; see ask.h.  Called by api.c to ask,
 * by fanout.c for each receiver, by engine_packet.c and plain.c with what
 * clients answer, by publish.c for other workers' parts.
 */
#include "hub/ask.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/client_int.h"
#include "hub/hub_int.h"
#include "proto/bus.h"

#define PIECE_BYTES	(64u << 10)	/* a branch hands over so much at once */
#define GRACE_MS	500		/* for what branches send at the end */

/* A client that has not answered: one for each question and session. */
struct asked {
	struct asked	*next;		/* of the same client */
	LIST_ENTRY(asked) link;		/* of the same question */
	struct ask	*ask;
	struct session	*session;
};

struct ask {
	unsigned	 magic;
#define ASK_MAGIC	0xa5ca5ced
	uint32_t	 id;		/* on this worker */
	struct hub	*hub;
	LIST_HEAD(, asked) open;
	uint32_t	 asked;		/* sessions, branches' included */
	uint32_t	 answered;
	bool		 published;
	bool		 truncated;	/* answers were left out */
	bool		 lost;		/* what branches did is not known */
	struct buf	 answers;	/* JSON elements */
	size_t		 bytes;		/* of all answers so far */
	uint64_t	 timeout_ms;
	uint64_t	 deadline_us;
	/* home */
	void		*asker;
	uint64_t	 bits[2];	/* workers that have not finished */
	uint8_t		 name_len;
	char		 name[ASK_ID_BYTES];
	/* branch: whose */
	uint16_t	 slot;		/* 0: home */
	uint32_t	 ref;		/* its id there */
};

/* --- questions ------------------------------------------------------------- */

static void
due(struct hub *h, const struct ask *a)
{
	if (h->asks.due_us == 0 || a->deadline_us < h->asks.due_us)
		h->asks.due_us = a->deadline_us;
}

static struct ask *
new(struct hub *h, uint64_t timeout_ms)
{
	struct ask_table *t = &h->asks;
	struct ask *a;

	if (t->count == ASK_MAX || (a = calloc(1, sizeof *a)) == NULL) {
		counter_add(COUNTER_asks_refused, 1);
		return (NULL);
	}
	do
		t->next++;
	while (t->by_index[t->next % ASK_MAX] != NULL);
	a->magic = ASK_MAGIC;
	a->id = t->next;
	a->hub = h;
	LIST_INIT(&a->open);
	buf_init(&a->answers);
	a->timeout_ms = timeout_ms;
	a->deadline_us = h->now.us + timeout_ms * 1000;
	t->by_index[a->id % ASK_MAX] = a;
	t->count++;
	counter_add(COUNTER_asks_open, 1);
	due(h, a);
	return (a);
}

struct ask *
ask_new(struct hub *h, void *asker, struct slice id, uint64_t timeout_ms)
{
	struct ask *a = new(h, timeout_ms);

	if (a == NULL)
		return (NULL);
	MUST(id.n <= sizeof a->name);
	a->asker = asker;
	memcpy(a->name, id.p, id.n);
	a->name_len = (uint8_t)id.n;
	counter_add(COUNTER_asks, 1);
	return (a);
}

struct ask *
ask_branch(struct hub *h, const struct bus_envelope *e)
{
	struct ask *a;

	if (e->from == 0 || e->from > 128)
		return (NULL);
	a = new(h, e->count < ASK_TIMEOUT_MAX ? e->count : ASK_TIMEOUT_MAX);
	if (a == NULL)
		return (NULL);
	a->slot = e->from;
	a->ref = e->ref;
	return (a);
}

uint64_t
ask_id(const struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	return (a->id);
}

uint32_t
ask_ref(const struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	return (a->id);
}

uint64_t
ask_timeout_ms(const struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	return (a->timeout_ms);
}

/* --- who has not answered -------------------------------------------------- */

void
ask_expect(struct ask *a, struct session *s)
{
	struct ask_table *t = &a->hub->asks;
	struct asked *w = NULL;

	CHECK_MAGIC(a, ASK_MAGIC);
	a->asked++;
	if (t->clients < ASK_CLIENTS_MAX)
		w = malloc(sizeof *w);
	if (w == NULL) {	/* its answer will not be known */
		counter_add(COUNTER_ask_answers_dropped, 1);
		a->truncated = true;
		return;
	}
	t->clients++;
	w->ask = a;
	w->session = s;
	w->next = s->client->asked;
	s->client->asked = w;
	LIST_INSERT_HEAD(&a->open, w, link);
}

static void
forget_asked(struct asked *w)
{
	struct asked **pp = &w->session->client->asked;

	while (*pp != w)
		pp = &(*pp)->next;
	*pp = w->next;
	LIST_REMOVE(w, link);
	w->ask->hub->asks.clients--;
	free(w);
}

static void
drop(struct ask **ap)
{
	struct ask *a = *ap;
	struct ask_table *t = &a->hub->asks;
	struct asked *w;

	CHECK_MAGIC(a, ASK_MAGIC);
	*ap = NULL;
	while ((w = LIST_FIRST(&a->open)) != NULL)
		forget_asked(w);
	t->by_index[a->id % ASK_MAX] = NULL;
	t->count--;
	t->bytes -= a->answers.wpos;
	counter_sub(COUNTER_asks_open, 1);
	buf_fini(&a->answers);
	a->magic = 0;
	free(a);
}

/* The branches need not go on. */
static void
call_off(const struct ask *a)
{
	struct hub *h = a->hub;
	struct bus_envelope e = { .kind = BUS_ANSWERS_END, .from = h->slot,
		.generation = h->generation, .ref = a->id,
		.slots = { a->bits[0], a->bits[1] } };

	if ((a->bits[0] | a->bits[1]) != 0)
		(void)h->ports.bus_send(h->ports.host, &e);
}

void
ask_forget(struct ask **ap)
{
	if (*ap == NULL)
		return;
	call_off(*ap);
	drop(ap);
}

/* --- ends ------------------------------------------------------------------ */

/* {"id","answers":[...],"asked","answered","complete"[,"truncated"]} */
static void
render(const struct ask *a, struct buf *b)
{
	bool complete = a->answered == a->asked && !a->lost &&
	    (a->bits[0] | a->bits[1]) == 0;

	buf_str(b, "{\"id\":\"");
	buf_slice(b, slice_of(a->name, a->name_len));
	buf_str(b, "\",\"answers\":[");
	buf_slice(b, buf_unread(&a->answers));
	buf_str(b, "],\"asked\":");
	buf_u64(b, a->asked);
	buf_str(b, ",\"answered\":");
	buf_u64(b, a->answered);
	buf_str(b, complete ? ",\"complete\":true" : ",\"complete\":false");
	if (a->truncated)
		buf_str(b, ",\"truncated\":true");
	buf_byte(b, '}');
}

/* What a branch has, to the home; last: and that is all. */
static void
hand_over(struct ask *a, bool last)
{
	struct hub *h = a->hub;
	struct bus_envelope e = { .kind = BUS_ANSWERS, .from = h->slot,
		.generation = h->generation, .ref = a->ref,
		.flags = (uint16_t)((last ? 0 : BUS_MORE) |
		(a->truncated ? BUS_TRUNCATED : 0)),
		.args = buf_unread(&a->answers),
		/* both numbers, of this piece */
		.count = (uint64_t)a->asked << 32 | a->answered };

	e.slots[(a->slot - 1) / 64] = UINT64_C(1) << ((a->slot - 1) % 64);
	if (!h->ports.bus_send(h->ports.host, &e) && e.args.n != 0) {
		/* too large, or too much waits: the numbers at least */
		counter_add(COUNTER_ask_answers_dropped, a->answered);
		e.args.n = 0;
		e.flags |= BUS_TRUNCATED;
		(void)h->ports.bus_send(h->ports.host, &e);
	}
	h->asks.bytes -= a->answers.wpos;
	buf_reset(&a->answers);
	a->asked = a->answered = 0;
}

static void
finish(struct ask **ap, struct buf *now)
{
	struct ask *a = *ap;
	struct hub *h = a->hub;
	struct buf *b = &h->answer;

	if (a->slot != 0) {
		hand_over(a, true);
	} else if (now != NULL) {
		render(a, now);
	} else {
		buf_reset(b);
		render(a, b);
		h->ports.answered(h->ports.host, a->asker, b->oom ?
		    slice_of(NULL, 0) : buf_unread(b));
		if (b->cap > PIECE_BYTES) {
			buf_fini(b);
			buf_init(b);
		}
	}
	drop(ap);
}

static bool
is_over(const struct ask *a)
{
	return (a->published && LIST_EMPTY(&a->open) &&
	    (a->bits[0] | a->bits[1]) == 0);
}

void
ask_put(struct ask **ap, const uint64_t bits[2], struct buf *now)
{
	struct ask *a = *ap;

	CHECK_MAGIC(a, ASK_MAGIC);
	a->published = true;
	if (a->slot == 0) {
		a->bits[0] = bits[0];
		a->bits[1] = bits[1];
	}
	if (is_over(a))
		finish(ap, now);
	else if (a->slot != 0)
		*ap = NULL;	/* its clients and the clock keep it */
}

static void
settle(struct ask *a)
{
	if (is_over(a))
		finish(&a, NULL);
}

/* --- answers --------------------------------------------------------------- */

/* Room for n more bytes of answers? */
static bool
may_keep(struct ask *a, size_t n)
{
	if (a->bytes + n <= ASK_BYTES_MAX &&
	    a->hub->asks.bytes + n <= ASK_BYTES_ALL &&
	    buf_reserve(&a->answers, n + 1))
		return (true);
	a->answers.oom = false;
	a->truncated = true;
	counter_add(COUNTER_ask_answers_dropped, 1);
	return (false);
}

static void
keep(struct ask *a, struct slice elements)
{
	size_t before = a->answers.wpos;

	if (elements.n == 0 || !may_keep(a, elements.n))
		return;
	if (before != 0)
		buf_byte(&a->answers, ',');
	buf_slice(&a->answers, elements);
	a->bytes += a->answers.wpos - before;
	a->hub->asks.bytes += a->answers.wpos - before;
}

static void
put_attachments(struct buf *b, const struct slice *attachments, unsigned n)
{
	unsigned i;

	buf_str(b, ",\"attachments\":[");
	for (i = 0; i < n; i++) {
		buf_str(b, i == 0 ? "\"" : ",\"");
		if (buf_reserve(b, (attachments[i].n + 2) / 3 * 4))
			b->wpos += digest_base64_encode(attachments[i],
			    b->data + b->wpos);
		buf_byte(b, '"');
	}
	buf_byte(b, ']');
}

/* {"sid","user","args":[...][,"attachments":["base64",...]]} */
static void
put_answer(struct buf *b, const struct session *s, struct slice args,
    const struct slice *attachments, unsigned n)
{
	buf_str(b, "{\"sid\":\"");
	buf_slice(b, session_sid(s));
	buf_str(b, "\",\"user\":");
	buf_slice(b, s->who == NULL ? SLICE("null") :
	    principal_user_json(s->who));
	buf_str(b, ",\"args\":[");
	buf_slice(b, args);
	buf_byte(b, ']');
	if (n > 0)
		put_attachments(b, attachments, n);
	buf_byte(b, '}');
}

bool
ask_answer(struct session *s, uint64_t id, struct slice args,
    const struct slice *attachments, unsigned n)
{
	struct buf *b = &s->hub->answer;
	struct asked *w;
	struct ask *a;

	for (w = s->client->asked; w != NULL; w = w->next)
		if (w->ask->id == id && w->session == s)
			break;
	if (w == NULL)
		return (false);
	a = w->ask;
	forget_asked(w);
	a->answered++;
	buf_reset(b);
	put_answer(b, s, args, attachments, n);
	if (b->oom)
		a->truncated = true;
	else
		keep(a, buf_unread(b));
	if (a->slot != 0 && a->answers.wpos > PIECE_BYTES)
		hand_over(a, false);
	settle(a);
	return (true);
}

void
ask_left(struct session *s)
{
	struct asked *w, *next;
	struct ask *a;

	for (w = s->client->asked; w != NULL; w = next) {
		next = w->next;
		if (w->session != s)
			continue;
		a = w->ask;
		forget_asked(w);
		settle(a);
	}
}

/* --- other workers, the clock ---------------------------------------------- */

static void
called_off(struct hub *h, const struct bus_envelope *e)
{
	struct ask *a;
	unsigned i;

	for (i = 0; i < ASK_MAX; i++) {	/* back ends seldom give up */
		a = h->asks.by_index[i];
		if (a != NULL && a->slot == e->from && a->ref == e->ref) {
			drop(&a);
			return;
		}
	}
}

void
ask_bus(struct hub *h, const struct bus_envelope *e)
{
	struct ask *a = h->asks.by_index[e->ref % ASK_MAX];
	uint64_t bit;

	if (e->kind == BUS_ANSWERS_END) {
		called_off(h, e);
		return;
	}
	if (a == NULL || a->id != e->ref || a->slot != 0 || e->from == 0 ||
	    e->from > 128)
		return;		/* too late, or not ours */
	bit = UINT64_C(1) << ((e->from - 1) % 64);
	if ((a->bits[(e->from - 1) / 64] & bit) == 0)
		return;
	a->asked += (uint32_t)(e->count >> 32);
	a->answered += (uint32_t)e->count;
	if (e->flags & BUS_TRUNCATED)
		a->truncated = true;
	keep(a, e->args);
	if (!(e->flags & BUS_MORE))
		a->bits[(e->from - 1) / 64] &= ~bit;
	settle(a);
}

/* Its time is over: nobody here is waited for any more; what the branches
 * have is on its way. */
static void
expire(struct ask *a)
{
	struct asked *w;

	while ((w = LIST_FIRST(&a->open)) != NULL) {
		counter_add(COUNTER_acks_timed_out, 1);
		forget_asked(w);
	}
	if (is_over(a) ||
	    a->deadline_us + GRACE_MS * 1000 <= a->hub->now.us)
		finish(&a, NULL);
}

void
ask_tick(struct hub *h)
{
	struct ask_table *t = &h->asks;
	struct ask *a;
	unsigned i;

	if (t->due_us == 0 || t->due_us > h->now.us)
		return;
	t->due_us = 0;
	for (i = 0; i < ASK_MAX; i++) {
		a = t->by_index[i];
		if (a != NULL && a->deadline_us <= h->now.us)
			expire(a);
		if ((a = t->by_index[i]) != NULL)
			due(h, a);
	}
}

void
ask_lost(struct hub *h)
{
	struct ask *a;
	unsigned i;

	for (i = 0; i < ASK_MAX; i++) {
		a = h->asks.by_index[i];
		if (a == NULL || (a->bits[0] | a->bits[1]) == 0)
			continue;
		a->lost = true;
		a->bits[0] = a->bits[1] = 0;
		settle(a);
	}
}

void
ask_leave(struct hub *h)
{
	struct ask *a;
	unsigned i;

	for (i = 0; i < ASK_MAX; i++)
		if ((a = h->asks.by_index[i]) != NULL) {
			call_off(a);
			finish(&a, NULL);
		}
}

void
ask_fini(struct hub *h)
{
	unsigned i;

	for (i = 0; i < ASK_MAX; i++)
		if (h->asks.by_index[i] != NULL)
			drop(&h->asks.by_index[i]);
}
