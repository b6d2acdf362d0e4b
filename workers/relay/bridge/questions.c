/*
 * Questions to workers; see questions.h.
 */
#include "relay/bridge/questions.h"

#include <sys/queue.h>
#include <sys/random.h>

#include <stdlib.h>

#include "base/slotset.h"
#include "proto/bus.h"
#include "shm/counters.h"

enum question_kind { QUESTION_MEMBERS, QUESTION_PUBLICATION, QUESTION_KINDS };

struct question {
	unsigned	 magic;
#define QUESTION_MAGIC	0x9e57107a
	TAILQ_ENTRY(question) link;
	uint32_t	 ref;
	uint64_t	 waiting[2];	/* have not said all */
	uint64_t	 silent[2];	/* ... nor anything yet */
	uint64_t	 named[2];	/* were asked, and it is not known who got
					 * it; or empty */
	uint64_t	 count_us;	/* counted by then; 0: it is */
	uint64_t	 end_us;
	uint32_t	 counted;	/* asked, by count_us */
	enum question_kind kind;
	struct question_end end;
	bool		 held;		/* it is being sent */
	const struct question_calls *calls;
	void		*arg;
};

struct questions {
	unsigned	 magic;
#define QUESTIONS_MAGIC	0x9e5710a5
	struct questions_params p;
	TAILQ_HEAD(, question) open;
	unsigned	 n[QUESTION_KINDS];
	uint32_t	 ref;		/* of the last */
};

struct questions *
questions_new(const struct questions_params *p)
{
	struct questions *q = calloc(1, sizeof *q);

	if (q == NULL)
		return (NULL);
	q->magic = QUESTIONS_MAGIC;
	q->p = *p;
	TAILQ_INIT(&q->open);
	/* answers to another relay's are not for this one */
	if (getrandom(&q->ref, sizeof q->ref, 0) != (ssize_t)sizeof q->ref)
		q->ref = (uint32_t)p->now(p->arg).us;
	return (q);
}

/* n: how many more there are of it. */
static void
questions_add(struct questions *q, enum question_kind kind, int n)
{
	q->n[kind] += (unsigned)n;
	counter_set(COUNTER_questions_open, q->n[QUESTION_MEMBERS] +
	    q->n[QUESTION_PUBLICATION]);
}

static void
questions_drop(struct questions *q, struct question *a)
{
	CHECK_MAGIC(a, QUESTION_MAGIC);
	TAILQ_REMOVE(&q->open, a, link);
	questions_add(q, a->kind, -1);
	a->magic = 0;
	free(a);
}

void
questions_forget(struct questions *q)
{
	struct question *a;

	CHECK_MAGIC(q, QUESTIONS_MAGIC);
	while ((a = TAILQ_FIRST(&q->open)) != NULL)
		questions_drop(q, a);
}

void
questions_free(struct questions **qp)
{
	struct questions *q = *qp;

	if (q == NULL)
		return;
	*qp = NULL;
	questions_forget(q);
	q->magic = 0;
	free(q);
}

/* --- ends -----------------------------------------------------------------*/

static void
questions_count(struct question *a)
{
	if (a->count_us == 0)
		return;
	a->count_us = 0;
	if (a->calls->counted != NULL)
		a->calls->counted(a->arg, a->counted);
}

static void
questions_finish(struct questions *q, struct question *a)
{
	const struct question_calls *calls = a->calls;
	void *arg = a->arg;
	struct question_end end = a->end;

	questions_count(a);
	questions_drop(q, a);
	if (end.partly)
		counter_add(COUNTER_questions_partly, 1);
	calls->done(arg, &end);
}

/* Somebody is waited for no more. */
static void
questions_settle(struct questions *q, struct question *a)
{
	if (a->held)
		return;
	if (slotset_empty(a->silent))
		questions_count(a);
	if (slotset_empty(a->waiting))
		questions_finish(q, a);
}

static void
questions_refuse(const struct question_calls *calls, void *arg)
{
	static const struct question_end nothing = { .partly = true };

	if (calls->counted != NULL)
		calls->counted(arg, 0);
	counter_add(COUNTER_questions_partly, 1);
	calls->done(arg, &nothing);
}

static struct question *
questions_open(struct questions *q, enum question_kind kind,
    const uint64_t slots[2], uint64_t timeout_ms)
{
	uint64_t now = q->p.now(q->p.arg).us;
	struct question *a;

	a = q->n[kind] < QUESTIONS_MAX ? calloc(1, sizeof *a) : NULL;
	if (a == NULL)
		return (NULL);
	if (++q->ref == 0)
		q->ref++;
	a->magic = QUESTION_MAGIC;
	a->ref = q->ref;
	a->kind = kind;
	slotset_copy(a->waiting, slots);
	slotset_copy(a->silent, slots);
	slotset_copy(a->named, slots);
	a->end_us = now + timeout_ms * 1000;
	a->count_us = now + QUESTIONS_COUNT_MS * UINT64_C(1000);
	if (a->count_us > a->end_us)
		a->count_us = a->end_us;
	TAILQ_INSERT_TAIL(&q->open, a, link);
	questions_add(q, kind, 1);
	return (a);
}

/* Whoever is not among them is not waited for. */
static void
questions_keep(struct question *a, const uint64_t slots[2])
{
	size_t i;

	if (slotset_empty(a->named))
		return;		/* that is known already */
	for (i = 0; i < SLOTSET_WORDS; i++) {
		a->waiting[i] &= slots[i];
		a->silent[i] &= slots[i];
	}
}

/* An answer says who got it (BUS_SHADOW): it is their answers that are waited
 * for.  As waits_heard() in hub/publish/waits.h. */
static void
questions_had(struct question *a, const uint64_t had[2])
{
	uint64_t heirs;
	size_t i;

	if (slotset_empty(had) || slotset_empty(a->named))
		return;
	for (i = 0; i < SLOTSET_WORDS; i++) {
		heirs = had[i] & ~a->named[i];
		a->waiting[i] = (a->waiting[i] & had[i]) | heirs;
		a->silent[i] = (a->silent[i] & had[i]) | heirs;
	}
	slotset_clear(a->named);
}

/* An answer may be there before all have been asked. */
static void
questions_send(struct questions *q, struct question *a, struct bus_envelope *e)
{
	uint64_t to[2] = { a->waiting[0], a->waiting[1] };

	a->held = true;
	if (!q->p.send(q->p.arg, to, a->ref, e)) {
		a->end.partly = true;
		slotset_clear(to);
	} else if (!slotset_empty(to))
		counter_add(COUNTER_questions, 1);
	a->held = false;
	questions_keep(a, to);
	questions_settle(q, a);
}

void
questions_ask(struct questions *q, struct bus_envelope *e,
    const uint64_t slots[2], uint64_t timeout_ms,
    const struct question_calls *calls, void *arg)
{
	struct question *a;

	CHECK_MAGIC(q, QUESTIONS_MAGIC);
	a = questions_open(q, e->kind == BUS_PUBLISH ? QUESTION_PUBLICATION :
	    QUESTION_MEMBERS, slots, timeout_ms);
	if (a == NULL) {
		questions_refuse(calls, arg);
		return;
	}
	a->calls = calls;
	a->arg = arg;
	questions_send(q, a, e);
}

/* --- answers --------------------------------------------------------------*/

static struct question *
questions_find(const struct questions *q, uint32_t ref)
{
	struct question *a;

	TAILQ_FOREACH(a, &q->open, link)
		if (a->ref == ref)
			return (a);
	return (NULL);
}

void
questions_answer(struct questions *q, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct question *a;

	CHECK_MAGIC(q, QUESTIONS_MAGIC);
	if (!bus_whole(frame, &e) ||
	    e.kind != BUS_ANSWERS) {
		counter_add(COUNTER_bus_bad, 1);
		return;
	}
	a = questions_find(q, e.ref);
	if (a != NULL)
		questions_had(a, e.had);
	if (a == NULL || !slotset_has(a->waiting, e.from))
		return;		/* too late */
	if (a->count_us != 0)
		a->counted += e.answers.asked;
	a->end.asked += e.answers.asked;
	a->end.answered += e.answers.answered;
	if (e.flags & BUS_TRUNCATED)
		a->end.partly = true;
	if (e.answers.elements.n != 0)
		a->calls->answers(a->arg, e.answers.elements);
	slotset_drop(a->silent, e.from);
	if (!(e.flags & BUS_MORE))
		slotset_drop(a->waiting, e.from);
	questions_settle(q, a);
}

void
questions_gone(struct questions *q, unsigned slot)
{
	struct question *a, *next;

	CHECK_MAGIC(q, QUESTIONS_MAGIC);
	for (a = TAILQ_FIRST(&q->open); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (!slotset_has(a->waiting, slot))
			continue;
		a->end.partly = true;
		slotset_drop(a->silent, slot);
		slotset_drop(a->waiting, slot);
		questions_settle(q, a);
	}
}

/* --- the clock ------------------------------------------------------------*/

void
questions_tick(struct questions *q)
{
	uint64_t now = q->p.now(q->p.arg).us;
	struct question *a, *next;

	CHECK_MAGIC(q, QUESTIONS_MAGIC);
	for (a = TAILQ_FIRST(&q->open); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->end_us <= now) {
			a->end.partly = true;
			questions_finish(q, a);
		} else if (a->count_us != 0 && a->count_us <= now)
			questions_count(a);
	}
}

uint64_t
questions_due_us(const struct questions *q)
{
	const struct question *a;
	uint64_t due = UINT64_MAX;

	TAILQ_FOREACH(a, &q->open, link) {
		if (a->end_us < due)
			due = a->end_us;
		if (a->count_us != 0 && a->count_us < due)
			due = a->count_us;
	}
	return (due);
}
