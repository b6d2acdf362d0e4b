/*
 * How the relay stands with Redis: one, shards or a Cluster; see redis.h.  What
 * it asks is in redis_ask.c.
 */
#include "relay/redis/redis_int.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/counters.h"
#include "sys/log.h"

#define REDIS_BEAT_MS	1000

/* --- how it stands --------------------------------------------------------*/

bool
redis_can_publish(const struct redis *r)
{
	if (r->cluster != NULL)
		return (cluster_up(r->cluster));
	if (r->shards != NULL)
		return (shards_up(r->shards));
	return (r->known && site_can_publish(r->site));
}

static void
redis_tell(struct redis *r)
{
	struct redis_watch *w, *next;
	void (*call)(void *);

	for (w = TAILQ_FIRST(&r->watches); w != NULL; w = next) {
		next = TAILQ_NEXT(w, next);
		call = r->ready ? w->ready : w->lost;
		if (call != NULL)
			call(w->arg);
	}
}

/* which: of the shards, those that are away, as bits. */
static enum redis_state
redis_state(const struct redis *r, size_t *nodes, size_t *away,
    uint64_t *which)
{
	enum redis_state state;

	*which = 0;
	if (r->shards != NULL) {
		shards_count(r->shards, nodes, away, &state, which);
		return (state);
	}
	if (r->cluster != NULL) {
		cluster_count(r->cluster, nodes, away, &state);
		return (state);
	}
	*nodes = 1;
	state = site_state(r->site);
	if (state == REDIS_CONNECTED && !r->known)
		state = REDIS_CONNECTING;
	*away = state != REDIS_CONNECTED;
	return (state);
}

static void
redis_look(struct redis *r)
{
	size_t nodes, away;
	uint64_t which;
	enum redis_state state;
	bool ready;

	if (r->cluster == NULL && r->shards == NULL && r->site == NULL)
		return;		/* not made yet */
	state = redis_state(r, &nodes, &away, &which);
	ready = state == REDIS_CONNECTED;
	if (!r->quiet) {
		counter_set(COUNTER_redis_nodes, nodes);
		counter_set(COUNTER_redis_nodes_away, away);
		counter_set(COUNTER_redis_shards_away, which);
		counter_set(COUNTER_redis_connected, ready);
		counter_set(COUNTER_redis_state, state);
	}
	if (ready != r->ready) {
		r->ready = ready;
		redis_tell(r);
	}
}

void
redis_quiet(struct redis *r, bool quiet)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	r->quiet = quiet;
	redis_look(r);
}

static void
redis_on_change(void *arg, struct site *s)
{
	struct redis *r = arg;

	redis_look(r);
	if (!r->ready && r->sentinels != NULL)
		sentinels_look(r->sentinels);
	if (site_state(s) == REDIS_READONLY)
		r->refuted = true;	/* at the end of the turn */
}

static void
redis_on_part(void *arg)
{
	redis_look(arg);
}

static void
redis_on_gap(void *arg, struct slice channel, struct mono since)
{
	struct redis *r = arg;
	struct redis_watch *w;

	TAILQ_FOREACH(w, &r->watches, next)
		if (w->gap != NULL)
			w->gap(w->arg, channel, since);
}

/* --- one, or a Cluster ----------------------------------------------------*/

static void	redis_on_slots(void *arg, const struct reply *);

static struct site *
redis_place_here(void *arg, enum subscription_kind kind, struct slice channel)
{
	struct redis *r = arg;

	(void)kind;
	(void)channel;
	return (r->site);
}

static void
redis_be_one(struct redis *r)
{
	if (r->cluster != NULL) {
		cluster_leave(r->cluster, redis_place_here, r);
		cluster_free(&r->cluster);
		log_info("redis_cluster nodes=0");
	}
	r->known = true;
	site_listen(r->site);
	redis_look(r);
}

/* Whatever was listened to at the one goes to the nodes, as do commands; it
 * has done its part. */
static void
redis_be_cluster(struct redis *r, const struct reply *o)
{
	struct cluster_params p = { .conf = &r->conf, .loop = r->p.loop,
		.node_id = r->p.node_id, .queue_bytes = r->p.queue_bytes,
		.hash_key = r->hash_key, .arg = r,
		.change = redis_on_part, .gap = redis_on_gap };
	const char *host = r->conf.url.host != NULL ? r->conf.url.host :
	    "127.0.0.1";
	struct cluster *c = r->cluster;

	if (c == NULL)
		c = cluster_new(&p);
	if (c == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return;		/* the next beat asks again */
	}
	if (!cluster_take(c, o, host)) {
		if (r->cluster == NULL)
			cluster_free(&c);
		site_lost(r->site, REDIS_UNSERVED, "CLUSTER SLOTS has no node");
		return;
	}
	r->cluster = c;
	r->known = false;
	site_move(r->site, cluster_place, c);
	redis_look(r);
}

static void
redis_ask_slots(struct redis *r)
{
	static const struct slice argv[] = { SLICE("CLUSTER"),
		SLICE("SLOTS") };

	if (!r->asking)
		r->asking = site_send(r->site, argv, nitems(argv),
		    redis_on_slots, r);
}

static void
redis_on_slots(void *arg, const struct reply *o)
{
	struct redis *r = arg;
	char words[REPLY_WORDS], said[REPLY_WORDS + 32];

	r->asking = false;
	if (o == NULL)
		return;
	if (o->type == REPLY_ARRAY) {
		redis_be_cluster(r, o);
		return;
	}
	/* one that does not say what it is has no such command, or denies it */
	if (site_mode(r->site) != LINK_MODE_CLUSTER) {
		redis_be_one(r);
		return;
	}
	reply_words(o, words);
	(void)snprintf(said, sizeof said, "CLUSTER SLOTS: %s", words);
	site_lost(r->site, reply_is_error(o, SLICE("NOPERM")) ? REDIS_DENIED :
	    REDIS_ERRORS, said);
}

static void
redis_on_up(void *arg, struct site *s)
{
	struct redis *r = arg;

	r->asking = false;
	if (r->sentinels != NULL || site_mode(s) == LINK_MODE_ALONE)
		redis_be_one(r);
	else
		redis_ask_slots(r);
}

static bool
redis_open_site(struct redis *r)
{
	char pulse[CONF_REDIS_PREFIX_MAX + 32];
	struct site_params p = { .conf = &r->conf, .loop = r->p.loop,
		.aimed = r->conf.nsentinels > 0, .quiet = true,
		.hash_key = r->hash_key, .up = redis_on_up,
		.queue_bytes = r->p.queue_bytes, .arg = r, .whole = true,
		.change = redis_on_change, .gap = redis_on_gap };

	(void)snprintf(pulse, sizeof pulse, "%spulse:%016" PRIx64,
	    r->p.conf->prefix, r->p.node_id);
	p.pulse = slice_str(pulse);
	r->site = site_new(&p);
	return (r->site != NULL);
}

/* Nodes that are all gone may be found anew by the first one, or that is no
 * Cluster any more. */
static void
redis_seek(struct redis *r)
{
	if (r->cluster != NULL && r->site != NULL && cluster_up(r->cluster)) {
		site_free(&r->site);
		r->asking = false;
	} else if (r->cluster != NULL && r->site == NULL &&
	    !cluster_up(r->cluster) && !redis_open_site(r))
		counter_add(COUNTER_memory_failures, 1);
	else if (!r->known && r->site != NULL && !r->asking &&
	    site_up(r->site))
		redis_ask_slots(r);
}

/* --- where the master is --------------------------------------------------*/

static bool
redis_master_works(void *arg)
{
	const struct redis *r = arg;

	return (site_ready(r->site));
}

/* What the old one was given in between, it has answered; but who else had left
 * it by then nobody knows. */
static void
redis_on_master(void *arg, const char *host, unsigned port, struct mono since)
{
	struct redis *r = arg;
	struct redis_watch *w;

	r->refuted = false;
	if (redis_can_publish(r))
		TAILQ_FOREACH(w, &r->watches, next)
			if (w->astray != NULL)
				w->astray(w->arg, since);
	site_aim(r->site, host, port, since);
}

static void
redis_on_no_master(void *arg, const char *words)
{
	struct redis *r = arg;

	site_lost(r->site, REDIS_NO_MASTER, words);
}

static bool
redis_open_sentinels(struct redis *r)
{
	struct sentinels_params p = { .conf = &r->conf, .loop = r->p.loop,
		.arg = r, .works = redis_master_works,
		.found = redis_on_master, .lost = redis_on_no_master };

	if (r->conf.nsentinels == 0)
		return (true);
	r->sentinels = sentinels_new(&p);
	return (r->sentinels != NULL);
}

/* --- time -----------------------------------------------------------------*/

static void
redis_on_beat(struct timer *t, struct mono now)
{
	struct redis *r = container_of(t, struct redis, beat);

	timer_start(loop_wheel(r->p.loop), t, mono_add_ms(now, REDIS_BEAT_MS),
	    redis_on_beat);
	if (r->sentinels != NULL)
		sentinels_beat(r->sentinels);
	redis_seek(r);
	if (r->site != NULL)
		site_beat(r->site);
	if (r->cluster != NULL)
		cluster_beat(r->cluster);
	if (r->shards != NULL)
		shards_beat(r->shards);
}

void
redis_flush(struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->refuted && r->sentinels != NULL)
		sentinels_refuted(r->sentinels);
	r->refuted = false;
	if (r->site != NULL)
		site_flush(r->site);
	if (r->cluster != NULL)
		cluster_flush(r->cluster);
	if (r->shards != NULL)
		shards_flush(r->shards);
	if (r->sentinels != NULL)
		sentinels_flush(r->sentinels);
}

void
redis_mark(struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->site != NULL)
		site_mark(r->site);
	if (r->cluster != NULL)
		cluster_mark(r->cluster);
	if (r->shards != NULL)
		shards_mark(r->shards);
}

bool
redis_drains(const struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return ((r->site != NULL && site_drains(r->site)) ||
	    (r->cluster != NULL && cluster_drains(r->cluster)) ||
	    (r->shards != NULL && shards_drains(r->shards)));
}

void
redis_renew(struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->site != NULL)
		site_renew(r->site);
	if (r->cluster != NULL)
		cluster_renew(r->cluster);
	if (r->shards != NULL)
		shards_renew(r->shards);
	if (r->sentinels != NULL)
		sentinels_renew(r->sentinels);
}

/* --- who watches -----------------------------------------------------------*/

void
redis_watch(struct redis *r, struct redis_watch *w)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	TAILQ_INSERT_TAIL(&r->watches, w, next);
	if (r->ready && w->ready != NULL)
		w->ready(w->arg);
}

void
redis_unwatch(struct redis *r, struct redis_watch *w)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	TAILQ_REMOVE(&r->watches, w, next);
}

/* --- birth and death ------------------------------------------------------*/

static bool
redis_open(struct redis *r)
{
	struct shards_params p = { .conf = &r->conf, .loop = r->p.loop,
		.node_id = r->p.node_id, .queue_bytes = r->p.queue_bytes,
		.arg = r, .change = redis_on_part, .gap = redis_on_gap };

	if (getrandom(&r->hash_key, sizeof r->hash_key, 0) !=
	    (ssize_t)sizeof r->hash_key)
		return (false);
	p.hash_key = r->hash_key;
	if (r->conf.nshards > 0) {
		r->shards = shards_new(&p);
		return (r->shards != NULL);
	}
	return (redis_open_site(r) && redis_open_sentinels(r));
}

struct redis *
redis_new(const struct redis_params *p)
{
	struct redis *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	r->magic = REDIS_MAGIC;
	r->p = *p;
	r->conf = *p->conf;
	if (r->conf.nsentinels > 0) {
		(void)snprintf(r->shown, sizeof r->shown, "master:%s",
		    r->conf.master);
		r->conf.url.shown = r->shown;
	}
	TAILQ_INIT(&r->watches);
	counter_set(COUNTER_redis_connected, 0);
	counter_set(COUNTER_redis_state, REDIS_CONNECTING);
	if (!redis_open(r)) {
		redis_free(&r);
		return (NULL);
	}
	timer_start(loop_wheel(p->loop), &r->beat,
	    mono_add_ms(loop_now(p->loop), REDIS_BEAT_MS), redis_on_beat);
	return (r);
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	CHECK_MAGIC(r, REDIS_MAGIC);
	timer_stop(loop_wheel(r->p.loop), &r->beat);
	sentinels_free(&r->sentinels);
	site_free(&r->site);
	cluster_free(&r->cluster);
	shards_free(&r->shards);
	r->magic = 0;
	free(r);
}
