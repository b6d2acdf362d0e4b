/*
 * Both connections to Redis, and the story of each trouble; see redis.h.
 */
#include "relay/redis/redis.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "shm/counters.h"
#include "sys/log.h"

#define REDIS_BEAT_MS	1000
#define REDIS_PULSE_MS	2000	/* our heartbeat is published so often */
#define REDIS_ECHO_MS	8000	/* and has to come back within */

struct redis {
	unsigned	 magic;
#define REDIS_MAGIC	0x4ed15000
	struct redis_params p;
	struct commands	*commands;
	struct subscriptions *subs;
	struct timer	 beat;
	struct mono	 pulsed;
	struct mono	 missed;	/* the first that did not come back;
					 * 0: none */
	char		 pulse[CONF_REDIS_PREFIX_MAX + 32];
	bool		 mute;		/* we may not publish */
	TAILQ_HEAD(, redis_watch) watches;
	struct mono	 deaf;		/* since then nothing comes; 0: it
					 * does */
	/* the trouble that is going on */
	enum redis_state state;
	bool		 told;		/* a line in the log says that it began */
	struct mono	 since;
};

/* --- how it stands --------------------------------------------------------*/

/* What only a person can mend is said though something else was said before. */
static bool
redis_needs_hands(enum redis_state why)
{
	return (why == REDIS_INSECURE || why == REDIS_NO_PASSWORD ||
	    why == REDIS_REFUSED || why == REDIS_DENIED);
}

static void
redis_tell(struct redis *r, bool ready)
{
	struct redis_watch *w, *next;
	void (*call)(void *);

	for (w = TAILQ_FIRST(&r->watches); w != NULL; w = next) {
		next = TAILQ_NEXT(w, next);
		call = ready ? w->ready : w->lost;
		if (call != NULL)
			call(w->arg);
	}
}

/* What was published in between nobody has kept. */
static void
redis_tell_gap(struct redis *r)
{
	struct mono since = r->deaf;
	struct redis_watch *w;

	r->deaf.us = 0;
	if (since.us == 0)
		return;
	TAILQ_FOREACH(w, &r->watches, next)
		if (w->gap != NULL)
			w->gap(w->arg, slice_of(NULL, 0), since);
}

static void
redis_trouble(struct redis *r, enum redis_state why, const char *words)
{
	bool was_ready = r->state == REDIS_CONNECTED;
	bool tell = !r->told || (why != r->state && redis_needs_hands(why));

	counter_set(COUNTER_redis_connected, 0);
	counter_set(COUNTER_redis_state, why);
	if (!r->told)
		r->since = loop_now(r->p.loop);
	r->state = why;
	r->told = true;
	if (tell)
		log_warnx("redis_trouble url=%s why=\"%s\" said=\"%s\"",
		    r->p.conf->url.shown, redis_state_trouble(why), words);
	else
		log_debug("redis_trouble why=\"%s\" said=\"%s\"",
		    redis_state_trouble(why), words);
	if (was_ready)
		redis_tell(r, false);
}

static void
redis_look(struct redis *r)
{
	uint64_t ms;

	if (r->state == REDIS_CONNECTED || !redis_ready(r))
		return;
	ms = (loop_now(r->p.loop).us - r->since.us) / 1000;
	if (r->told)
		log_info("redis_connected url=%s after_ms=%" PRIu64,
		    r->p.conf->url.shown, ms);
	else
		log_info("redis_connected url=%s", r->p.conf->url.shown);
	r->state = REDIS_CONNECTED;
	r->told = false;
	counter_set(COUNTER_redis_connected, 1);
	counter_set(COUNTER_redis_state, REDIS_CONNECTED);
	redis_tell(r, true);
}

bool
redis_ready(const struct redis *r)
{
	return (commands_up(r->commands) && subscriptions_ready(r->subs) &&
	    !r->mute);
}

/* --- what the connections tell --------------------------------------------*/

static void
redis_on_commands(void *arg)
{
	redis_look(arg);
}

static void
redis_on_commands_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct redis *r = arg;

	(void)was_up;
	r->mute = false;
	r->missed.us = 0;
	redis_trouble(r, why, words);
}

static void
redis_on_subs(void *arg)
{
	redis_tell_gap(arg);
	redis_look(arg);
}

static void
redis_on_subs_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct redis *r = arg;

	if (was_up) {
		counter_add(COUNTER_redis_gaps, 1);
		if (r->deaf.us == 0)
			r->deaf = loop_now(r->p.loop);
	}
	r->missed.us = 0;
	redis_trouble(r, why, words);
}

static void
redis_on_denied(void *arg, enum subscription_kind kind, struct slice channel,
    const char *words)
{
	char name[128], said[256];

	(void)kind;
	(void)snprintf(said, sizeof said, "%s: %s",
	    log_safe(name, sizeof name, channel.p, channel.n), words);
	redis_trouble(arg, REDIS_DENIED, said);
}

static void
redis_on_echo(void *arg, struct slice channel, struct slice payload)
{
	struct redis *r = arg;

	(void)channel;
	(void)payload;
	r->missed.us = 0;
}

/* --- time -----------------------------------------------------------------*/

/* Who may not publish is told by the first heartbeat, not by silence. */
static void
redis_on_pulsed(void *arg, const struct reply *o)
{
	struct redis *r = arg;
	char words[REPLY_WORDS];

	if (o == NULL)
		return;
	r->mute = o->type == REPLY_ERROR;
	if (!r->mute) {
		redis_look(r);
		return;
	}
	r->missed.us = 0;
	reply_words(o, words);
	redis_trouble(r, reply_is_error(o, SLICE("NOPERM")) ? REDIS_DENIED :
	    REDIS_ERRORS, words);
}

/*
 * From end to end: what we publish comes back to us.  It does not when both
 * connections are alive but not at the same Redis.  None is sent while a room's
 * channel is asked for, so it is the one sent that is waited for.
 */
static void
redis_pulse(struct redis *r, struct mono now)
{
	struct slice argv[] = { SLICE("PUBLISH"), slice_str(r->pulse),
		SLICE("pulse") };

	if (r->missed.us != 0 && now.us - r->missed.us > REDIS_ECHO_MS * 1000)
		subscriptions_fail(r->subs, REDIS_SILENT,
		    "our heartbeat does not come back");
	if (!commands_up(r->commands) || !subscriptions_ready(r->subs) ||
	    now.us - r->pulsed.us < REDIS_PULSE_MS * 1000)
		return;
	r->pulsed = now;
	if (commands_send(r->commands, argv, nitems(argv), redis_on_pulsed,
	    r) && r->missed.us == 0)
		r->missed = now;
}

static void
redis_on_beat(struct timer *t, struct mono now)
{
	struct redis *r = container_of(t, struct redis, beat);

	timer_start(loop_wheel(r->p.loop), t, mono_add_ms(now, REDIS_BEAT_MS),
	    redis_on_beat);
	commands_beat(r->commands);
	subscriptions_beat(r->subs);
	redis_pulse(r, now);
}

void
redis_flush(struct redis *r)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	commands_flush(r->commands);
	subscriptions_flush(r->subs);
}

/* --- for the bridge -------------------------------------------------------*/

bool
redis_command(struct redis *r, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	(void)key;
	return (commands_send(r->commands, argv, n, cb, arg));
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
	return (subscriptions_add(r->subs, SUB_EXACT, channel, cb, arg));
}

void
redis_unsubscribe(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	subscriptions_remove(r->subs, SUB_EXACT, channel);
}

bool
redis_subscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (subscriptions_add(r->subs, SUB_EXACT, channel, cb, arg));
}

void
redis_unsubscribe_classic(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	subscriptions_remove(r->subs, SUB_EXACT, channel);
}

bool
redis_psubscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (subscriptions_add(r->subs, SUB_PATTERN, channel, cb, arg));
}

void
redis_punsubscribe_classic(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	subscriptions_remove(r->subs, SUB_PATTERN, channel);
}

bool
redis_ssubscribe_raw(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	return (subscriptions_add(r->subs, SUB_SHARDED, channel, cb, arg));
}

void
redis_sunsubscribe_raw(struct redis *r, struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	subscriptions_remove(r->subs, SUB_SHARDED, channel);
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
	struct commands_params c = { .conf = r->p.conf, .loop = r->p.loop,
		.queue_bytes = r->p.queue_bytes, .arg = r,
		.up = redis_on_commands, .down = redis_on_commands_down };
	struct subscriptions_params s = { .conf = r->p.conf,
		.loop = r->p.loop, .queue_bytes = r->p.queue_bytes, .arg = r,
		.ready = redis_on_subs, .down = redis_on_subs_down,
		.denied = redis_on_denied };

	if (getrandom(&s.hash_key, sizeof s.hash_key, 0) !=
	    (ssize_t)sizeof s.hash_key)
		return (false);
	r->commands = commands_new(&c);
	r->subs = subscriptions_new(&s);
	return (r->commands != NULL && r->subs != NULL &&
	    subscriptions_add(r->subs, SUB_EXACT, slice_str(r->pulse),
	    redis_on_echo, r));
}

struct redis *
redis_new(const struct redis_params *p)
{
	struct redis *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	r->magic = REDIS_MAGIC;
	r->p = *p;
	TAILQ_INIT(&r->watches);
	r->state = REDIS_CONNECTING;
	r->since = loop_now(p->loop);
	(void)snprintf(r->pulse, sizeof r->pulse, "%spulse:%016" PRIx64,
	    p->conf->prefix, p->node_id);
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
	commands_free(&r->commands);
	subscriptions_free(&r->subs);
	r->magic = 0;
	free(r);
}
