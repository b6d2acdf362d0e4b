/*
 * Questions to all hosts; see hosts_inquiries.h.  Called by hosts.c with what is said
 * and heard, and by far.c with the time.
 */
#include "relay/bridge/hosts_inquiries.h"

#include <sys/queue.h>
#include <sys/random.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/bridge/home.h"
#include "relay/bridge/hosts_int.h"
#include "relay/bridge/ledger.h"
#include "relay/bridge/questions.h"
#include "relay/bridge/seal.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

#define INQUIRIES_HEADER	16

static const uint8_t inquiries_mark[8] = "ROOSTA1";

enum inquiry_kind { INQUIRY_ORDER, INQUIRY_PUBLICATION, INQUIRY_KINDS };

/* One of a worker here. */
struct inquiry {
	TAILQ_ENTRY(inquiry) link;
	uint32_t	 number;
	enum inquiry_kind kind;
	unsigned	 slot;
	uint32_t	 ref;		/* the worker's */
	uint64_t	 end_us;
	bool		 known;		/* how many hear it */
	uint64_t	 hearers, ended;
	bool		 partly;
};

/* One of another host, while the workers here are asked. */
struct inquired {
	LIST_ENTRY(inquired) link;
	struct inquiries *all;
	uint64_t	 node;
	uint32_t	 number;
};

struct inquiries {
	unsigned	 magic;
#define INQUIRIES_MAGIC	0x14902175
	struct inquiries_params p;
	TAILQ_HEAD(, inquiry) open;
	unsigned	 n[INQUIRY_KINDS];
	uint32_t	 number;	/* of the last */
	LIST_HEAD(, inquired) asked;
	struct buf	 own, channel, message;
};

/* --- names ----------------------------------------------------------------*/

static void
inquiries_channel(const struct inquiries *q, struct buf *b, uint64_t node)
{
	buf_reset(b);
	buf_printf(b, "%sanswers:%016" PRIx64,
	    q->p.home->conf->redis.prefix, node);
}

bool
inquiries_is_one(const struct bus_envelope *e)
{
	switch ((unsigned)e->kind) {
	case BUS_PUBLISH:
		return ((e->flags & BUS_WANT_ANSWERS) != 0);
	case BUS_DISCONNECT:
	case BUS_ROOMS:
	case BUS_REPLY:
		return ((e->flags & BUS_WANT_COUNT) != 0);
	case BUS_MEMBERS:
		return (true);
	}
	return (false);
}

/* --- here: ends -----------------------------------------------------------*/

static void
inquiries_add(struct inquiries *q, enum inquiry_kind kind, int n)
{
	q->n[kind] += (unsigned)n;
	counter_set(COUNTER_far_asks_open, q->n[INQUIRY_ORDER] +
	    q->n[INQUIRY_PUBLICATION]);
}

static void
inquiries_drop(struct inquiries *q, struct inquiry *i)
{
	TAILQ_REMOVE(&q->open, i, link);
	inquiries_add(q, i->kind, -1);
	free(i);
}

static void
inquiries_say_last(struct inquiries *q, unsigned slot, uint32_t ref,
    bool partly)
{
	static struct bus_envelope e;	/* large; one at a time */

	(void)bus_answers(&e);
	if (partly) {
		e.flags |= BUS_TRUNCATED;
		counter_add(COUNTER_far_asks_partly, 1);
	}
	q->p.answer(q->p.arg, slot, ref, &e);
}

static void
inquiries_finish(struct inquiries *q, struct inquiry *i)
{
	unsigned slot = i->slot;
	uint32_t ref = i->ref;
	bool partly = i->partly;

	inquiries_drop(q, i);
	inquiries_say_last(q, slot, ref, partly);
}

static void
inquiries_settle(struct inquiries *q, struct inquiry *i)
{
	if (i->known && i->ended >= i->hearers)
		inquiries_finish(q, i);
}

static struct inquiry *
inquiries_find(const struct inquiries *q, uint32_t number)
{
	struct inquiry *i;

	TAILQ_FOREACH(i, &q->open, link)
		if (i->number == number)
			return (i);
	return (NULL);
}

/* --- here: asking ---------------------------------------------------------*/

uint32_t
inquiries_open(struct inquiries *q, const struct bus_envelope *e)
{
	enum inquiry_kind kind = e->kind == BUS_PUBLISH ?
	    INQUIRY_PUBLICATION : INQUIRY_ORDER;
	uint64_t ms = kind == INQUIRY_ORDER ? INQUIRIES_MS :
	    e->publish.timeout_ms + 2 * INQUIRIES_GRACE_MS;
	struct inquiry *i = NULL;

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	if (q->n[kind] < INQUIRIES_MAX)
		i = calloc(1, sizeof *i);
	if (i == NULL) {
		inquiries_say_last(q, e->from, e->ref, true);
		return (0);
	}
	if (++q->number == 0)
		q->number++;
	i->number = q->number;
	i->kind = kind;
	i->slot = e->from;
	i->ref = e->ref;
	i->end_us = home_now(q->p.home).us + ms * 1000;
	/* who is heard by the other link alone does not know of inquiries */
	i->partly = q->p.home->ledger->twofold;
	TAILQ_INSERT_TAIL(&q->open, i, link);
	inquiries_add(q, kind, 1);
	counter_add(COUNTER_far_asks, 1);
	return (i->number);
}

void
inquiries_heard(struct inquiries *q, uint32_t number, uint64_t hearers,
    bool partly)
{
	struct inquiry *i;

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	i = inquiries_find(q, number);
	if (i == NULL)
		return;
	i->known = true;
	i->hearers = hearers;
	/* somebody's relay has just begun, say, or its link is lost */
	i->partly |= partly || hearers < 1 + (uint64_t)q->p.others(q->p.arg);
	inquiries_settle(q, i);
}

void
inquiries_echo(struct inquiries *q, uint32_t number)
{
	struct inquiry *i;

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	i = inquiries_find(q, number);
	if (i == NULL)
		/* another link's of this host: it hears it, too */
		inquiries_nothing(q, q->p.home->node_id, number, false);
	else {
		i->ended++;
		inquiries_settle(q, i);
	}
}

/* A part of it goes on to the worker; the last that there is of a host is the
 * relay's to know. */
static void
inquiries_pass(struct inquiries *q, struct inquiry *i, struct bus_envelope *e)
{
	bool last = (e->flags & BUS_MORE) == 0;

	if (last) {
		i->partly |= (e->flags & BUS_TRUNCATED) != 0;
		e->flags &= (uint16_t)~BUS_TRUNCATED;
		i->ended++;
	}
	if (e->answers.asked + e->answers.answered != 0 ||
	    e->answers.elements.n != 0) {
		e->flags |= BUS_MORE;
		slotset_clear(e->had);
		q->p.answer(q->p.arg, i->slot, i->ref, e);
	}
	if (last)
		inquiries_settle(q, i);
}

static void
inquiries_bad(struct inquiries *q, struct slice channel)
{
	counter_add(COUNTER_far_bad, 1);
	home_say(q->p.home, HOME_BAD, channel);
}

static void
inquiries_hear(void *arg, struct slice channel, struct slice payload)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct inquiries *q = arg;
	struct inquiry *i;

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	if (!seal_take(q->p.seal, channel, &payload)) {
		home_say(q->p.home, HOME_UNSEALED, channel);
		return;
	}
	if (payload.n < INQUIRIES_HEADER ||
	    memcmp(payload.p, inquiries_mark, sizeof inquiries_mark) != 0) {
		inquiries_bad(q, channel);
		return;
	}
	payload = slice_from(payload, INQUIRIES_HEADER);
	if (!bus_whole(payload, &e) ||
	    !hosts_is_answer(&e)) {
		inquiries_bad(q, channel);
		return;
	}
	i = inquiries_find(q, e.ref);
	if (i != NULL)			/* else it is too late */
		inquiries_pass(q, i, &e);
}

/* --- there ----------------------------------------------------------------*/

/* What cannot be said is missed there, in time. */
static void
inquiries_answer(struct inquiries *q, uint64_t node, uint32_t number,
    struct bus_envelope *e)
{
	struct buf *b = &q->message;
	uint64_t self = q->p.home->node_id;
	unsigned i;

	e->ref = number;
	e->from = e->generation = 0;
	slotset_clear(e->slots);
	inquiries_channel(q, &q->channel, node);
	buf_reset(b);
	buf_append(b, inquiries_mark, sizeof inquiries_mark);
	for (i = 0; i < 8; i++)
		buf_byte(b, (uint8_t)(self >> 8 * i));
	if (!b->oom && !q->channel.oom && bus_encode(b, e) &&
	    seal_put(q->p.seal, buf_unread(&q->channel), b))
		(void)redis_publish_for_all(q->p.home->redis,
		    buf_unread(&q->channel), buf_unread(b), NULL, NULL);
	else
		counter_add(COUNTER_memory_failures, 1);
	b->oom = q->channel.oom = false;
}

void
inquiries_nothing(struct inquiries *q, uint64_t node, uint32_t number,
    bool partly)
{
	static struct bus_envelope e;	/* large; one at a time */

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	(void)bus_answers(&e);
	if (partly)
		e.flags |= BUS_TRUNCATED;
	inquiries_answer(q, node, number, &e);
}

static void
inquiries_on_answers(void *arg, struct slice elements)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct inquired *d = arg;

	bus_answers(&e)->elements = elements;
	e.flags |= BUS_MORE;
	inquiries_answer(d->all, d->node, d->number, &e);
}

static void
inquiries_on_done(void *arg, const struct question_end *end)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct inquired *d = arg;
	struct bus_answers *a = bus_answers(&e);

	a->asked = end->asked;
	a->answered = end->answered;
	if (end->partly)
		e.flags |= BUS_TRUNCATED;
	inquiries_answer(d->all, d->node, d->number, &e);
	LIST_REMOVE(d, link);
	free(d);
}

static const struct question_calls inquiries_calls = {
	.answers = inquiries_on_answers, .done = inquiries_on_done,
};

void
inquiries_take(struct inquiries *q, uint64_t node, struct bus_envelope *e,
    const uint64_t slots[2])
{
	struct inquired *d = calloc(1, sizeof *d);
	uint64_t ms = INQUIRIES_THERE_MS;
	uint8_t offset[OFFSET_MAX];

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	counter_add(COUNTER_far_asks_heard, 1);
	if (e->kind == BUS_PUBLISH) {
		e->publish.offset = home_offset(q->p.home, e->publish.nsp,
		    offset);
		ms = e->publish.timeout_ms + INQUIRIES_GRACE_MS;
	}
	if (d == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		inquiries_nothing(q, node, e->ref, true);
		e->flags &= (uint16_t)~(BUS_WANT_COUNT | BUS_WANT_ANSWERS);
		if (e->kind != BUS_MEMBERS)
			q->p.home->to_workers(q->p.home->arg, slots, e);
		return;
	}
	d->all = q;
	d->node = node;
	d->number = e->ref;
	LIST_INSERT_HEAD(&q->asked, d, link);
	questions_ask(q->p.questions, e, slots, ms, &inquiries_calls, d);
}

/* --- the clock ------------------------------------------------------------*/

void
inquiries_tick(struct inquiries *q)
{
	uint64_t now = home_now(q->p.home).us;
	struct inquiry *i, *next;

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	for (i = TAILQ_FIRST(&q->open); i != NULL; i = next) {
		next = TAILQ_NEXT(i, link);
		if (i->end_us > now)
			continue;
		i->partly = true;
		inquiries_finish(q, i);
	}
}

uint64_t
inquiries_due_us(const struct inquiries *q)
{
	const struct inquiry *i;
	uint64_t due = UINT64_MAX;

	TAILQ_FOREACH(i, &q->open, link)
		if (i->end_us < due)
			due = i->end_us;
	return (due);
}

/* --- birth and death ------------------------------------------------------*/

struct inquiries *
inquiries_new(const struct inquiries_params *p)
{
	struct inquiries *q = calloc(1, sizeof *q);

	if (q == NULL)
		return (NULL);
	q->magic = INQUIRIES_MAGIC;
	q->p = *p;
	TAILQ_INIT(&q->open);
	LIST_INIT(&q->asked);
	buf_init(&q->own);
	buf_init(&q->channel);
	buf_init(&q->message);
	/* what the one before has asked is not for this one */
	if (getrandom(&q->number, sizeof q->number, 0) !=
	    (ssize_t)sizeof q->number)
		q->number = (uint32_t)home_now(p->home).us;
	inquiries_channel(q, &q->own, p->home->node_id);
	if (q->own.oom || !redis_subscribe_for_all(p->home->redis,
	    buf_unread(&q->own), inquiries_hear, q))
		inquiries_free(&q);
	return (q);
}

void
inquiries_forget(struct inquiries *q)
{
	struct inquired *d;

	CHECK_MAGIC(q, INQUIRIES_MAGIC);
	while ((d = LIST_FIRST(&q->asked)) != NULL) {
		LIST_REMOVE(d, link);
		free(d);
	}
}

void
inquiries_free(struct inquiries **qp)
{
	struct inquiries *q = *qp;
	struct inquiry *i;

	if (q == NULL)
		return;
	*qp = NULL;
	inquiries_forget(q);
	while ((i = TAILQ_FIRST(&q->open)) != NULL)
		inquiries_drop(q, i);
	buf_fini(&q->own);
	buf_fini(&q->channel);
	buf_fini(&q->message);
	q->magic = 0;
	free(q);
}
