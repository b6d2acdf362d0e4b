/*
 * Sessions; see keep_sessions.h.  What one is in is keep_session.c's.
 */
#include "relay/store/keep_session.h"

#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/slotset.h"
#include "base/state.h"
#include "relay/store/keep_sessions_far.h"
#include "shm/counters.h"

#define SESSIONS_PROVEN	3u	/* times that it must have been told */
#define SESSIONS_TURN	256u	/* that go in one turn because they are over */

/* --- the table ------------------------------------------------------------*/

static struct stored *
sessions_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct stored, link));
}

static uint64_t
sessions_hash(const struct sessions *t, const char pid[STORED_PID])
{
	return (hash_bytes(&t->key, slice_of(pid, STORED_PID)));
}

static uint64_t
sessions_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (sessions_hash(arg, sessions_at(l)->pid));
}

struct sessions *
sessions_new(struct keep *k)
{
	struct sessions *t = calloc(1, sizeof *t);
	unsigned slot;

	if (t == NULL || getrandom(&t->key, sizeof t->key, 0) !=
	    (ssize_t)sizeof t->key) {
		free(t);
		return (NULL);
	}
	t->far = sessions_far_new(k);
	if (t->far == NULL) {
		free(t);
		return (NULL);
	}
	hashtab_init(&t->table, sessions_hash_of, t);
	TAILQ_INIT(&t->away);
	for (slot = 0; slot < ROLE_SLOTS_MAX; slot++)
		TAILQ_INIT(&t->here[slot]);
	return (t);
}

struct stored *
sessions_find(const struct sessions *t, const struct bus_session *b)
{
	struct hashtab_link *l;
	struct stored *s;

	if (b->pid.n != STORED_PID)
		return (NULL);
	for (l = hashtab_chain(&t->table, sessions_hash(t,
	    (const char *)b->pid.p)); l != NULL; l = l->next) {
		s = sessions_at(l);
		if (memcmp(s->pid, b->pid.p, STORED_PID) == 0 &&
		    slice_eq(stored_nsp(s), b->nsp))
			return (s);
	}
	return (NULL);
}

void
sessions_show(const struct sessions *t)
{
	counter_set(COUNTER_sessions_stored, t->table.count);
	counter_set(COUNTER_sessions_away, t->naway);
	counter_set(COUNTER_sessions_bytes, t->bytes);
}

static void
sessions_unlink(struct sessions *t, struct stored *s)
{
	if (s->slot != 0)
		TAILQ_REMOVE(&t->here[s->slot], s, list);
	else {
		TAILQ_REMOVE(&t->away, s, list);
		t->naway--;
	}
}

void
sessions_drop(struct sessions *t, struct stored *s)
{
	sessions_far_dropped(t->far, s);
	sessions_unlink(t, s);
	hashtab_remove(&t->table, sessions_hash(t, s->pid), &s->link);
	stored_clear(t, s);
	t->bytes -= stored_cost(s);
	free(s);
	sessions_show(t);
}

void
sessions_free(struct sessions **tp)
{
	struct sessions *t = *tp;
	unsigned slot;

	if (t == NULL)
		return;
	while (!TAILQ_EMPTY(&t->away))
		sessions_drop(t, TAILQ_FIRST(&t->away));
	for (slot = 0; slot < ROLE_SLOTS_MAX; slot++)
		while (!TAILQ_EMPTY(&t->here[slot]))
			sessions_drop(t, TAILQ_FIRST(&t->here[slot]));
	sessions_far_free(&t->far);
	hashtab_fini(&t->table);
	free(t);
	*tp = NULL;
}

bool
sessions_fit(struct keep *k, const struct stored *stays, size_t n,
    uint64_t bytes)
{
	struct sessions *t = k->sessions;
	struct stored *s;

	while (t->table.count + n > k->conf->recovery_sessions ||
	    t->bytes + bytes > k->conf->recovery_sessions_bytes) {
		s = TAILQ_FIRST(&t->away);
		if (s != NULL && s == stays)
			s = TAILQ_NEXT(s, list);
		if (s == NULL)
			return (false);
		counter_add(COUNTER_sessions_evicted, 1);
		sessions_drop(t, s);
	}
	return (true);
}

/* NULL: the namespace has none any more. */
struct journal *
sessions_journal(struct keep *k, const struct stored *s)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    stored_nsp(s));

	return (ns == NULL ? NULL : journal_find(k, ns));
}

/* An epoch begins with its first place; but one in Redis was there before this
 * relay knew it, and what happened meanwhile is not known. */
void
sessions_rebase(struct keep *k, const struct journal *j, struct stored *s)
{
	if (j->epoch_n != 0 && !slice_eq(stored_epoch(s), journal_epoch(j)))
		stored_rebase(k->sessions, s, journal_epoch(j),
		    s->epoch_n == 0 && k->remote != NULL ? j->top : 0);
}

struct stored *
sessions_add(struct keep *k, const struct journal *j,
    const struct bus_session *b, unsigned slot)
{
	struct sessions *t = k->sessions;
	struct stored *s = stored_new(b);

	if (s == NULL)
		return (NULL);
	memcpy(s->pid, b->pid.p, STORED_PID);
	memcpy(s->sid, b->sid.p, STORED_SID);
	s->slot = s->last = (uint16_t)slot;
	s->came = j == NULL ? 0 : j->nproven[slot];
	if (slot != 0)
		TAILQ_INSERT_TAIL(&t->here[slot], s, list);
	else {
		s->until_ms = k->x->mono_ms + k->conf->recovery_window_ms;
		TAILQ_INSERT_TAIL(&t->away, s, list);
		t->naway++;
	}
	hashtab_insert(&t->table, sessions_hash(t, s->pid), &s->link);
	t->bytes += stored_cost(s);
	return (s);
}

/* --- who has it -----------------------------------------------------------*/

/* false: it does not reach who has asked. */
static bool
sessions_say(struct keep *k, const struct store_asker *to,
    const struct stored *s, enum bus_session_is is, uint64_t since,
    const struct journal *j)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_session *b = bus_session(&e, BUS_SESSION_TAKEN, is);
	char offset[STORE_EPOCH_MAX + 24];
	struct buf records;
	bool good;
	int n;

	buf_init(&records);
	if (is == BUS_SESSION_YOURS) {
		stored_put(s, &records);
		b->nsp = stored_nsp(s);
		b->pid = slice_of(s->pid, STORED_PID);
		n = snprintf(offset, sizeof offset, "\"%.*s:%llu\"",
		    (int)j->epoch_n, j->epoch, (unsigned long long)j->top);
		b->sid = slice_of(s->sid, STORED_SID);
		b->offset = slice_of(offset, (size_t)n);
		b->since = since;
		b->records = buf_unread(&records);
	}
	good = !records.oom;
	if (records.oom)
		*b = (struct bus_session){ .is = BUS_SESSION_NOBODYS };
	good = keep_answer(k, to, &e) && good;
	buf_fini(&records);
	return (good);
}

void
sessions_refuse(struct keep *k, const struct store_asker *to)
{
	(void)sessions_say(k, to, NULL, BUS_SESSION_NOBODYS, 0, NULL);
}

/* It ends at that worker, which says that it is away. */
void
sessions_say_over(struct keep *k, const struct stored *s, unsigned slot)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_session *b = bus_session(&e, BUS_SESSION_OVER,
	    BUS_SESSION_AWAY);
	uint64_t slots[2];

	b->nsp = stored_nsp(s);
	b->pid = slice_of(s->pid, STORED_PID);
	slotset_only(slots, slot);
	slotset_copy(e.slots, slots);
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&k->frame);
	if (bus_encode(&k->frame, &e))
		(void)exchange_route(k->x, buf_unread(&k->frame), slots, 0);
	else {
		k->frame.oom = false;
		counter_add(COUNTER_memory_failures, 1);
	}
}

void
sessions_set_here(struct keep *k, struct stored *s, unsigned slot)
{
	struct sessions *t = k->sessions;
	const struct journal *j = sessions_journal(k, s);

	sessions_unlink(t, s);
	s->slot = s->last = (uint16_t)slot;
	s->came = j == NULL ? 0 : j->nproven[slot];
	s->wanted = false;
	TAILQ_INSERT_TAIL(&t->here[slot], s, list);
	sessions_far_due(k, s);
	sessions_show(t);
}

/* --- giving ---------------------------------------------------------------*/

/* Who has all up to there knows if it has missed something before. */
static bool
sessions_knows(const struct keep *k, struct journal *j, const struct stored *s,
    uint64_t seen)
{
	const struct conf_namespace *ns = conf_namespace_find(k->conf,
	    stored_nsp(s));
	bool keeps = ns != NULL && ns->keeps;
	unsigned i;

	for (i = 0; i < s->nholes; i++)
		if (journal_hides(s->holes[i].lost, s->holes[i].told, seen,
		    keeps))
			return (false);
	return (journal_knows(k, j, s->last, seen, keeps) &&
	    journal_knows(k, j, s->before, seen, keeps));
}

/* What its client has not seen begins behind *since.  false: something that it
 * should have got is not known any more. */
static bool
sessions_since(struct keep *k, struct journal *j, struct stored *s,
    struct slice offset, uint64_t *since)
{
	uint64_t seen = 0;
	bool known = journal_place(j, offset, &seen);

	if (j->epoch_n == 0 || (!slice_eq(stored_epoch(s), journal_epoch(j)) &&
	    !known))
		return (false);
	/* of an epoch that another host knows: that may be the later one, when this
	 * host's Redis is not the master any more */
	if (k->remote != NULL && journal_is_other(j, offset))
		return (false);
	sessions_rebase(k, j, s);
	if (seen < s->proven && seen <= j->top) {
		seen = s->proven;
		known = true;
	}
	/* it may not know that it has missed something */
	if (known && !sessions_knows(k, j, s, seen))
		return (false);
	/* another epoch's, or none: it has seen nothing of this session yet; and
	 * what it has seen on another host may not have come here yet: that is
	 * found out when it is read */
	if (known ? seen < s->floor || (seen > j->top && k->remote == NULL) :
	    s->floor != 0)
		return (false);
	*since = seen > s->base ? seen : s->base;
	return (true);
}

/* It is away, and this one asks for it. */
static void
sessions_give(struct keep *k, struct stored *s, const struct store_asker *to,
    struct slice offset)
{
	struct journal *j = sessions_journal(k, s);
	uint64_t since;

	if (exchange_peer(k->x, to->slot) == NULL)
		return;		/* it has gone, too */
	if (j == NULL || !sessions_since(k, j, s, offset, &since)) {
		counter_add(COUNTER_sessions_lost, 1);
		sessions_far_ended(k, s);
		sessions_drop(k->sessions, s);
		sessions_refuse(k, to);
		return;
	}
	if (!sessions_say(k, to, s, BUS_SESSION_YOURS, since, j))
		return;		/* its client may ask once more */
	counter_add(COUNTER_sessions_taken, 1);
	s->base = since;
	s->nholes = 0;
	sessions_set_here(k, s, to->slot);
}

void
sessions_note_proven(struct keep *k, struct stored *s)
{
	const struct journal *j = sessions_journal(k, s);

	/* what was told of all is true of one that was there when it was asked
	 * for, and had been told by then what it had missed */
	if (j != NULL && slice_eq(stored_epoch(s), journal_epoch(j)) &&
	    j->nproven[s->slot] - s->came >= SESSIONS_PROVEN &&
	    j->proven[s->slot] > s->proven)
		s->proven = j->proven[s->slot];
}

void
sessions_set_away(struct keep *k, struct stored *s)
{
	struct sessions *t = k->sessions;
	struct store_asker taker = s->taker;
	char offset[STORED_OFFSET];
	size_t n = s->taker_offset_n;

	if (s->slot != 0) {
		sessions_note_proven(k, s);
		sessions_unlink(t, s);
		s->slot = 0;
		TAILQ_INSERT_TAIL(&t->away, s, list);
		t->naway++;
		s->until_ms = k->x->mono_ms + k->conf->recovery_window_ms;
		sessions_far_due(k, s);
		sessions_show(t);
	}
	if (taker.slot == 0)
		return;
	memcpy(offset, s->taker_offset, n);
	s->taker = (struct store_asker){ .slot = 0 };
	sessions_give(k, s, &taker, slice_of(offset, n));
}

void
sessions_worker_gone(struct keep *k, unsigned slot)
{
	struct stored *s;

	while ((s = TAILQ_FIRST(&k->sessions->here[slot])) != NULL)
		sessions_set_away(k, s);
}

/* Its client has left, or must not come back. */
void
sessions_end(struct keep *k, struct stored *s)
{
	struct store_asker taker = s->taker;

	sessions_far_ended(k, s);
	sessions_drop(k->sessions, s);
	if (taker.slot != 0)
		sessions_refuse(k, &taker);
}

/* --- its client is elsewhere ----------------------------------------------*/

static bool
sessions_is_of(const struct stored *s, const struct bus_session *b)
{
	return (s->has_user == b->has_user &&
	    slice_eq(stored_user(s), b->user));
}

void
sessions_take(struct keep *k, const struct bus_envelope *e)
{
	struct store_asker asker = { .slot = e->from,
		.generation = e->generation, .ref = e->ref };

	if (!sessions_far_take(k, e))
		sessions_take_here(k, &asker, &e->session);
}

void
sessions_take_here(struct keep *k, const struct store_asker *asker,
    const struct bus_session *b)
{
	struct stored *s = sessions_find(k->sessions, b);

	if (s == NULL || !sessions_is_of(s, b) || s->taker.slot != 0 ||
	    b->offset.n > sizeof s->taker_offset) {
		sessions_refuse(k, asker);
		return;
	}
	if (s->slot == 0) {
		sessions_give(k, s, asker, b->offset);
		return;
	}
	s->taker = *asker;
	s->taker_offset_n = (uint8_t)b->offset.n;
	if (b->offset.n != 0)
		memcpy(s->taker_offset, b->offset.p, b->offset.n);
	if (!s->wanted)		/* else it was told */
		sessions_say_over(k, s, s->slot);
}

/* --- by and by ------------------------------------------------------------*/

void
sessions_conf(struct keep *k)
{
	(void)sessions_fit(k, NULL, 0, 0);	/* as many as go */
}

void
sessions_turn(struct keep *k)
{
	struct stored *s;
	unsigned n;

	sessions_far_turn(k);
	for (n = 0; n < SESSIONS_TURN; n++) {
		s = TAILQ_FIRST(&k->sessions->away);
		if (s == NULL || s->until_ms > k->x->mono_ms)
			return;
		counter_add(COUNTER_sessions_expired, 1);
		sessions_drop(k->sessions, s);
	}
}
