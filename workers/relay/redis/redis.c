/*
 * What the relay asks of Redis, and how it stands with it; see redis.h.
 */
#include "relay/redis/redis.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "relay/redis/sentinels.h"
#include "relay/redis/site.h"
#include "shm/counters.h"

#define REDIS_BEAT_MS	1000
#define REDIS_SHOWN	128	/* of a master's name */

struct redis {
	unsigned	 magic;
#define REDIS_MAGIC	0x4ed15000
	struct redis_params p;
	struct conf_redis conf;		/* borrows; how it is shown is ours */
	char		 shown[REDIS_SHOWN];
	struct site	*site;
	struct sentinels *sentinels;	/* NULL: none */
	struct timer	 beat;
	TAILQ_HEAD(, redis_watch) watches;
	bool		 ready;		/* as it was told last */
	bool		 refuted;	/* the master says that it is none */
};

/* --- how it stands --------------------------------------------------------*/

bool
redis_can_publish(const struct redis *r)
{
	return (site_can_publish(r->site));
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

static void
redis_on_change(void *arg, struct site *s)
{
	struct redis *r = arg;
	enum redis_state state = site_state(s);
	bool ready = state == REDIS_CONNECTED;

	counter_set(COUNTER_redis_connected, ready);
	counter_set(COUNTER_redis_state, state);
	if (ready != r->ready) {
		r->ready = ready;
		redis_tell(r);
	}
	if (!ready && r->sentinels != NULL)
		sentinels_look(r->sentinels);
	if (state == REDIS_READONLY)
		r->refuted = true;	/* at the end of the turn */
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
	site_beat(r->site);
}

void
redis_flush(struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->refuted && r->sentinels != NULL)
		sentinels_refuted(r->sentinels);
	r->refuted = false;
	site_flush(r->site);
	if (r->sentinels != NULL)
		sentinels_flush(r->sentinels);
}

void
redis_renew(struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	site_renew(r->site);
	if (r->sentinels != NULL)
		sentinels_renew(r->sentinels);
}

/* --- for the bridge -------------------------------------------------------*/

bool
redis_command(struct redis *r, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	(void)key;
	return (site_send(r->site, argv, n, cb, arg));
}

static bool
redis_say(struct redis *r, const char *verb, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	struct slice argv[] = { slice_str(verb), channel, payload };

	return (redis_command(r, channel, argv, nitems(argv), cb, arg));
}

bool
redis_publish(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	return (redis_say(r, "PUBLISH", channel, payload, cb, arg));
}

bool
redis_publish_classic(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	return (redis_say(r, "PUBLISH", channel, payload, cb, arg));
}

bool
redis_spublish_raw(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	return (redis_say(r, "SPUBLISH", channel, payload, cb, arg));
}

bool
redis_subscribe(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (site_add(r->site, SUB_EXACT, channel, cb, arg));
}

void
redis_unsubscribe(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	site_remove(r->site, SUB_EXACT, channel);
}

bool
redis_subscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (site_add(r->site, SUB_EXACT, channel, cb, arg));
}

void
redis_unsubscribe_classic(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	site_remove(r->site, SUB_EXACT, channel);
}

bool
redis_psubscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (site_add(r->site, SUB_PATTERN, channel, cb, arg));
}

void
redis_punsubscribe_classic(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	site_remove(r->site, SUB_PATTERN, channel);
}

bool
redis_ssubscribe_raw(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (site_add(r->site, SUB_SHARDED, channel, cb, arg));
}

void
redis_sunsubscribe_raw(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	site_remove(r->site, SUB_SHARDED, channel);
}

void
redis_watch(struct redis *r, struct redis_watch *w)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	TAILQ_INSERT_TAIL(&r->watches, w, next);
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
	char pulse[CONF_REDIS_PREFIX_MAX + 32];
	struct site_params p = { .conf = &r->conf, .loop = r->p.loop,
		.aimed = r->conf.nsentinels > 0,
		.queue_bytes = r->p.queue_bytes, .arg = r, .whole = true,
		.change = redis_on_change, .gap = redis_on_gap };

	(void)snprintf(pulse, sizeof pulse, "%spulse:%016" PRIx64,
	    r->p.conf->prefix, r->p.node_id);
	p.pulse = slice_str(pulse);
	if (getrandom(&p.hash_key, sizeof p.hash_key, 0) !=
	    (ssize_t)sizeof p.hash_key)
		return (false);
	r->site = site_new(&p);
	return (r->site != NULL && redis_open_sentinels(r));
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
	r->magic = 0;
	free(r);
}
