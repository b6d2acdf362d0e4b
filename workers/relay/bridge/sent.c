/*
 * A record for each PUBLISH without an answer; see sent.h.
 */
#include "relay/bridge/sent.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "base/slab.h"
#include "proto/bus.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

#define SENT_PAUSE_MAX	32	/* seconds */

struct sent {
	unsigned	 magic;
#define SENT_MAGIC	0x5e27a110
	struct sent_params p;
	struct slab	 records;
	LIST_HEAD(, sent_record) waiting;	/* for their answer */
	struct gaps	 gaps;
	bool		 left_some;	/* see sent_left_some() */
	unsigned	 ngaps;		/* of those that wait, tell of gaps */
	bool		 refused;	/* one of these was */
	unsigned	 pause, left;	/* the next pause, and the rest of this
					 * one: sent_pauses() */
};

struct sent_record {
	struct sent	*sent;
	LIST_ENTRY(sent_record) next;
	uint64_t	 at_ms;
	uint32_t	 inquiry;
	uint8_t		 kind;		/* enum gap_kind */
	bool		 is_order, is_volatile, is_gap;
	uint16_t	 nsp_len, name_len;
	uint8_t		 text[2 * SENT_NAME_MAX];
};

/* --- gaps -----------------------------------------------------------------*/

static void
sent_keep(struct sent *s, enum gap_kind kind, struct slice nsp,
    struct slice name, uint64_t at_ms)
{
	struct bus_audience to = { .nrooms = 0 };

	switch (kind) {
	case GAP_ROOM:
		to.rooms[to.nrooms++] = name;
		break;
	case GAP_USER:
		to.users[to.nusers++] = name;
		break;
	case GAP_SID:
		to.sids[to.nsids++] = name;
		break;
	case GAP_NAMESPACE:
		break;
	}
	gaps_note(&s->gaps, nsp, &to, at_ms, s->p.now_ms(s->p.arg));
}

static void
sent_note(struct sent *s, enum gap_kind kind, struct slice nsp,
    struct slice name, uint64_t at_ms)
{
	counter_add(COUNTER_gaps_noted, 1);
	counter_add(COUNTER_far_lost, 1);
	sent_keep(s, kind, nsp, name, at_ms);
}

/* Volatile events are not missed; what tells of a gap is still to be told. */
void
sent_lost(struct sent *s, const struct sent_message *m)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	if (m->inquiry != 0)
		s->p.inquired(s->p.arg, m->inquiry, 0, true);
	if (m->is_order)
		counter_add(COUNTER_far_orders_lost, 1);
	else if (!m->is_volatile && m->from_ms == 0)
		sent_note(s, m->kind, m->nsp, m->name,
		    s->p.now_ms(s->p.arg));
}

void
sent_gap_all(struct sent *s, uint64_t from_ms)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	gaps_note_all(&s->gaps, from_ms, s->p.now_ms(s->p.arg));
}

const struct gap *
sent_gap(struct sent *s)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	return (gaps_first(&s->gaps));
}

void
sent_drop_gap(struct sent *s)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	gaps_drop_first(&s->gaps);
}

void
sent_put_off_gap(struct sent *s)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	gaps_put_off_first(&s->gaps);
}

bool
sent_pauses(struct sent *s)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	if (s->left == 0)
		return (false);
	s->left--;
	return (true);
}

/* All that were told at once have their answers: refused ones wait. */
static void
sent_gap_answered(struct sent *s, const struct reply *o)
{
	if (o != NULL && o->type == REPLY_ERROR)
		s->refused = true;
	else if (o != NULL)
		counter_add(COUNTER_gaps_told, 1);
	if (--s->ngaps > 0)
		return;
	s->left = s->refused ? s->pause : 0;
	s->pause = !s->refused ? 1 : s->pause < SENT_PAUSE_MAX ?
	    s->pause * 2 : SENT_PAUSE_MAX;
	s->refused = false;
}

/* --- sending --------------------------------------------------------------*/

/* Nobody is told of what nobody will know. */
static void
sent_forget(struct sent *s, struct sent_record *r)
{
	s->ngaps -= r->is_gap;
	LIST_REMOVE(r, next);
	slab_put(&s->records, r);
}

static void
sent_settle(struct sent *s, struct sent_record *r, const struct reply *o)
{
	bool taken = o != NULL && o->type == REPLY_INTEGER;

	if (r->inquiry != 0)
		s->p.inquired(s->p.arg, r->inquiry, taken && o->integer > 0 ?
		    (uint64_t)o->integer : 0, !taken);
	r->inquiry = 0;
}

/* Volatile events are not missed. */
static void
sent_failed(struct sent *s, const struct sent_record *r,
    const struct reply *o)
{
	struct slice nsp = slice_of(r->text, r->nsp_len),
	    name = slice_of(r->text + r->nsp_len, r->name_len);

	if (o != NULL)
		s->p.refused(s->p.arg, nsp, name, o);
	if (r->is_order)
		counter_add(COUNTER_far_orders_lost, 1);
	else if (r->is_gap)
		sent_keep(s, (enum gap_kind)r->kind, nsp, name, r->at_ms);
	else if (!r->is_volatile)
		sent_note(s, (enum gap_kind)r->kind, nsp, name, r->at_ms);
}

static void
sent_on_reply(void *arg, const struct reply *o)
{
	struct sent_record *r = arg;
	struct sent *s = r->sent;

	CHECK_MAGIC(s, SENT_MAGIC);
	if (o == NULL)
		s->left_some = true;
	if (o == NULL || o->type == REPLY_ERROR)
		sent_failed(s, r, o);
	sent_settle(s, r, o);
	if (r->is_gap) {
		r->is_gap = false;
		sent_gap_answered(s, o);
	}
	sent_forget(s, r);
}

static struct sent_record *
sent_record(struct sent *s, const struct sent_message *m)
{
	struct sent_record *r;

	if (m->nsp.n > SENT_NAME_MAX)
		return (NULL);
	r = slab_get(&s->records);
	if (r == NULL)
		return (NULL);
	r->sent = s;
	LIST_INSERT_HEAD(&s->waiting, r, next);
	r->at_ms = m->from_ms != 0 ? m->from_ms : s->p.now_ms(s->p.arg);
	r->is_order = m->is_order;
	r->inquiry = m->inquiry;
	r->is_volatile = m->is_volatile;
	r->is_gap = m->from_ms != 0;
	s->ngaps += r->is_gap;
	r->nsp_len = (uint16_t)m->nsp.n;
	if (m->nsp.n != 0)
		memcpy(r->text, m->nsp.p, m->nsp.n);
	/* a longer name is told to all of the namespace */
	r->kind = GAP_NAMESPACE;
	if (m->name.n != 0 && m->name.n <= SENT_NAME_MAX) {
		r->kind = (uint8_t)m->kind;
		r->name_len = (uint16_t)m->name.n;
		memcpy(r->text + m->nsp.n, m->name.p, m->name.n);
	}
	return (r);
}

bool
sent_is_settled(const struct sent *s)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	return (LIST_EMPTY(&s->waiting));
}

bool
sent_left_some(struct sent *s)
{
	bool left = s->left_some;

	CHECK_MAGIC(s, SENT_MAGIC);
	s->left_some = false;
	return (left);
}

bool
sent_send(struct sent *s, const struct sent_message *m)
{
	struct sent_record *r = NULL;

	CHECK_MAGIC(s, SENT_MAGIC);
	r = sent_record(s, m);
	if (r != NULL && (m->inquiry != 0 ? redis_publish_for_all :
	    redis_publish)(s->p.redis, m->channel, m->payload, sent_on_reply,
	    r)) {
		counter_add(COUNTER_far_sent, 1);
		return (true);
	}
	if (r != NULL)
		sent_forget(s, r);
	else
		counter_add(COUNTER_memory_failures, 1);
	sent_lost(s, m);
	return (false);
}

/* --- birth and death ------------------------------------------------------*/

struct sent *
sent_new(const struct sent_params *p)
{
	struct sent *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = SENT_MAGIC;
	s->p = *p;
	s->pause = 1;
	LIST_INIT(&s->waiting);
	slab_init(&s->records, sizeof(struct sent_record), 8);
	gaps_init(&s->gaps, p->conf);
	return (s);
}

void
sent_conf(struct sent *s, const struct conf *conf)
{
	CHECK_MAGIC(s, SENT_MAGIC);
	s->p.conf = conf;
	gaps_conf(&s->gaps, conf);
}

void
sent_free(struct sent **sp)
{
	struct sent *s = *sp;
	struct sent_record *r;

	if (s == NULL)
		return;
	CHECK_MAGIC(s, SENT_MAGIC);
	*sp = NULL;
	while ((r = LIST_FIRST(&s->waiting)) != NULL)
		sent_forget(s, r);
	gaps_fini(&s->gaps);
	slab_fini(&s->records);
	s->magic = 0;
	free(s);
}
