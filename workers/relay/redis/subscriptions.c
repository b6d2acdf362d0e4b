/*
 * Channels and who listens to them; see subscriptions.h.  A channel is asked
 * for by a command of its own, so that an error can be told from its place
 * among the replies.
 */
#include "relay/redis/subscriptions_int.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "relay/redis/slotmap.h"
#include "relay/redis/spread.h"
#include "shm/counters.h"

#define SUBSCRIPTIONS_PING_MS	2000
#define SUBSCRIPTIONS_AGAIN_MS	5000	/* denied channels are asked again */
#define SUBSCRIPTIONS_MESSAGE	(68u << 20)	/* more than a client may send:
						 * who is larger ends the link */
#define SUBSCRIPTIONS_LAG_MS	1000	/* others knew of a move before us */
#define SUBSCRIPTIONS_STALE	2	/* beats that the old place is heard */

/* How each kind is asked for and given up, and what Redis then says; ours are
 * of one of the other kinds: see sub_verbs(). */
static const struct sub_words {
	const char	*ask, *leave;
	const char	*asked, *left, *message;
} sub_words[] = {
	[SUB_EXACT] = { "SUBSCRIBE", "UNSUBSCRIBE", "subscribe",
	    "unsubscribe", "message" },
	[SUB_PATTERN] = { "PSUBSCRIBE", "PUNSUBSCRIBE", "psubscribe",
	    "punsubscribe", "pmessage" },
	[SUB_SHARDED] = { "SSUBSCRIBE", "SUNSUBSCRIBE", "ssubscribe",
	    "sunsubscribe", "smessage" },
};

/* --- names ----------------------------------------------------------------*/

static size_t
sub_prefix(const struct subscriptions *t)
{
	return (strlen(t->p.conf->prefix));
}

static const struct sub_words *
sub_verbs(const struct subscriptions *t, const struct subscription *s)
{
	if (s->kind == SUB_OURS)
		return (&sub_words[t->p.tagged ? SUB_SHARDED : SUB_EXACT]);
	if (s->kind == SUB_ALL_OURS)
		return (&sub_words[SUB_PATTERN]);
	return (&sub_words[s->kind]);
}

/* What Redis knows it as. */
static struct slice
sub_wire(struct subscriptions *t, const struct subscription *s)
{
	if (s->kind != SUB_OURS || !t->p.tagged)
		return (sub_channel(s));
	return (spread_tagged(&t->wire, sub_channel(s), sub_prefix(t)));
}

/* Whom Redis means; *channel becomes what it is called by us. */
static struct subscription *
subs_named(struct subscriptions *t, enum subscription_kind kind,
    struct slice *channel)
{
	struct subscription *s = NULL;

	if (kind == SUB_SHARDED && t->p.tagged && spread_plain(&t->plain,
	    *channel, sub_prefix(t), channel))
		kind = SUB_OURS;
	else if (kind == SUB_EXACT && !t->p.tagged)
		s = *subscriptions_place(t, SUB_OURS, *channel);
	else if (kind == SUB_PATTERN)
		s = *subscriptions_place(t, SUB_ALL_OURS, *channel);
	return (s != NULL ? s : *subscriptions_place(t, kind, *channel));
}

/* --- asking ---------------------------------------------------------------*/

static bool
sub_say(struct subscriptions *t, const char *verb, struct slice channel)
{
	struct slice argv[] = { slice_str(verb), channel };

	if (t->wire.oom) {
		counter_add(COUNTER_memory_failures, 1);
		buf_fini(&t->wire);
		buf_init(&t->wire);
		return (false);
	}
	return (link_command(t->link, argv, nitems(argv)));
}

static void
sub_leave(struct subscriptions *t, struct subscription *s)
{
	(void)sub_say(t, sub_verbs(t, s)->leave, sub_wire(t, s));
}

/* What is published from now on, or was since ms ago, does not come. */
static void
sub_deafen(struct subscriptions *t, struct subscription *s, uint64_t ms)
{
	if (s->deaf.us == 0)
		s->deaf.us = loop_now(t->p.loop).us - ms * 1000;
}

static void
sub_tell_late(struct subscriptions *t, struct subscription *s)
{
	struct mono since = s->deaf;

	s->deaf.us = 0;
	if (since.us != 0 && t->p.late != NULL)
		t->p.late(t->p.arg, sub_channel(s), since);
}

static void
sub_ask(struct subscriptions *t, struct subscription *s)
{
	if (sub_say(t, sub_verbs(t, s)->ask, sub_wire(t, s))) {
		subscription_enter(t, s, SUB_ASKED);
		return;
	}
	if (link_up(t->link))
		sub_deafen(t, s, 0);
	subscription_enter(t, s, SUB_OFF);	/* the next beat asks */
}

static void
sub_ask_off(struct subscriptions *t, struct subscription *s, void *arg)
{
	(void)arg;
	if (s->state == SUB_OFF)
		sub_ask(t, s);
}

static void
sub_ask_denied(struct subscriptions *t, struct subscription *s, void *arg)
{
	(void)arg;
	if (s->state == SUB_DENIED)
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

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	MUST(channel.n <= SUBSCRIPTIONS_CHANNEL);
	at = subscriptions_place(t, kind, channel);
	s = *at;
	if (s == NULL)
		s = subscriptions_insert(t, at, kind, channel);
	else {	/* on its way out */
		t->nstale -= s->stale > 0;
		s->stale = 0;
		s->wanted = true;
	}
	if (s == NULL)
		return (false);
	s->cb = cb;
	s->arg = arg;
	if (s->state == SUB_OFF)
		sub_ask(t, s);
	if (kind == SUB_ALL_OURS)
		sub_deafen(t, s, SUBSCRIPTIONS_LAG_MS);
	else if (t->p.each && !link_up(t->link))
		sub_deafen(t, s, 0);
	return (true);
}

static void
sub_give_up(struct subscriptions *t, struct subscription *s)
{
	if (s->state == SUB_ASKED) {
		s->wanted = false;	/* its answer has to find it */
		return;
	}
	if (s->state == SUB_ON)
		sub_leave(t, s);
	subscription_drop(t, s);
}

void
subscriptions_remove(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel)
{
	struct subscription *s;

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	s = *subscriptions_place(t, kind, channel);
	if (s == NULL)
		return;
	if (kind == SUB_ALL_OURS)	/* for some it was never heard */
		sub_tell_late(t, s);
	sub_give_up(t, s);
	if (link_up(t->link))
		subs_settle(t);
}

/* --- what moves -----------------------------------------------------------*/

struct subs_move {
	subscriptions_to *to;
	void		*arg;
};

/*
 * Asked for there, and heard here for a while: some publish here who do not
 * know yet.  What was published there before we ask nobody has kept.  Classic
 * channels are heard in all places, and would come twice.
 */
static void
sub_move(struct subscriptions *from, struct subscription *s, void *arg)
{
	const struct subs_move *m = arg;
	struct subscriptions *to;
	struct subscription *new;

	if (!s->wanted || s->stale > 0)
		return;
	to = m->to(m->arg, s->kind, sub_channel(s));
	if (to == NULL || to == from)
		return;
	if (!subscriptions_add(to, s->kind, sub_channel(s), s->cb, s->arg)) {
		counter_add(COUNTER_memory_failures, 1);
		return;		/* the next move finds it here */
	}
	new = *subscriptions_place(to, s->kind, sub_channel(s));
	if (new->state != SUB_ON && s->deaf.us != 0)
		new->deaf = s->deaf;
	if (s->state == SUB_ON && new->state != SUB_ON)
		sub_deafen(to, new, SUBSCRIPTIONS_LAG_MS);
	if (s->state == SUB_ON && sub_verbs(from, s) ==
	    &sub_words[SUB_SHARDED]) {
		s->stale = 1;
		from->nstale++;
	} else
		sub_give_up(from, s);
	counter_add(COUNTER_redis_moved, 1);
}

void
subscriptions_move(struct subscriptions *t, subscriptions_to *to, void *arg)
{
	struct subs_move m = { to, arg };

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	subscriptions_each(t, sub_move, &m);
	if (link_up(t->link))
		subs_settle(t);
}

static void
sub_age(struct subscriptions *t, struct subscription *s, void *arg)
{
	(void)arg;
	if (s->stale > 0 && s->stale++ >= SUBSCRIPTIONS_STALE)
		sub_give_up(t, s);
}

/* --- what comes -----------------------------------------------------------*/

/* The first of those asked has been answered. */
static void
subs_answered(struct subscriptions *t, struct subscription *s,
    enum subscription_state state)
{
	subscription_enter(t, s, state);
	if (state != SUB_ON)
		sub_deafen(t, s, 0);
	else if (s->wanted)
		sub_tell_late(t, s);
	if (!s->wanted)
		sub_give_up(t, s);
	subs_settle(t);
}

/* Where the channels of a slot are now: the first of them that was asked for.
 * To one that was given up nothing has to be done. */
static void
subs_on_moved(struct subscriptions *t, const struct slotmap_redirect *to)
{
	struct subscription *s;

	TAILQ_FOREACH(s, &t->asked, asked)
		if (sub_verbs(t, s) == &sub_words[SUB_SHARDED] &&
		    spread_slot(sub_wire(t, s)) == to->slot)
			break;
	if (s == NULL)
		return;
	subs_answered(t, s, SUB_OFF);
	t->p.moved(t->p.arg, to);
}

static void
subs_on_error(struct subscriptions *t, const struct reply *o)
{
	struct subscription *s = TAILQ_FIRST(&t->asked);
	struct slotmap_redirect to;
	char words[REPLY_WORDS];

	reply_words(o, words);
	if (t->p.moved != NULL && slotmap_redirect(o, &to))
		subs_on_moved(t, &to);
	else if (slotmap_is_passing(o)) {
		if (s != NULL)
			subs_answered(t, s, SUB_OFF); /* the next beat asks */
	} else if (s == NULL)
		link_fail(t->link, REDIS_ERRORS, words);
	else {
		if (s->wanted)
			t->p.denied(t->p.arg, s->kind, sub_channel(s), words);
		subs_answered(t, s, SUB_DENIED);
	}
}

/*
 * With a pattern over it a message comes twice: by the channel itself, if Redis
 * had it in its list, and by the pattern.  What Redis has confirmed is taken
 * from the channel, all else from the pattern.
 */
static bool
subs_has_other(struct subscriptions *t, const struct subscription *s,
    struct slice channel)
{
	const struct subscription *one;

	if (s->kind == SUB_OURS)
		return (t->all && s->state != SUB_ON);
	if (s->kind != SUB_ALL_OURS)
		return (false);
	one = *subscriptions_place(t, SUB_OURS, channel);
	return (one != NULL && one->state == SUB_ON);
}

/* One that answers to nothing of ours is a stranger's message, or late. */
static void
subs_on_message(struct subscriptions *t, enum subscription_kind kind,
    const struct reply *o)
{
	struct slice channel = o->elements[1]->text;
	struct subscription *s = subs_named(t, kind, &channel);

	counter_add(COUNTER_redis_messages, 1);
	/* of a pattern: the pattern, the channel, the message */
	if (o->n == 4)
		channel = o->elements[2]->text;
	if (s != NULL && s->wanted && !subs_has_other(t, s, channel))
		s->cb(s->arg, channel, o->elements[o->n - 1]->text);
}

static void
subs_on_asked(struct subscriptions *t, enum subscription_kind kind,
    const struct reply *o)
{
	struct slice channel = o->elements[1]->text;
	struct subscription *s = subs_named(t, kind, &channel);

	if (s != NULL && s->state == SUB_ASKED)
		subs_answered(t, s, SUB_ON);
}

/* Unasked: its slot is no longer here.  What was asked is not there. */
static void
subs_on_left(struct subscriptions *t, enum subscription_kind kind,
    const struct reply *o)
{
	struct slice channel = o->elements[1]->text;
	struct subscription *s = subs_named(t, kind, &channel);

	if (s == NULL || s->state != SUB_ON)
		return;
	if (s->stale > 0) {
		subscription_drop(t, s);
		return;
	}
	sub_deafen(t, s, SUBSCRIPTIONS_LAG_MS);
	t->ready = false;
	sub_ask(t, s);		/* it is told where to */
}

static void
subs_on_array(struct subscriptions *t, const struct reply *o)
{
	struct slice said = o->elements[0]->text;
	unsigned kind;

	for (kind = SUB_EXACT; kind < nitems(sub_words); kind++) {
		if (slice_eq(said, slice_str(sub_words[kind].message)) &&
		    o->n == (kind == SUB_PATTERN ? 4 : 3))
			subs_on_message(t, kind, o);
		else if (o->n != 3)
			continue;
		else if (slice_eq(said, slice_str(sub_words[kind].asked)))
			subs_on_asked(t, kind, o);
		else if (slice_eq(said, slice_str(sub_words[kind].left)))
			subs_on_left(t, kind, o);
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
	subscriptions_each(t, sub_ask_off, NULL);
	subs_settle(t);
}

static void
sub_on_down(struct subscriptions *t, struct subscription *s, void *arg)
{
	(void)arg;
	if (t->p.each && s->state == SUB_ON)
		sub_deafen(t, s, 0);
	if (s->wanted && s->stale == 0)
		subscription_enter(t, s, SUB_OFF);
	else
		subscription_drop(t, s);
}

static void
subs_on_down(void *arg, bool was_up, enum redis_state why, const char *words)
{
	struct subscriptions *t = arg;

	t->ready = false;
	subscriptions_each(t, sub_on_down, NULL);
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
		subscriptions_each(t, sub_ask_off, NULL);
	if (t->nstale > 0)
		subscriptions_each(t, sub_age, NULL);
	if (t->ndenied > 0 &&
	    now - t->again.us >= SUBSCRIPTIONS_AGAIN_MS * 1000) {
		t->again.us = now;
		t->ready = false;
		subscriptions_each(t, sub_ask_denied, NULL);
	}
}

void
subscriptions_flush(struct subscriptions *t)
{
	link_flush(t->link);
}

bool
subscriptions_hears(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel)
{
	const struct subscription *s;

	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	if (!link_up(t->link))
		return (false);
	s = *subscriptions_place(t, kind, channel);
	return ((s != NULL && s->state == SUB_ON && s->stale == 0) ||
	    (kind == SUB_OURS && t->all));
}

bool
subscriptions_ready(const struct subscriptions *t)
{
	return (link_up(t->link) && t->non == t->n);
}

size_t
subscriptions_count(const struct subscriptions *t)
{
	return (t->n);
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
subscriptions_start(struct subscriptions *t)
{
	link_start(t->link);
}

void
subscriptions_renew(struct subscriptions *t)
{
	link_renew(t->link);
}

void
subscriptions_aim(struct subscriptions *t, const char *host, unsigned port)
{
	link_aim(t->link, host, port);
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
	buf_init(&t->wire);
	buf_init(&t->plain);
	if (subscriptions_table_open(t))
		t->link = link_new(&link);
	if (t->link == NULL)
		subscriptions_free(&t);
	return (t);
}

void
subscriptions_free(struct subscriptions **tp)
{
	struct subscriptions *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	CHECK_MAGIC(t, SUBSCRIPTIONS_MAGIC);
	link_free(&t->link);
	subscriptions_table_close(t);
	buf_fini(&t->wire);
	buf_fini(&t->plain);
	t->magic = 0;
	free(t);
}
