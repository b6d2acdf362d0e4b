/*
 * Questions of back ends: how many there are, for whom they wait and when
 * they end; see ask.h.  Called by api_publish.c and api_members.c to ask, by
 * hub.c and members.c for other workers' parts.  What clients answer is
 * ask_answers.c's.
 */
#include <stdlib.h>

#include "hub/backend/ask_int.h"
#include "hub/backend/survey.h"
#include "hub/publish/pending.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "proto/bus.h"
#include "proto/error.h"

#define SCRATCH_BYTES	(64u << 10)	/* kept from one answer to the next */
#define GRACE_MS	500		/* for what branches send at the end */
#define PIECE_BYTES	(64u << 10)	/* a branch hands over so much at once */

/* --- questions ------------------------------------------------------------- */

struct ask_table *
ask_table_new(const struct hub *h)
{
	struct ask_table *t = calloc(1, sizeof *t);

	if (t != NULL)
		waits_init(&t->waits, ASK_MAX, h->generation);
	return (t);
}

struct ask *
ask_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct ask, wait));
}

struct ask *
ask_open(struct hub *h, uint64_t timeout_ms, uint64_t grace_ms)
{
	struct waits *w = &h->asks->waits;
	uint32_t ref = waits_ref(w);
	struct ask *a;

	if (ref == 0 || (a = calloc(1, sizeof *a)) == NULL) {
		counter_add(COUNTER_asks_refused, 1);
		return (NULL);
	}
	a->magic = ASK_MAGIC;
	a->hub = h;
	LIST_INIT(&a->open);
	buf_init(&a->answers);
	a->timeout_ms = timeout_ms;
	a->deadline_us = h->now.us + timeout_ms * 1000;
	a->end_us = a->deadline_us + grace_ms * 1000;
	waits_add(w, &a->wait, ref, a->deadline_us);
	counter_add(COUNTER_asks_open, 1);
	return (a);
}

struct ask *
ask_new(struct hub *h, void *asker, struct slice id, uint64_t timeout_ms)
{
	struct ask *a = ask_open(h, timeout_ms, GRACE_MS);

	if (a == NULL)
		return (NULL);
	MUST(id.n <= sizeof a->name);
	a->asker = asker;
	memcpy(a->name, id.p, id.n);
	a->name_len = (uint8_t)id.n;
	counter_add(COUNTER_asks, 1);
	return (a);
}

/* The part of a question that came with this envelope. */
static struct ask *
ask_branch(struct hub *h, const struct bus_envelope *e)
{
	uint64_t ms = e->publish.timeout_ms;
	struct ask *a = ask_open(h, ms < ASK_TIMEOUT_MAX ? ms :
	    ASK_TIMEOUT_MAX, GRACE_MS);

	if (a == NULL)
		return (NULL);
	a->branch = true;
	a->numbered = (e->flags & BUS_NUMBERED) != 0;
	a->prompt = e->from == 0;
	a->slot = e->from;
	a->ref = e->ref;
	if (e->flags & BUS_SHADOW)
		slotset_copy(a->had, e->slots);
	return (a);
}

/* NULL: there is none. */
static struct ask *
ask_branch_of(struct hub *h, unsigned slot, uint32_t ref)
{
	struct waits *w = &h->asks->waits;
	struct ask *a;
	uint32_t i;

	for (i = 0; i < w->n; i++) {
		a = ask_of(w->heap[i]);
		if (a->branch && a->slot == slot && a->ref == ref)
			return (a);
	}
	return (NULL);
}

struct ask *
ask_part(struct hub *h, uint16_t slot, uint32_t ref, uint64_t deadline_us)
{
	uint64_t left_ms = deadline_us <= h->now.us ? 0 :
	    (deadline_us - h->now.us) / 1000;
	struct ask *a = ask_branch_of(h, slot, ref);

	if (a != NULL)
		return (a);
	a = ask_open(h, left_ms < ASK_TIMEOUT_MAX ? left_ms : ASK_TIMEOUT_MAX,
	    GRACE_MS);
	if (a == NULL)
		return (NULL);
	a->branch = a->published = true;
	a->slot = slot;
	a->ref = ref;
	return (a);
}

struct ask *
ask_count(struct hub *h, void *asker, const char *count)
{
	struct ask *a = ask_open(h, ASK_COUNT_MS, 0);

	if (a == NULL)
		return (NULL);
	a->asker = asker;
	a->count = count;
	return (a);
}

struct ask *
ask_one(struct hub *h, void *asker)
{
	struct ask *a = ask_count(h, asker, "answered");

	if (a != NULL)
		a->one = true;
	return (a);
}

void
ask_by_head(struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	a->by_head = true;
}

bool
ask_is_by_head(const struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	return (a->by_head);
}

void
ask_counted(struct ask *a, uint32_t n)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	a->asked += n;
}

void
ask_revoked(struct ask *a, uint64_t until_s)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	a->until_s = until_s;
}

void
ask_unheard(struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	a->lost = true;
}

void
ask_far(struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	a->far = true;
}

uint32_t
ask_ref(const struct ask *a)
{
	CHECK_MAGIC(a, ASK_MAGIC);
	return (a->wait.ref);
}

void
ask_drop(struct ask **ap)
{
	struct ask *a = *ap;
	struct ask_table *t = a->hub->asks;

	CHECK_MAGIC(a, ASK_MAGIC);
	*ap = NULL;
	(void)ask_forget_clients(a);
	waits_remove(&t->waits, &a->wait);
	t->bytes -= a->answers.wpos;
	counter_sub(COUNTER_asks_open, 1);
	survey_free(&a->survey);
	buf_fini(&a->answers);
	a->magic = 0;
	free(a);
}

/* The branches need not go on.  (Those that count have nothing to stop.) */
static void
ask_call_off(const struct ask *a)
{
	struct bus_envelope e;

	if (a->count != NULL || a->survey != NULL || slotset_empty(a->wait.slots))
		return;
	bus_answers_end(&e);
	(void)post_send(a->hub, a->wait.slots, a->wait.ref, &e);
}

void
ask_forget(struct ask **ap)
{
	if (*ap == NULL)
		return;
	ask_call_off(*ap);
	ask_drop(ap);
}

void
ask_drop_unused(struct ask *a)
{
	if (LIST_EMPTY(&a->open) && slotset_empty(a->wait.slots))
		ask_drop(&a);
}

bool
ask_any(const struct hub *h)
{
	return (h->asks->waits.n != 0);
}

/* --- ends ------------------------------------------------------------------ */

void
ask_hand_over(struct ask *a, bool last)
{
	struct hub *h = a->hub;
	struct bus_envelope e;
	struct bus_answers *b = bus_answers(&e);

	if (!last)
		e.flags |= BUS_MORE;
	if (a->truncated)
		e.flags |= BUS_TRUNCATED;
	if (a->numbered)
		e.flags |= BUS_NUMBERED;
	bus_had(&e, a->had);
	b->elements = buf_unread(&a->answers);
	b->asked = a->asked;
	b->answered = a->answered;
	if (!post_to(h, a->slot, a->ref, &e) && b->elements.n != 0) {
		/* too large, or too much waits: the numbers at least */
		counter_add(COUNTER_ask_answers_dropped, a->answered);
		b->elements.n = 0;
		e.flags |= BUS_TRUNCATED;
		(void)post_to(h, a->slot, a->ref, &e);
	}
	h->asks->bytes -= a->answers.wpos;
	buf_reset(&a->answers);
	a->asked = a->answered = 0;
}

void
ask_tell(const struct ask *a, int status, const struct buf *b)
{
	struct hub *h = a->hub;

	h->ports.answered(h->ports.host, a->asker, status, b->oom ?
	    slice_of(NULL, 0) : buf_unread(b));
}

static void
ask_finish(struct ask **ap, struct buf *now)
{
	struct ask *a = *ap;
	struct hub *h = a->hub;
	struct buf *b = &h->answer;
	int status = 503;

	if (a->branch) {
		ask_hand_over(a, true);
	} else if (now != NULL) {
		(void)ask_render(a, now);
	} else {
		buf_reset(b);
		if (a->store)
			error_encode(b, "unavailable",
			    "what is kept cannot be asked now");
		else
			status = ask_render(a, b);
		ask_tell(a, status, b);
		if (b->cap > SCRATCH_BYTES) {
			buf_fini(b);
			buf_init(b);
		}
	}
	ask_drop(ap);
}

/* --- ends: when ------------------------------------------------------------- */

static bool
ask_is_over(const struct ask *a)
{
	return (a->published && LIST_EMPTY(&a->open) && !a->far && !a->here &&
	    slotset_empty(a->wait.slots));
}

void
ask_put(struct ask **ap, const uint64_t slots[2], struct buf *now)
{
	static const uint64_t everyone[2] = { UINT64_MAX, UINT64_MAX };
	struct ask *a = *ap;
	uint64_t reseated[2];

	CHECK_MAGIC(a, ASK_MAGIC);
	a->published = true;
	if (!a->branch) {
		/* who else got it is known when there is an answer: late */
		pending_asked(a->hub, everyone, reseated);
		waits_for(&a->wait, slots, reseated);
		a->wait.notes = true;
	}
	if (ask_is_over(a)) {
		ask_finish(ap, now);
		return;
	}
	if (!a->branch)
		return;
	if (a->slot == 0)
		ask_hand_over(a, false);	/* how many are asked */
	*ap = NULL;	/* its clients and the clock keep it */
}

void
ask_settle(struct ask *a)
{
	if (ask_is_over(a))
		ask_finish(&a, NULL);
	else if (a->branch && (a->answers.wpos > PIECE_BYTES ||
	    (a->prompt && a->answered > 0)))
		ask_hand_over(a, false);
}

/* --- publishing ------------------------------------------------------------ */

static void
ask_sent(void *arg, struct session *s)
{
	ask_expect(arg, s);
}

void
ask_publish(struct ask **ap, const struct conf_namespace *ns,
    const struct audience *to, struct publication *p, struct buf *now)
{
	struct ask *a = *ap;
	struct publish_question q = { .ref = a->wait.ref,
		.timeout_ms = (uint32_t)a->timeout_ms };

	p->asks = true;
	p->ask_id = a->wait.ref;
	(void)publish_ask(a->hub, ns, to, p, &q, ask_sent, a);
	if (q.unheard)
		a->lost = true;
	a->far = q.far;
	ask_put(ap, q.bits, now);
}

/* A question of another worker: our part of it. */
void
ask_bus_publish(struct hub *h, const struct bus_envelope *e)
{
	static const uint64_t nobody[2];
	struct publication p = publish_received(e);
	const struct conf_namespace *ns = conf_namespace_find(h->conf, p.nsp);
	struct audience to = publish_receivers(e);
	struct ask *a;

	if (p.sent_us != 0)
		latency_queued(&h->latency, (struct mono){ p.sent_us });
	if (ns == NULL || (a = ask_branch(h, e)) == NULL) {
		/* another worker's is told after its time */
		if (e->from == 0)
			ask_report(h, e, 0, true);
		return;
	}
	p.asks = true;
	p.ask_id = a->wait.ref;
	/* of a kept room's event: who is asked does not come back to it */
	p.offset = slice_of(NULL, 0);
	(void)fanout_ask(h, ns, &to, &p, ask_sent, a);
	ask_put(&a, nobody, NULL);
}

/* --- other workers, the clock ---------------------------------------------- */

/* The back end has given up; they seldom do. */
void
ask_bus_end(struct hub *h, const struct bus_envelope *e)
{
	struct ask *a = ask_branch_of(h, e->from, e->ref);

	ask_forget(&a);
}

void
ask_report(struct hub *h, const struct bus_envelope *order, uint32_t n,
    bool partly)
{
	struct bus_envelope e;

	bus_answers(&e)->asked = n;
	e.flags |= order->flags & BUS_NUMBERED;
	if (partly)
		e.flags |= BUS_TRUNCATED;
	if (order->flags & BUS_SHADOW)
		bus_had(&e, order->slots);
	(void)post_to(h, order->from, order->ref, &e);
}

/* Who waits for this answer. */
static struct ask *
ask_asked(struct hub *h, const struct bus_envelope *e)
{
	uint32_t ref = e->flags & BUS_NUMBERED ? ask_by_place(h, e->ref) :
	    e->ref;
	uint64_t reseated[2];
	struct ask *a;

	if (e->from != 0) {
		pending_asked(h, e->had, reseated);
		return (ask_of(waits_heard(&h->asks->waits, ref, e->from,
		    e->had, reseated)));
	}
	a = ask_of(waits_find(&h->asks->waits, e->ref));
	return (a != NULL && a->far ? a : NULL);
}

void
ask_bus_answers(struct hub *h, const struct bus_envelope *e)
{
	struct ask *a = ask_asked(h, e);

	if (a == NULL)
		return;		/* too late, or not ours */
	a->asked += e->answers.asked;
	a->answered += e->answers.answered;
	if (a->wait.missed)
		a->lost = true;
	/* of the relay's last: some host is missing */
	if ((e->flags & BUS_TRUNCATED) != 0 && e->from == 0)
		a->lost = true;
	else if (e->flags & BUS_TRUNCATED)
		a->truncated = true;
	ask_keep(a, e->answers.elements);
	if (e->flags & BUS_MORE)
		;
	else if (e->from == 0)
		a->far = false;
	else
		slotset_drop(a->wait.slots, e->from);
	ask_settle(a);
}

/* Its time is over: nobody here is waited for any more; what the branches
 * have is on its way. */
static void
ask_expire(struct ask *a)
{
	counter_add(COUNTER_acks_timed_out, ask_forget_clients(a));
	if (ask_is_over(a) || a->end_us <= a->hub->now.us)
		ask_finish(&a, NULL);
	else
		waits_until(&a->hub->asks->waits, &a->wait, a->end_us);
}

void
ask_tick(struct hub *h)
{
	struct ask *a;

	while ((a = ask_of(waits_over(&h->asks->waits, h->now.us))) != NULL)
		ask_expire(a);
}

void
ask_gone(struct hub *h, const uint64_t slots[2])
{
	struct ask *a;

	while ((a = ask_of(waits_gone(&h->asks->waits, slots))) != NULL) {
		a->lost = true;
		ask_settle(a);
	}
}

void
ask_lost(struct hub *h)
{
	struct waits *w = &h->asks->waits;
	struct ask *a;
	uint32_t i;

	for (i = 0; i < w->size; i++) {
		a = ask_of(w->by_ref[i]);
		if (a != NULL && a->branch && a->slot == 0)
			ask_drop(&a);	/* who asked is no more */
		if (a == NULL || (slotset_empty(a->wait.slots) && !a->far))
			continue;
		a->lost = true;
		a->far = false;
		slotset_clear(a->wait.slots);
		ask_settle(a);
	}
}

void
ask_leave(struct hub *h)
{
	struct waits *w = &h->asks->waits;
	struct ask *a;
	uint32_t i;

	for (i = 0; i < w->size; i++)
		if ((a = ask_of(w->by_ref[i])) != NULL) {
			ask_call_off(a);
			ask_finish(&a, NULL);
		}
}

void
ask_table_free(struct hub *h)
{
	struct ask *a;

	if (h->asks == NULL)
		return;
	while ((a = ask_of(waits_first(&h->asks->waits))) != NULL)
		ask_drop(&a);
	waits_fini(&h->asks->waits);
	free(h->asks);
	h->asks = NULL;
}
