/*
 * Channels and who listens to them; see subscriptions.h.  A channel is asked
 * for by a command of its own, so that an error can be told from its place
 * among the replies.
 */
#include "relay/redis/subscriptions.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "base/buf.h"
#include "shm/counters.h"

#define SUBSCRIPTIONS_PING_MS	2000
#define SUBSCRIPTIONS_AGAIN_MS	5000	/* denied channels are asked again */
#define SUBSCRIPTIONS_MESSAGE	(68u << 20)	/* more than a client may send:
						 * who is larger ends the link */
#define SUBSCRIPTIONS_CHANNEL	4096	/* bytes of a channel's name */

/* How each kind is asked for and given up, and what Redis then says. */
static const struct {
	const char	*ask, *leave;
	const char	*asked, *message;
} sub_words[] = {
	[SUB_EXACT] = { "SUBSCRIBE", "UNSUBSCRIBE", "subscribe", "message" },
	[SUB_PATTERN] = { "PSUBSCRIBE", "PUNSUBSCRIBE", "psubscribe",
	    "pmessage" },
	[SUB_SHARDED] = { "SSUBSCRIBE", "SUNSUBSCRIBE", "ssubscribe",
	    "smessage" },
};

enum subscription_state { SUB_OFF, SUB_ASKED, SUB_ON, SUB_DENIED };

struct subscription {
	struct subscription *next;	/* in its bucket */
	TAILQ_ENTRY(subscription) asked;	/* SUB_ASKED: in order */
	enum subscription_kind kind;
	enum subscription_state state;
	bool		 wanted;	/* false: to be given up when answered */
	subscriptions_cb *cb;
	void		*arg;
	struct mono	 deaf;		/* not listened to since then, though
					 * the link was up; 0: it is */
	uint64_t	 hash;
	size_t		 n;
	uint8_t		 channel[];
};

struct subscriptions {
	unsigned	 magic;
#define SUBSCRIPTIONS_MAGIC 0x5b5c41be
	struct subscriptions_params p;
	struct link	*link;
	struct subscription **buckets;	/* a power of two */
	size_t		 cap, n;
	size_t		 non, ndenied;
	bool		 ready;		/* told, for this link */
	struct mono	 pinged, again;
	TAILQ_HEAD(, subscription) asked;
};

static struct slice
sub_channel(const struct subscription *s)
{
	return (slice_of(s->channel, s->n));
}

/* --- the table ------------------------------------------------------------*/

static struct subscription **
subs_place(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel, uint64_t hash)
{
	struct subscription **at = &t->buckets[hash & (t->cap - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->kind != kind ||
	    !slice_eq(sub_channel(*at), channel)))
		at = &(*at)->next;
	return (at);
}

static struct subscription *
subs_find(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel)
{
	return (*subs_place(t, kind, channel,
	    hash_bytes(&t->p.hash_key, channel)));
}

/* As many buckets as channels: the old ones stay when there is no memory. */
static void
subs_grow(struct subscriptions *t)
{
	struct subscription **old = t->buckets, *s, *next;
	size_t cap = t->cap, i;

	if (t->n < t->cap)
		return;
	t->buckets = calloc(2 * cap, sizeof *t->buckets);
	if (t->buckets == NULL) {
		t->buckets = old;
		return;
	}
	t->cap = 2 * cap;
	for (i = 0; i < cap; i++)
		for (s = old[i]; s != NULL; s = next) {
			next = s->next;
			s->next = t->buckets[s->hash & (t->cap - 1)];
			t->buckets[s->hash & (t->cap - 1)] = s;
		}
	free(old);
}

/* The only place that changes a state: it counts them. */
static void
sub_enter(struct subscriptions *t, struct subscription *s,
    enum subscription_state state)
{
	t->non -= s->state == SUB_ON;
	t->ndenied -= s->state == SUB_DENIED;
	if (s->state == SUB_ASKED)
		TAILQ_REMOVE(&t->asked, s, asked);
	s->state = state;
	t->non += state == SUB_ON;
	t->ndenied += state == SUB_DENIED;
	if (state == SUB_ASKED)
		TAILQ_INSERT_TAIL(&t->asked, s, asked);
	counter_set(COUNTER_redis_channels, t->non);
}

static void
sub_drop(struct subscriptions *t, struct subscription *s)
{
	struct subscription **at = subs_place(t, s->kind, sub_channel(s),
	    s->hash);

	MUST(*at == s);
	*at = s->next;
	sub_enter(t, s, SUB_OFF);
	t->n--;
	free(s);
}

/* --- asking ---------------------------------------------------------------*/

static bool
sub_say(struct subscriptions *t, const char *verb, struct slice channel)
{
	struct slice argv[] = { slice_str(verb), channel };

	return (link_command(t->link, argv, nitems(argv)));
}

static void
sub_leave(struct subscriptions *t, struct subscription *s)
{
	(void)sub_say(t, sub_words[s->kind].leave, sub_channel(s));
}

/* What is published from now on does not come. */
static void
sub_deafen(struct subscriptions *t, struct subscription *s)
{
	if (s->deaf.us == 0 && link_up(t->link))
		s->deaf = loop_now(t->p.loop);
}

static void
sub_ask(struct subscriptions *t, struct subscription *s)
{
	if (sub_say(t, sub_words[s->kind].ask, sub_channel(s))) {
		sub_enter(t, s, SUB_ASKED);
		return;
	}
	sub_deafen(t, s);
	sub_enter(t, s, SUB_OFF);	/* the next beat asks */
}

static void
sub_tell_late(struct subscriptions *t, struct subscription *s)
{
	struct mono since = s->deaf;

	s->deaf.us = 0;
	if (since.us != 0 && t->p.late != NULL)
		t->p.late(t->p.arg, sub_channel(s), since);
}

/* All that are in this state. */
static void
subs_ask(struct subscriptions *t, enum subscription_state state)
{
	struct subscription *s;
	size_t i;

	for (i = 0; i < t->cap; i++)
		for (s = t->buckets[i]; s != NULL; s = s->next)
			if (s->state == state)
				sub_ask(t, s);
}

static void
subs_settle(struct subscriptions *t)
{
	if (t->ready || t->non + t->ndenied < t->n)
		return;
	t->ready = true;
	t->p.ready(t->p.arg);
}

bool
subscriptions_add(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel, subscriptions_cb *cb, void *arg)
{
	struct subscription **at, *s;
	uint64_t hash;

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	MUST(channel.n <= SUBSCRIPTIONS_CHANNEL);
	hash = hash_bytes(&t->p.hash_key, channel);
	at = subs_place(t, kind, channel, hash);
	if (*at != NULL) {	/* on its way out */
		(*at)->wanted = true;
		(*at)->cb = cb;
		(*at)->arg = arg;
		return (true);
	}
	s = calloc(1, sizeof *s + channel.n);
	if (s == NULL)
		return (false);
	*at = s;
	s->kind = kind;
	s->hash = hash;
	s->n = channel.n;
	if (channel.n > 0)
		memcpy(s->channel, channel.p, channel.n);
	s->wanted = true;
	s->cb = cb;
	s->arg = arg;
	t->n++;
	subs_grow(t);
	sub_ask(t, s);
	return (true);
}

void
subscriptions_remove(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel)
{
	struct subscription *s;

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	s = subs_find(t, kind, channel);
	if (s == NULL)
		return;
	if (s->state == SUB_ASKED) {
		s->wanted = false;	/* its answer has to find it */
		return;
	}
	if (s->state == SUB_ON)
		sub_leave(t, s);
	sub_drop(t, s);
	if (link_up(t->link))
		subs_settle(t);
}

/* --- what comes -----------------------------------------------------------*/

/* The first of those asked has been answered. */
static void
subs_answered(struct subscriptions *t, struct subscription *s,
    enum subscription_state state)
{
	sub_enter(t, s, state);
	if (state == SUB_DENIED)
		sub_deafen(t, s);
	else if (s->wanted)
		sub_tell_late(t, s);
	if (!s->wanted) {
		if (state == SUB_ON)
			sub_leave(t, s);
		sub_drop(t, s);
	}
	subs_settle(t);
}

static void
subs_on_error(struct subscriptions *t, const struct reply *o)
{
	struct subscription *s = TAILQ_FIRST(&t->asked);
	char words[REPLY_WORDS];

	reply_words(o, words);
	if (s == NULL) {
		link_fail(t->link, REDIS_ERRORS, words);
		return;
	}
	if (s->wanted)
		t->p.denied(t->p.arg, s->kind, sub_channel(s), words);
	subs_answered(t, s, SUB_DENIED);
}

/* One that answers to nothing of ours is a stranger's message, or late. */
static void
subs_on_message(struct subscriptions *t, enum subscription_kind kind,
    const struct reply *o)
{
	struct subscription *s = subs_find(t, kind, o->elements[1]->text);

	counter_add(COUNTER_redis_messages, 1);
	/* of a pattern: the pattern, the channel, the message */
	if (s != NULL && s->wanted)
		s->cb(s->arg, o->elements[o->n - 2]->text,
		    o->elements[o->n - 1]->text);
}

static void
subs_on_asked(struct subscriptions *t, enum subscription_kind kind,
    const struct reply *o)
{
	struct subscription *s = subs_find(t, kind, o->elements[1]->text);

	if (s != NULL && s->state == SUB_ASKED)
		subs_answered(t, s, SUB_ON);
}

static void
subs_on_array(struct subscriptions *t, const struct reply *o)
{
	struct slice said = o->elements[0]->text;
	unsigned kind;

	for (kind = 0; kind < nitems(sub_words); kind++) {
		if (slice_eq(said, slice_str(sub_words[kind].message)) &&
		    o->n == (kind == SUB_PATTERN ? 4 : 3))
			subs_on_message(t, kind, o);
		else if (slice_eq(said, slice_str(sub_words[kind].asked)) &&
		    o->n == 3)
			subs_on_asked(t, kind, o);
	}
}

static void
subs_on_reply(void *arg, const struct reply *o)
{
	struct subscriptions *t = arg;

	if (o->type == REPLY_ERROR)
		subs_on_error(t, o);
	else if (o->type == REPLY_ARRAY && o->n >= 2 &&
	    o->elements[0]->type == REPLY_STRING)
		subs_on_array(t, o);
	else if (o->type == REPLY_ARRAY)
		link_fail(t->link, REDIS_NONSENSE, "no message");
	else if (o->type != REPLY_STATUS)
		/* a status is PONG while nothing is subscribed */
		link_fail(t->link, REDIS_NONSENSE, "no array");
}

static void
subs_on_up(void *arg)
{
	struct subscriptions *t = arg;

	t->ready = false;
	t->pinged = t->again = loop_now(t->p.loop);
	subs_ask(t, SUB_OFF);
	subs_settle(t);
}

static void
subs_on_down(void *arg, bool was_up, enum redis_state why, const char *words)
{
	struct subscriptions *t = arg;
	struct subscription *s, *next;
	size_t i;

	t->ready = false;
	for (i = 0; i < t->cap; i++)
		for (s = t->buckets[i]; s != NULL; s = next) {
			next = s->next;
			if (s->wanted)
				sub_enter(t, s, SUB_OFF);
			else
				sub_drop(t, s);
		}
	t->p.down(t->p.arg, was_up, why, words);
}

/* --- time -----------------------------------------------------------------*/

void
subscriptions_beat(struct subscriptions *t)
{
	static const struct slice ping[] = { SLICE("PING") };
	uint64_t now = loop_now(t->p.loop).us;

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	if (!link_up(t->link))
		return;
	if (now - link_heard(t->link).us > SUBSCRIPTIONS_SILENT_MS * 1000) {
		link_fail(t->link, REDIS_SILENT, "nothing comes in");
		return;
	}
	if (now - t->pinged.us >= SUBSCRIPTIONS_PING_MS * 1000) {
		t->pinged.us = now;
		(void)link_command(t->link, ping, nitems(ping));
	}
	if (t->non + t->ndenied < t->n)
		subs_ask(t, SUB_OFF);
	if (t->ndenied > 0 &&
	    now - t->again.us >= SUBSCRIPTIONS_AGAIN_MS * 1000) {
		t->again.us = now;
		t->ready = false;
		subs_ask(t, SUB_DENIED);
	}
}

void
subscriptions_flush(struct subscriptions *t)
{
	link_flush(t->link);
}

bool
subscriptions_ready(const struct subscriptions *t)
{
	return (link_up(t->link) && t->non == t->n);
}

size_t
subscriptions_denied(const struct subscriptions *t)
{
	return (t->ndenied);
}

void
subscriptions_fail(struct subscriptions *t, enum redis_state why,
    const char *words)
{
	link_fail(t->link, why, words);
}

void
subscriptions_aim(struct subscriptions *t, const char *host, unsigned port)
{
	link_aim(t->link, host, port);
}

void
subscriptions_renew(struct subscriptions *t)
{
	link_renew(t->link);
}

/* --- birth and death ------------------------------------------------------*/

struct subscriptions *
subscriptions_new(const struct subscriptions_params *p)
{
	struct subscriptions *t = calloc(1, sizeof *t);
	struct link_params link = { .conf = p->conf, .loop = p->loop,
		.aimed = p->aimed, .listens = true,
		.name = "subscriber", .queue_bytes = p->queue_bytes,
		.limits = { 4, 16, SUBSCRIPTIONS_MESSAGE },
		.calls = { t, subs_on_up, subs_on_reply, subs_on_down } };

	if (t == NULL)
		return (NULL);
	t->magic = SUBSCRIPTIONS_MAGIC;
	t->p = *p;
	TAILQ_INIT(&t->asked);
	t->cap = 64;
	t->buckets = calloc(t->cap, sizeof(struct subscription *));
	if (t->buckets != NULL)
		t->link = link_new(&link);
	if (t->link == NULL)
		subscriptions_free(&t);
	return (t);
}

void
subscriptions_free(struct subscriptions **tp)
{
	struct subscriptions *t = *tp;
	struct subscription *s;
	size_t i;

	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	link_free(&t->link);
	for (i = 0; t->buckets != NULL && i < t->cap; i++)
		while ((s = t->buckets[i]) != NULL) {
			t->buckets[i] = s->next;
			free(s);
		}
	free(t->buckets);
	t->magic = 0;
	free(t);
}
