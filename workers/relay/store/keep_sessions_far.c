/*
 * What is written of sessions; see keep_sessions_far.h.
 */
#include "relay/store/keep_sessions_far_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/redis/key.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

#define FAR_LOOKS	1024u	/* sessions, in one turn */

/* --- where ----------------------------------------------------------------*/

bool
far_is_up(const struct keep *k)
{
	return (k->remote != NULL && k->link.redis != NULL &&
	    redis_can_publish(k->link.redis));
}

bool
far_at(struct keep *k, struct slice nsp)
{
	struct store_key key = { nsp, JOURNAL_ROOM };
	struct sessions_far *f = k->sessions->far;

	return (k->link.channel(k->link.arg, &f->channel, &key).n != 0 &&
	    !f->channel.oom);
}

struct slice
far_key(struct keep *k, struct buf *b, struct slice nsp,
    const char pid[STORED_PID])
{
	struct sessions_far *f = k->sessions->far;

	buf_reset(&f->name);
	buf_str(&f->name, k->link.prefix);
	buf_str(&f->name, "session:");
	redis_put_nsp(&f->name, nsp);
	buf_byte(&f->name, ':');
	buf_append(&f->name, pid, STORED_PID);
	return (redis_name_at(k->link.redis, b, buf_unread(&f->channel),
	    buf_unread(&f->name)));
}

void
far_node(const struct keep *k, char node[17])
{
	(void)snprintf(node, 17, "%016" PRIx64, k->link.node_id);
}

void
far_put_user(struct buf *b, bool has_user, struct slice user)
{
	buf_byte(b, has_user ? '=' : '-');
	buf_slice(b, user);
}

bool
far_oom(struct sessions_far *f)
{
	struct buf *all[] = { &f->channel, &f->name, &f->message, &f->other,
		&f->record, &f->data, &f->verb };
	bool oom = false;
	unsigned i;

	for (i = 0; i < nitems(all); i++) {
		oom |= all[i]->oom;
		all[i]->oom = false;
	}
	for (i = 0; i < FAR_BATCH; i++) {
		oom |= f->keys[i].oom;
		f->keys[i].oom = false;
	}
	if (oom)
		counter_add(COUNTER_memory_failures, 1);
	return (oom);
}

/* --- lists ----------------------------------------------------------------*/

static void
far_unlist(struct sessions_far *f, struct stored *s)
{
	if (s->written == STORED_DUE)
		TAILQ_REMOVE(&f->due, s, far);
	else if (s->written == STORED_LEASED)
		TAILQ_REMOVE(&f->lease, s, far);
}

void
far_set_due(struct sessions_far *f, struct stored *s)
{
	far_unlist(f, s);
	s->written = STORED_DUE;
	TAILQ_INSERT_TAIL(&f->due, s, far);
}

void
far_set_written(struct sessions_far *f, struct stored *s)
{
	far_unlist(f, s);
	s->touch = false;
	s->written_ms = f->k->x->mono_ms;
	s->written = s->slot != 0 ? STORED_LEASED : STORED_WRITTEN;
	if (s->slot == 0)
		s->wanted = false;
	else
		TAILQ_INSERT_TAIL(&f->lease, s, far);
}

void
sessions_far_due(struct keep *k, struct stored *s)
{
	if (k->remote == NULL)
		return;
	s->touch = false;
	if (s->written != STORED_DUE)
		far_set_due(k->sessions->far, s);
}

void
sessions_far_dropped(struct sessions_far *f, struct stored *s)
{
	far_unlist(f, s);
	s->written = STORED_NOT;
}

void
far_add_end(struct sessions_far *f, struct slice nsp,
    const char pid[STORED_PID])
{
	struct far_end *e = f->nended < FAR_ENDED ?
	    malloc(sizeof *e + nsp.n) : NULL;

	if (e == NULL) {	/* it expires */
		counter_add(COUNTER_sessions_unwritten, 1);
		return;
	}
	memcpy(e->pid, pid, STORED_PID);
	e->nsp_n = (uint16_t)nsp.n;
	memcpy(e->nsp, nsp.p, nsp.n);
	STAILQ_INSERT_TAIL(&f->ended, e, next);
	f->nended++;
}

void
sessions_far_ended(struct keep *k, struct stored *s)
{
	if (k->remote != NULL && s->written != STORED_NOT)
		far_add_end(k->sessions->far, stored_nsp(s), s->pid);
}

void
far_lose(struct keep *k, struct stored *s)
{
	struct store_asker taker = s->taker;

	/* one that has said that it is away may have it again */
	if (sessions_had(s) != 0)
		sessions_say_over(k, s, sessions_had(s));
	sessions_drop(k->sessions, s);
	if (taker.slot != 0)
		sessions_refuse(k, &taker);
}

/* --- what is due ----------------------------------------------------------*/

/* Where the journal stands was not known as it was written, and is. */
static bool
far_is_vague(struct keep *k, const struct stored *s)
{
	const struct journal *j = s->epoch_n != 0 ? NULL :
	    sessions_journal(k, s);

	return (j != NULL && j->epoch_n != 0);
}

/* One whose client is here: Redis would forget it, or may have. */
static struct stored *
far_oldest(const struct sessions_far *f)
{
	struct stored *s = TAILQ_FIRST(&f->lease);

	if (s == NULL || (s->written_ms >= f->missed_ms &&
	    f->k->x->mono_ms - s->written_ms <= FAR_LEASE_MS / 2 &&
	    !far_is_vague(f->k, s)))
		return (NULL);
	return (s);
}

static bool
far_has_hole(const struct keep *k, const struct stored *s)
{
	struct stored_hole v[STORED_HOLES];

	return (sessions_holes(k, s, v) != 0);
}

static void
far_renew(struct keep *k)
{
	struct sessions_far *f = k->sessions->far;
	uint64_t proven;
	struct stored *s;
	unsigned n;

	for (n = 0; far_is_up(k) && n < FAR_LOOKS && (s = far_oldest(f)) !=
	    NULL; n++) {
		proven = s->proven;
		sessions_note_proven(k, s);
		far_set_due(f, s);
		s->touch = s->proven == proven && s->epoch_n != 0 &&
		    !far_has_hole(k, s);
	}
}

/* What their worker was not given is known when their host is lost, too. */
static void
far_write_holes(struct keep *k)
{
	struct journal *j;
	struct stored *s;
	unsigned slot;
	size_t i;

	for (i = 0; i < k->njournals; i++) {
		j = k->journals[i];
		while (j != NULL && (slot = slotset_take(j->unwritten)) != 0)
			TAILQ_FOREACH(s, &k->sessions->here[slot], list)
				if (sessions_journal(k, s) == j)
					sessions_far_due(k, s);
	}
}

static void
far_on_due(struct timer *t, struct mono now)
{
	(void)t;	/* the turn that follows does it */
	(void)now;
}

static void
far_arm(struct keep *k)
{
	struct sessions_far *f = k->sessions->far;
	bool soon = f->ntakes > 0 || f->nended > 0 ||
	    !TAILQ_EMPTY(&f->due) || far_oldest(f) != NULL;

	if (f->tick.running && !soon)
		return;
	if (soon || !TAILQ_EMPTY(&f->lease))
		timer_start(k->wheel, &f->tick, (struct mono){
		    (k->x->mono_ms + (soon ? FAR_TICK_MS : 1000)) * 1000 },
		    far_on_due);
}

void
sessions_far_turn(struct keep *k)
{
	struct sessions_far *f = k->sessions->far;

	if (k->remote == NULL)
		return;
	far_takes_turn(k);
	far_write_holes(k);
	far_renew(k);
	while (far_is_up(k) && f->nbatches < FAR_BATCHES &&
	    k->x->mono_ms >= f->pause_ms && far_write_some(k))
		;
	far_arm(k);
}

/* --- links ----------------------------------------------------------------*/

void
sessions_far_missed(struct keep *k)
{
	k->sessions->far->missed_ms = k->x->mono_ms;
}

void
sessions_far_forget(struct keep *k, const struct redis *redis)
{
	struct sessions_far *f = k->sessions->far;
	struct far_batch *b, *next;

	for (b = TAILQ_FIRST(&f->batches); b != NULL; b = next) {
		next = TAILQ_NEXT(b, next);
		if (b->redis != redis)
			continue;
		far_again(b);
		far_free_batch(b);
	}
	far_takes_end(f, redis);
}

bool
sessions_far_is_settled(const struct keep *k)
{
	const struct sessions_far *f = k->sessions->far;

	return (!far_is_up(k) || (f->nbatches == 0 && f->nasked == 0));
}

/* --- birth and death ------------------------------------------------------*/

struct sessions_far *
sessions_far_new(struct keep *k)
{
	struct sessions_far *f = calloc(1, sizeof *f);
	unsigned i;

	if (f == NULL)
		return (NULL);
	f->k = k;
	TAILQ_INIT(&f->due);
	TAILQ_INIT(&f->lease);
	STAILQ_INIT(&f->ended);
	TAILQ_INIT(&f->batches);
	TAILQ_INIT(&f->takes);
	hashtab_init(&f->pids, far_hash_of, k);
	buf_init(&f->channel);
	buf_init(&f->name);
	buf_init(&f->message);
	buf_init(&f->other);
	buf_init(&f->record);
	buf_init(&f->data);
	buf_init(&f->verb);
	for (i = 0; i < FAR_BATCH; i++)
		buf_init(&f->keys[i]);
	far_scripts_init(f->sha);
	return (f);
}

void
sessions_far_free(struct sessions_far **fp)
{
	struct sessions_far *f = *fp;
	struct far_end *e;
	unsigned i;

	if (f == NULL)
		return;
	*fp = NULL;
	timer_stop(f->k->wheel, &f->tick);
	far_takes_end(f, NULL);
	hashtab_fini(&f->pids);
	while (!TAILQ_EMPTY(&f->batches)) {
		struct far_batch *b = TAILQ_FIRST(&f->batches);

		TAILQ_REMOVE(&f->batches, b, next);
		free(b);
	}
	while ((e = STAILQ_FIRST(&f->ended)) != NULL) {
		STAILQ_REMOVE_HEAD(&f->ended, next);
		free(e);
	}
	buf_fini(&f->channel);
	buf_fini(&f->name);
	buf_fini(&f->message);
	buf_fini(&f->other);
	buf_fini(&f->record);
	buf_fini(&f->data);
	buf_fini(&f->verb);
	for (i = 0; i < FAR_BATCH; i++)
		buf_fini(&f->keys[i]);
	free(f);
}
