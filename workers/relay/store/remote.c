/*
 * What the engine is asked, and the link that serves it; see remote.h.
 */
#include "relay/store/remote_int.h"

#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>

#include "relay/redis/redis.h"
#include "shm/counters.h"

#define REMOTE_JUDGED	256u	/* rooms under other bounds, by one turn */

struct store *
remote_store(struct remote *m)
{
	CHECK_MAGIC(m, REMOTE_MAGIC);
	return (&m->store);
}

/* --- links ----------------------------------------------------------------*/

/* Nobody answers any more: what was sent may have been done. */
static void
remote_unsent(struct remote_room *r)
{
	if (r->sending)
		r->again = true;
	r->sending = r->reading = false;
	remote_in_deaf(r);
	if (!STAILQ_EMPTY(&r->out) || !STAILQ_EMPTY(&r->reads))
		remote_work(r);
}

void
remote_serve(struct remote *m, const struct remote_link *link)
{
	struct remote_room *r;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	remote_ask_orphan(m);
	m->links++;
	memset(&m->link, 0, sizeof m->link);
	if (link != NULL)
		m->link = *link;
	TAILQ_FOREACH(r, &m->used, used)
		remote_unsent(r);
}

void
remote_forget(struct remote *m, const struct redis *redis)
{
	struct remote_ask *a, *next;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	if (m->link.redis == redis)
		remote_serve(m, NULL);
	for (a = TAILQ_FIRST(&m->asks); a != NULL; a = next) {
		next = TAILQ_NEXT(a, next);
		if (a->redis == redis)
			remote_ask_free(a);
	}
}

bool
remote_is_settled(const struct remote *m)
{
	CHECK_MAGIC(m, REMOTE_MAGIC);
	return (!remote_up(m) || m->nasks == 0);
}

/* --- the engine -----------------------------------------------------------*/

void
remote_bound(struct remote *m, const struct remote_bounds *bounds)
{
	CHECK_MAGIC(m, REMOTE_MAGIC);
	m->p.bounds = *bounds;
}

/* Another configuration: rooms of which nothing is kept any more go. */
static void
remote_conf(void *engine, uint64_t bytes)
{
	struct remote *m = engine;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	m->p.bounds.bytes = bytes;
	m->look = TAILQ_FIRST(&m->all);
}

void
remote_judge(struct remote *m, struct remote_room *r)
{
	struct store_key k = remote_key(r);
	struct store_bounds bounds = r->bounds;

	if (r->leaving)
		remote_work(r);		/* or it ends */
	r->leaving = !m->p.judge(m->p.arg, &k, &bounds);
	if (r->leaving) {
		/* who waits for Redis is answered first, if it answers */
		if (STAILQ_EMPTY(&r->out) || !remote_up(m))
			remote_end(r);
		else
			remote_work(r);
		return;
	}
	r->bounds = bounds;
	remote_pair(r);
	if (r->state == REMOTE_IDLE && m->p.any(m->p.arg, &k))
		remote_interest(m, &k, true);
}

static void
remote_turn(void *engine)
{
	struct remote *m = engine;
	struct remote_room *r;
	unsigned n = REMOTE_JUDGED;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	while ((r = m->look) != NULL && n-- > 0) {
		m->look = TAILQ_NEXT(r, all);
		remote_judge(m, r);
	}
	remote_read_turn(m);
	remote_show(m);
}

static bool
remote_busy(const void *engine)
{
	const struct remote *m = engine;

	return (m->look != NULL || remote_read_busy(m));
}

/* --- birth and death ------------------------------------------------------*/

static uint64_t
remote_hash_of(const void *arg, const struct hashtab_link *l)
{
	const struct remote_room *r = (const void *)((const uint8_t *)l -
	    offsetof(struct remote_room, link));

	(void)arg;
	return (r->hash);
}

static void
remote_free(void *engine)
{
	struct remote *m = engine;
	unsigned i;

	CHECK_MAGIC(m, REMOTE_MAGIC);
	for (i = 1; i < ROLE_SLOTS_MAX; i++)
		remote_worker_gone(m, i);
	while (!TAILQ_EMPTY(&m->used))
		remote_end(TAILQ_FIRST(&m->used));
	while (!TAILQ_EMPTY(&m->asks))
		remote_ask_free(TAILQ_FIRST(&m->asks));
	timer_stop(m->p.wheel, &m->tick);
	hashtab_fini(&m->table);
	buf_fini(&m->entry);
	buf_fini(&m->meta);
	buf_fini(&m->frame);
	buf_fini(&m->twin);
	buf_fini(&m->page);
	buf_fini(&m->channel);
	buf_fini(&m->offer);
	for (i = 0; i < nitems(m->keys); i++)
		buf_fini(&m->keys[i]);
	m->magic = 0;
	free(m);
}

static const struct store_engine remote_engine = {
	remote_append, remote_read, remote_conf, remote_turn, remote_busy,
	remote_save, remote_load, remote_free, remote_trim
};

struct remote *
remote_new(const struct remote_params *p)
{
	struct remote *m = calloc(1, sizeof *m);
	uint64_t origin;
	unsigned i;

	if (m == NULL)
		return (NULL);
	if (getrandom(&m->key, sizeof m->key, 0) != (ssize_t)sizeof m->key ||
	    getrandom(&origin, sizeof origin, 0) != (ssize_t)sizeof origin) {
		free(m);
		return (NULL);
	}
	m->magic = REMOTE_MAGIC;
	m->p = *p;
	m->store = (struct store){ &remote_engine, m };
	m->links = 1;
	(void)snprintf(m->origin, sizeof m->origin, "%012llx",
	    (unsigned long long)(origin & 0xffffffffffff));
	remote_scripts_init(&m->scripts);
	hashtab_init(&m->table, remote_hash_of, NULL);
	TAILQ_INIT(&m->used);
	TAILQ_INIT(&m->full);
	TAILQ_INIT(&m->all);
	TAILQ_INIT(&m->work);
	TAILQ_INIT(&m->asks);
	for (i = 0; i < ROLE_SLOTS_MAX; i++)
		STAILQ_INIT(&m->ready[i]);
	buf_init(&m->entry);
	buf_init(&m->meta);
	buf_init(&m->frame);
	buf_init(&m->twin);
	buf_init(&m->page);
	buf_init(&m->channel);
	buf_init(&m->offer);
	for (i = 0; i < nitems(m->keys); i++)
		buf_init(&m->keys[i]);
	remote_show(m);
	return (m);
}
