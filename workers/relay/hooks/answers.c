/*
 * Answers that hold; see answers.h.  Called by verdicts.c.
 */
#include "relay/hooks/answers.h"

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hashtab.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "proto/json_verdict.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/table_revoked.h"

struct answer {
	struct hashtab_link link;
	TAILQ_ENTRY(answer) next;	/* of its hook, by age */
	uint64_t	 hash;
	uint64_t	 until_us;	/* monotonic */
	int64_t		 since_s;	/* unix: it was asked for */
	uint32_t	 hook;
	uint32_t	 nkey, nbody;
	uint8_t		 bytes[];	/* key, then body */
};

struct answers_list {
	TAILQ_HEAD(, answer) all;
	uint64_t	 bytes;
};

struct answers {
	unsigned	 magic;
#define ANSWERS_MAGIC	0xa4503e25
	const struct segment *segment;
	struct hash_key	 hash_key;
	struct hashtab	 by_key;
	struct answers_list *lists;	/* by hook */
	size_t		 nlists;
	const struct conf *conf;
	uint32_t	 serial;	/* of conf */
	struct buf	 key;		/* scratch */
};

static struct answer *
answers_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct answer, link));
}

static uint64_t
answers_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (answers_of(l)->hash);
}

struct answers *
answers_new(const struct segment *segment)
{
	struct answers *a = calloc(1, sizeof *a);

	if (a == NULL)
		return (NULL);
	a->magic = ANSWERS_MAGIC;
	a->segment = segment;
	a->hash_key = segment_key(segment);
	hashtab_init(&a->by_key, answers_hash_of, NULL);
	buf_init(&a->key);
	return (a);
}

/* --- those that go ----------------------------------------------------------*/

static size_t
answers_bytes(const struct answer *e)
{
	return (sizeof *e + e->nkey + e->nbody);
}

static void
answers_drop(struct answers *a, struct answer *e)
{
	struct answers_list *l = &a->lists[e->hook];

	hashtab_remove(&a->by_key, e->hash, &e->link);
	TAILQ_REMOVE(&l->all, e, next);
	l->bytes -= answers_bytes(e);
	free(e);
	counter_set(COUNTER_verdict_cache_entries, a->by_key.count);
}

static void
answers_clear(struct answers *a)
{
	size_t i;

	for (i = 0; i < a->nlists; i++)
		while (!TAILQ_EMPTY(&a->lists[i].all))
			answers_drop(a, TAILQ_FIRST(&a->lists[i].all));
}

void
answers_free(struct answers **ap)
{
	struct answers *a = *ap;

	if (a == NULL)
		return;
	CHECK_MAGIC(a, ANSWERS_MAGIC);
	*ap = NULL;
	answers_clear(a);
	hashtab_fini(&a->by_key);
	buf_fini(&a->key);
	free(a->lists);
	a->magic = 0;
	free(a);
}

void
answers_conf(struct answers *a, const struct conf *conf)
{
	size_t i;

	CHECK_MAGIC(a, ANSWERS_MAGIC);
	answers_clear(a);
	free(a->lists);
	a->lists = calloc(conf->nhooks + 1, sizeof *a->lists);
	a->nlists = a->lists == NULL ? 0 : conf->nhooks;
	if (a->lists == NULL)		/* nothing is kept, then */
		counter_add(COUNTER_memory_failures, 1);
	for (i = 0; i < a->nlists; i++)
		TAILQ_INIT(&a->lists[i].all);
	a->conf = conf;
	a->serial++;
}

/* --- keys -------------------------------------------------------------------*/

static void
answers_key_part(struct buf *b, struct slice s)
{
	uint32_t n = (uint32_t)s.n;

	buf_append(b, &n, sizeof n);
	buf_slice(b, s);
}

struct slice
answers_key(struct answers *a, const struct conf_namespace *ns,
    const struct bus_publish *p)
{
	struct buf *b = &a->key;

	CHECK_MAGIC(a, ANSWERS_MAGIC);
	if (ns->hook->cache_ms == 0 || p->epoch.n == 0 || p->to.nusers == 0)
		return (slice_of(NULL, 0));
	buf_reset(b);
	buf_append(b, &ns->index, sizeof ns->index);
	buf_byte(b, (uint8_t)p->kept);
	answers_key_part(b, p->to.users[0]);
	answers_key_part(b, p->epoch);
	if (p->kept == FORWARD_ASKS_JOIN && p->to.nrooms != 0)
		answers_key_part(b, p->to.rooms[0]);
	else if (p->kept == FORWARD_ASKS)
		answers_key_part(b, p->event);
	if (!b->oom)
		return (buf_unread(b));
	b->oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (slice_of(NULL, 0));
}

/* --- hits -------------------------------------------------------------------*/

static struct answer *
answers_at(const struct answers *a, uint64_t hash, struct slice key)
{
	struct hashtab_link *l = hashtab_chain(&a->by_key, hash);
	struct answer *e;

	for (; l != NULL; l = l->next) {
		e = answers_of(l);
		if (e->hash == hash &&
		    slice_eq(slice_of(e->bytes, e->nkey), key))
			return (e);
	}
	return (NULL);
}

static bool
answers_is_of_before(const struct answers *a, const struct answer *e,
    struct slice user)
{
	return (revoked_is(a->segment, revoked_id(a->segment, REVOKED_USER,
	    user), e->since_s, wall_now().ms / 1000));
}

/* Who asks, or whom it makes him, was revoked since. */
static bool
answers_revoked(const struct answers *a, const struct answer *e,
    struct slice user)
{
	uint8_t name[VERDICT_USER_MAX];
	struct verdict v;

	if (likely(!revoked_any(a->segment)))
		return (false);
	if (answers_is_of_before(a, e, user))
		return (true);
	MUST(verdict_decode(slice_of(e->bytes + e->nkey, e->nbody), &v));
	return (v.user.n != 0 && answers_is_of_before(a, e, slice_of(name,
	    (size_t)json_name(v.user, name, sizeof name))));
}

bool
answers_find(struct answers *a, struct slice key, const struct bus_publish *p,
    struct slice *body)
{
	struct answer *e;

	CHECK_MAGIC(a, ANSWERS_MAGIC);
	if (key.n == 0)
		return (false);
	e = answers_at(a, hash_bytes(&a->hash_key, key), key);
	if (e != NULL && (e->until_us <= mono_now().us ||
	    answers_revoked(a, e, p->to.users[0]))) {
		answers_drop(a, e);
		e = NULL;
	}
	counter_add(e == NULL ? COUNTER_verdict_cache_misses :
	    COUNTER_verdict_cache_hits, 1);
	if (e == NULL)
		return (false);
	*body = slice_of(e->bytes + e->nkey, e->nbody);
	return (true);
}

/* --- new ones ---------------------------------------------------------------*/

struct answers_place
answers_place(const struct answers *a, const struct conf_hook *hook)
{
	return ((struct answers_place){ .hook = (size_t)(hook -
	    a->conf->hooks), .serial = a->serial,
	    .cache_ms = hook->cache_ms, .cache_bytes = hook->cache_bytes,
	    .since_s = (int64_t)(wall_now().ms / 1000) });
}

/* The oldest go until there is room. */
static void
answers_make_room(struct answers *a, struct answers_list *l, uint64_t most,
    size_t bytes)
{
	while (l->bytes + bytes > most && !TAILQ_EMPTY(&l->all)) {
		counter_add(COUNTER_verdict_cache_evictions, 1);
		answers_drop(a, TAILQ_FIRST(&l->all));
	}
}

static void
answers_add(struct answers *a, const struct answers_place *at,
    struct slice key, struct slice body, uint64_t ms)
{
	struct answers_list *l = &a->lists[at->hook];
	struct answer *e = malloc(sizeof *e + key.n + body.n);

	if (e == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	*e = (struct answer){ .hash = hash_bytes(&a->hash_key, key),
		.until_us = mono_add_ms(mono_now(), ms).us,
		.since_s = at->since_s,
		.hook = (uint32_t)at->hook, .nkey = (uint32_t)key.n,
		.nbody = (uint32_t)body.n };
	memcpy(e->bytes, key.p, key.n);
	memcpy(e->bytes + key.n, body.p, body.n);
	hashtab_insert(&a->by_key, e->hash, &e->link);
	TAILQ_INSERT_TAIL(&l->all, e, next);
	l->bytes += answers_bytes(e);
	counter_set(COUNTER_verdict_cache_entries, a->by_key.count);
}

void
answers_keep(struct answers *a, const struct answers_place *at,
    struct slice key, struct slice body)
{
	size_t bytes = sizeof(struct answer) + key.n + body.n;
	struct answer *e;
	struct verdict v;
	uint64_t ms;

	CHECK_MAGIC(a, ANSWERS_MAGIC);
	if (at->serial != a->serial || at->hook >= a->nlists || body.n == 0 ||
	    !verdict_decode(body, &v) || v.cache_s == 0 ||
	    bytes > at->cache_bytes)
		return;
	ms = v.cache_s * 1000 > at->cache_ms ? at->cache_ms : v.cache_s * 1000;
	e = answers_at(a, hash_bytes(&a->hash_key, key), key);
	if (e != NULL)			/* two were asked at once */
		answers_drop(a, e);
	answers_make_room(a, &a->lists[at->hook], at->cache_bytes, bytes);
	answers_add(a, at, key, body, ms);
}
