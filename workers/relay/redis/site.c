/*
 * Both connections to one Redis, and the story of each trouble; see site.h.
 */
#include "relay/redis/site.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "relay/redis/refusal.h"
#include "shm/counters.h"
#include "sys/log.h"

#define SITE_PULSE_MS	2000	/* our heartbeat is published so often */
#define SITE_ECHO_MS	8000	/* and has to come back within */
#define SITE_NAME	(LINK_HOST + 16)

struct site {
	unsigned	 magic;
#define SITE_MAGIC	0x517e4ed1
	struct site_params p;
	struct commands	*commands;
	struct subscriptions *subs;
	char		 name[SITE_NAME];	/* for the log */
	struct mono	 pulsed;
	struct mono	 missed;	/* the first that did not come back;
					 * 0: none */
	char		 pulse[CONF_REDIS_PREFIX_MAX + SITE_NAME + 32];
	enum site_mark {
		MARK_NONE, MARK_DUE, MARK_SENT
	}		 mark;		/* one that has to come back */
	uint64_t	 marks;		/* were wanted */
	char		 token[17];	/* what the last one says */
	bool		 mute;		/* we may not publish */
	bool		 listens;
	char		 host[LINK_HOST]; /* where it was aimed at; "": nowhere */
	unsigned	 port;
	struct mono	 deaf;		/* since then nothing comes; 0: it
					 * does */
	struct refusal	 refusal;
	/* the trouble that is going on */
	enum redis_state state;
	bool		 told;		/* a line in the log says that it began */
	struct mono	 since;
};

/* --- how it stands --------------------------------------------------------*/

/* What only a person can mend is said though something else was said before. */
static bool
site_needs_hands(enum redis_state why)
{
	return (why == REDIS_INSECURE || why == REDIS_NO_PASSWORD ||
	    why == REDIS_REFUSED || why == REDIS_DENIED);
}

static void
site_trouble(struct site *s, enum redis_state why, const char *words)
{
	bool tell = !s->told || (why != s->state && site_needs_hands(why));

	if (!s->told)
		s->since = loop_now(s->p.loop);
	s->state = why;
	s->told = true;
	if (tell)
		log_warnx("redis_trouble url=%s why=\"%s\" said=\"%s\"",
		    s->name, redis_state_trouble(why), words);
	else
		log_debug("redis_trouble url=%s why=\"%s\" said=\"%s\"",
		    s->name, redis_state_trouble(why), words);
	s->p.change(s->p.arg, s);
}

static void
site_look(struct site *s)
{
	uint64_t ms;

	if (s->state == REDIS_CONNECTED || !site_ready(s))
		return;
	ms = (loop_now(s->p.loop).us - s->since.us) / 1000;
	if (s->told)
		log_info("redis_connected url=%s after_ms=%" PRIu64,
		    s->name, ms);
	else
		log_info("redis_connected url=%s", s->name);
	s->state = REDIS_CONNECTED;
	s->told = false;
	s->p.change(s->p.arg, s);
}

bool
site_can_publish(const struct site *s)
{
	return (commands_up(s->commands) && !s->mute);
}

bool
site_ready(const struct site *s)
{
	return (site_can_publish(s) && (s->listens ?
	    subscriptions_ready(s->subs) : subscriptions_count(s->subs) == 0));
}

bool
site_hears(const struct site *s, enum subscription_kind kind,
    struct slice channel)
{
	return (s->listens && subscriptions_hears(s->subs, kind, channel));
}

bool
site_up(const struct site *s)
{
	return (commands_up(s->commands));
}

enum link_mode
site_mode(const struct site *s)
{
	return (commands_mode(s->commands));
}

bool
site_is_idle(const struct site *s)
{
	return (subscriptions_count(s->subs) <= s->listens &&
	    commands_waiting(s->commands) == 0);
}

enum redis_state
site_state(const struct site *s)
{
	return (s->state);
}

/* What was published in between nobody has kept. */
static void
site_tell_gap(struct site *s)
{
	struct mono since = s->deaf;

	s->deaf.us = 0;
	if (since.us != 0 && s->p.whole)
		s->p.gap(s->p.arg, slice_of(NULL, 0), since);
}

/* --- what the connections tell --------------------------------------------*/

static void
site_on_commands(void *arg)
{
	struct site *s = arg;

	site_look(s);
	if (s->p.up != NULL)
		s->p.up(s->p.arg, s);
}

static void
site_on_commands_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct site *s = arg;

	(void)was_up;
	s->mute = false;
	s->missed.us = 0;
	/* what listens hears nothing there, though it is answered */
	if (why == REDIS_READONLY && subscriptions_ready(s->subs))
		subscriptions_fail(s->subs, why, words);
	site_trouble(s, why, words);
}

static void
site_on_refused(void *arg, const struct reply *o)
{
	struct site *s = arg;

	refusal_note(&s->refusal, o, s->name, loop_now(s->p.loop));
}

static void
site_on_subs(void *arg)
{
	site_tell_gap(arg);
	site_look(arg);
}

static void
site_on_subs_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct site *s = arg;

	if (was_up) {
		counter_add(COUNTER_redis_gaps, 1);
		if (s->deaf.us == 0)
			s->deaf = loop_now(s->p.loop);
	}
	s->missed.us = 0;
	s->mark = MARK_NONE;	/* nor does what was before it */
	site_trouble(s, why, words);
}

static void
site_on_denied(void *arg, enum subscription_kind kind, struct slice channel,
    const char *words)
{
	char name[128], said[256];

	(void)kind;
	(void)snprintf(said, sizeof said, "%s: %s",
	    log_safe(name, sizeof name, channel.p, channel.n), words);
	site_trouble(arg, REDIS_DENIED, said);
}

static void
site_on_late(void *arg, struct slice channel, struct mono since)
{
	struct site *s = arg;

	if (slice_eq(channel, s->p.pulse))
		return;
	if (s->deaf.us == 0 || !s->p.whole)
		s->p.gap(s->p.arg, channel, since);
	else if (since.us < s->deaf.us)
		s->deaf = since;	/* told with all the others */
}

static void
site_on_echo(void *arg, struct slice channel, struct slice payload)
{
	struct site *s = arg;

	(void)channel;
	s->missed.us = 0;
	/* who else is there in our name has others */
	if (s->mark == MARK_SENT && slice_eq(payload, slice_str(s->token)))
		s->mark = MARK_NONE;
}

static void
site_on_moved(void *arg, const struct slotmap_redirect *to)
{
	struct site *s = arg;

	s->p.moved(s->p.arg, s, to);
}

/* --- time -----------------------------------------------------------------*/

/* Who may not publish is told by the first heartbeat, not by silence. */
static void
site_on_pulsed(void *arg, const struct reply *o)
{
	struct site *s = arg;
	char words[REPLY_WORDS];

	if (o == NULL)
		return;
	s->mute = o->type == REPLY_ERROR;
	if (!s->mute) {
		site_look(s);
		return;
	}
	s->missed.us = 0;
	reply_words(o, words);
	site_trouble(s, reply_is_error(o, SLICE("NOPERM")) ? REDIS_DENIED :
	    REDIS_ERRORS, words);
}

/*
 * From end to end: what we publish comes back to us.  It does not when both
 * connections are alive but not at the same Redis.  None is sent while a room's
 * channel is asked for, so it is the one sent that is waited for.
 */
static void
site_pulse(struct site *s, struct mono now)
{
	struct slice argv[] = { SLICE("PUBLISH"), slice_str(s->pulse),
		SLICE("pulse") };

	if (s->missed.us != 0 && now.us - s->missed.us > SITE_ECHO_MS * 1000)
		subscriptions_fail(s->subs, REDIS_SILENT,
		    "our heartbeat does not come back");
	if (!s->listens || !commands_up(s->commands) ||
	    !subscriptions_ready(s->subs) ||
	    now.us - s->pulsed.us < SITE_PULSE_MS * 1000)
		return;
	s->pulsed = now;
	if (commands_send(s->commands, argv, nitems(argv), site_on_pulsed,
	    s) && s->missed.us == 0)
		s->missed = now;
}

static void
site_on_marked(void *arg, const struct reply *o)
{
	struct site *s = arg;

	if (s->mark == MARK_SENT && o == NULL)
		s->mark = MARK_DUE;
	else if (s->mark == MARK_SENT && o->type == REPLY_ERROR)
		s->mark = MARK_NONE;	/* a heartbeat tells it */
}

static void
site_send_mark(struct site *s)
{
	struct slice argv[] = { SLICE("PUBLISH"), slice_str(s->pulse),
		slice_str(s->token) };

	if (s->mark == MARK_DUE && commands_up(s->commands) &&
	    commands_send(s->commands, argv, nitems(argv), site_on_marked, s))
		s->mark = MARK_SENT;
}

/* By the channel of our heartbeat: what comes by one connection comes in the
 * order in which it was published. */
void
site_mark(struct site *s)
{
	struct hash_key key = s->p.hash_key;

	CHECK_MAGIC(s, SITE_MAGIC);
	if (!s->listens || s->state != REDIS_CONNECTED)
		return;		/* it listens later than now */
	key.k0 ^= ++s->marks;
	(void)snprintf(s->token, sizeof s->token, "%016" PRIx64,
	    hash_bytes(&key, slice_str(s->name)));
	s->mark = MARK_DUE;
	site_send_mark(s);
}

bool
site_drains(const struct site *s)
{
	return (s->mark != MARK_NONE);
}

void
site_aim(struct site *s, const char *host, unsigned port, struct mono since)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	if (subscriptions_ready(s->subs) &&
	    (s->deaf.us == 0 || since.us < s->deaf.us))
		s->deaf = since;
	(void)snprintf(s->name, sizeof s->name, "%s://%s:%u",
	    s->p.conf->url.tls ? "rediss" : "redis", host, port);
	(void)snprintf(s->host, sizeof s->host, "%s", host);
	s->port = port;
	commands_aim(s->commands, host, port);
	if (s->listens)
		subscriptions_aim(s->subs, host, port);
}

void
site_listen(struct site *s)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	if (s->listens)
		return;
	if (!subscriptions_add(s->subs, SUB_EXACT, s->p.pulse, site_on_echo,
	    s)) {
		counter_add(COUNTER_memory_failures, 1);
		return;		/* who listens then asks again */
	}
	s->listens = true;
	if (s->host[0] != '\0')
		subscriptions_aim(s->subs, s->host, s->port);
	else if (!s->p.aimed)
		subscriptions_start(s->subs);
}

struct site_move {
	struct site	*from;
	site_to		*to;
	void		*arg;
};

static struct subscriptions *
site_move_to(void *arg, enum subscription_kind kind, struct slice channel)
{
	struct site_move *m = arg;
	struct site *to;

	if (kind == SUB_EXACT && slice_eq(channel, m->from->p.pulse))
		return (NULL);
	to = m->to(m->arg, kind, channel);
	if (to == NULL)
		return (NULL);
	site_listen(to);
	return (to->subs);
}

void
site_move(struct site *s, site_to *to, void *arg)
{
	struct site_move m = { s, to, arg };

	CHECK_MAGIC(s, SITE_MAGIC);
	subscriptions_move(s->subs, site_move_to, &m);
	site_tell_gap(s);
	site_look(s);
}

void
site_lost(struct site *s, enum redis_state why, const char *words)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	if (s->state != REDIS_CONNECTED)
		site_trouble(s, why, words);
}

void
site_fail(struct site *s, enum redis_state why, const char *words)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	if (commands_up(s->commands))
		commands_fail(s->commands, why, words);
}

void
site_renew(struct site *s)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	commands_renew(s->commands);
	subscriptions_renew(s->subs);
}

void
site_beat(struct site *s)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	commands_beat(s->commands);
	subscriptions_beat(s->subs);
	site_pulse(s, loop_now(s->p.loop));
	site_send_mark(s);
	refusal_beat(&s->refusal, s->name, loop_now(s->p.loop));
}

void
site_flush(struct site *s)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	commands_flush(s->commands);
	subscriptions_flush(s->subs);
}

/* --- what is asked --------------------------------------------------------*/

bool
site_send(struct site *s, const struct slice *argv, size_t n, commands_cb *cb,
    void *arg)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	return (commands_send(s->commands, argv, n, cb, arg));
}

bool
site_add(struct site *s, enum subscription_kind kind, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	return (subscriptions_add(s->subs, kind, channel, cb, arg));
}

void
site_remove(struct site *s, enum subscription_kind kind, struct slice channel)
{
	CHECK_MAGIC(s, SITE_MAGIC);
	subscriptions_remove(s->subs, kind, channel);
}

/* --- birth and death ------------------------------------------------------*/

static bool
site_open(struct site *s)
{
	struct commands_params c = { .conf = s->p.conf, .loop = s->p.loop,
		.queue_bytes = s->p.queue_bytes, .arg = s,
		.aimed = s->p.aimed, .asks_mode = true,
		.up = site_on_commands, .down = site_on_commands_down,
		.refused = site_on_refused };
	struct subscriptions_params t = { .conf = s->p.conf,
		.loop = s->p.loop, .queue_bytes = s->p.queue_bytes, .arg = s,
		.aimed = true, .hash_key = s->p.hash_key,
		.ready = site_on_subs, .down = site_on_subs_down,
		.each = !s->p.whole, .tagged = s->p.moved != NULL,
		.denied = site_on_denied, .late = site_on_late,
		.moved = s->p.moved != NULL ? site_on_moved : NULL };

	s->commands = commands_new(&c);
	s->subs = subscriptions_new(&t);
	if (s->commands == NULL || s->subs == NULL)
		return (false);
	if (!s->p.quiet)
		site_listen(s);
	return (s->p.quiet || s->listens);
}

struct site *
site_new(const struct site_params *p)
{
	struct site *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = SITE_MAGIC;
	s->p = *p;
	s->state = REDIS_CONNECTING;
	s->since = loop_now(p->loop);
	(void)snprintf(s->name, sizeof s->name, "%s", p->conf->url.shown);
	MUST(p->pulse.n < sizeof s->pulse);
	memcpy(s->pulse, p->pulse.p, p->pulse.n);
	s->p.pulse = slice_str(s->pulse);
	if (!site_open(s)) {
		site_free(&s);
		return (NULL);
	}
	return (s);
}

void
site_free(struct site **sp)
{
	struct site *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, SITE_MAGIC);
	commands_free(&s->commands);
	subscriptions_free(&s->subs);
	refusal_end(&s->refusal);
	s->magic = 0;
	free(s);
}
