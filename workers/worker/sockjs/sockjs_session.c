/*
 * Sessions of SockJS: found by their key, their deadlines; see sockjs.h.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "hub/client.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "worker/net/conn.h"
#include "worker/sockjs/sockjs_int.h"
#include "worker/worker.h"

static timer_cb sockjs_timer;

void
sockjs_check(const struct sockjs *s)
{
	CHECK_MAGIC(s, SOCKJS_MAGIC);
	MUST((s->state == SOCKJS_OPEN) == (s->client != NULL));
	MUST(s->recv == NULL || s->recv->sockjs == s);
	MUST(s->post == NULL || s->post->sockjs == s);
}

/* --- all ------------------------------------------------------------------- */

static struct sockjs *
sockjs_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct sockjs, by_key));
}

/* Keyed: a client can't choose a chain. */
static uint64_t
sockjs_hash(const struct sockjs_all *all, const uint8_t key[SOCKJS_KEY])
{
	return (hash_bytes(&all->hash, slice_of(key, SOCKJS_KEY)));
}

static uint64_t
sockjs_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (sockjs_hash(arg, sockjs_of(l)->key));
}

struct sockjs_all *
sockjs_all_new(struct worker *w)
{
	struct sockjs_all *all = calloc(1, sizeof *all);

	if (all == NULL)
		return (NULL);
	all->magic = SOCKJS_ALL_MAGIC;
	all->w = w;
	all->hash = segment_key(w->h->segment);
	slab_init(&all->slab, sizeof(struct sockjs), sizeof(void *));
	hashtab_init(&all->table, sockjs_hash_of, all);
	TAILQ_INIT(&all->list);
	STAILQ_INIT(&all->again);
	all->busy = later_new();
	if (all->busy == NULL) {
		hashtab_fini(&all->table);
		free(all);
		return (NULL);
	}
	return (all);
}

void
sockjs_all_free(struct sockjs_all **allp)
{
	struct sockjs_all *all = *allp;

	if (all == NULL)
		return;
	*allp = NULL;
	CHECK_MAGIC(all, SOCKJS_ALL_MAGIC);
	MUST(all->doomed == NULL && STAILQ_EMPTY(&all->again));
	hashtab_fini(&all->table);
	slab_fini(&all->slab);
	later_free(&all->busy);
	all->magic = 0;
	free(all);
}

size_t
sockjs_waiting(const struct sockjs_all *all)
{
	return (all->table.count);
}

struct sockjs *
sockjs_find(const struct sockjs_all *all, const uint8_t key[SOCKJS_KEY])
{
	const struct hashtab_link *l;

	for (l = hashtab_chain(&all->table, sockjs_hash(all, key)); l != NULL;
	    l = l->next)
		if (memcmp(sockjs_of(l)->key, key, SOCKJS_KEY) == 0)
			return (sockjs_of(l));
	return (NULL);
}

void
sockjs_insert(struct sockjs *s)
{
	hashtab_insert(&s->all->table, sockjs_hash(s->all, s->key),
	    &s->by_key);
	TAILQ_INSERT_HEAD(&s->all->list, s, link);
	s->listed = true;
}

void
sockjs_remove(struct sockjs *s)
{
	MUST(s->listed);
	hashtab_remove(&s->all->table, sockjs_hash(s->all, s->key),
	    &s->by_key);
	TAILQ_REMOVE(&s->all->list, s, link);
	s->listed = false;
}

/* --- one ------------------------------------------------------------------- */

struct sockjs *
sockjs_session_new(struct sockjs_all *all)
{
	struct sockjs *s = slab_get(&all->slab);

	if (s == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	s->magic = SOCKJS_MAGIC;
	s->all = all;
	s->old_at.us = s->gone_at.us = s->beat_at.us = UINT64_MAX;
	return (s);
}

void
sockjs_bury(struct sockjs *s)
{
	struct sockjs_all *all = s->all;

	MUST(s->recv == NULL && s->client == NULL && !s->listed);
	timer_stop(all->w->wheel, &s->timer);
	sockjs_forget_rest(s);
	count_leave_key(all->w->count, s->address_node);
	count_leave_key(all->w->count, s->key_node);
	s->address_node = s->key_node = 0;
	outq_kill(all->w->out, &s->outq);
	free(s->lines);
	free(s->post_lines);
	s->lines = s->post_lines = NULL;
	s->next = all->doomed;
	all->doomed = s;
}

void
sockjs_alone(struct sockjs *s)
{
	const struct worker *w = s->all->w;

	s->beat_at.us = UINT64_MAX;
	s->gone_at = mono_add_ms(w->now, w->conf->sockjs.disconnect_delay_ms);
	sockjs_rearm(s);
}

/* --- deadlines ------------------------------------------------------------- */

static struct mono
sockjs_next_deadline(const struct sockjs *s)
{
	struct mono t = s->recv != NULL ? s->beat_at : s->gone_at;

	if (s->client != NULL && client_due(s->client).us < t.us)
		t = client_due(s->client);
	if (s->state == SOCKJS_OPEN && s->old_at.us < t.us)
		t = s->old_at;
	return (t);
}

void
sockjs_rearm(struct sockjs *s)
{
	struct mono t = sockjs_next_deadline(s);

	/* a timer that is too early looks again when it fires */
	if (t.us == UINT64_MAX || s->frozen ||
	    (s->timer.running && timer_at(&s->timer).us <= t.us))
		return;
	timer_start(s->all->w->wheel, &s->timer, t, sockjs_timer);
}

static void
sockjs_beat(struct sockjs *s)
{
	const struct worker *w = s->all->w;

	s->beat_at = mono_add_ms(w->now, w->conf->ping_interval_ms);
	/* what is on its way, or waits to be, says as much */
	if (s->outq.n > 0 || s->recv->outq.n > 0)
		return;
	counter_add(COUNTER_sockjs_heartbeats, 1);
	sockjs_say(s, SLICE("h"));
}

static void
sockjs_timer(struct timer *t, struct mono now)
{
	struct sockjs *s = container_of(t, struct sockjs, timer);

	sockjs_check(s);
	slot_does(s->all->w->row, SLOT_TIMER);
	counter_add(COUNTER_timers_fired, 1);
	if (s->parting)
		return;
	if (s->recv == NULL && s->gone_at.us <= now.us) {
		s->alone = true;
		sockjs_close(s, REASON_client_gone);
	} else if (s->client != NULL && s->old_at.us <= now.us)
		sockjs_close(s, REASON_aged);
	else if (s->client != NULL && client_due(s->client).us <= now.us)
		client_tick(s->client);
	if (s->recv != NULL && s->beat_at.us <= now.us && !s->parting)
		sockjs_beat(s);
	if (!s->parting)
		sockjs_rearm(s);
}
