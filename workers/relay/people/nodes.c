/*
 * Who else is there; see nodes.h.  Called by people.c, which joins it
 * with truth.c and mirror.c.
 */
#include "relay/people/nodes_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "sys/log.h"

#define NODES_BEAT_MS	2000u	/* how often we say that we are here */
#define NODES_SILENT_MS	3000u	/* not heard for so long: asked for */
#define NODES_LIST_MS	10000u	/* how often the list is read */
#define NODES_AGAIN_MS	500u	/* not to answer each of many */
/* Who has to connect again is given the time for it. */
#define NODES_GRACE_MS	12000u
#define NODES_LIST_TTL	"86400000"	/* ms; when no daemon is there any more */
/* Who speaks with our id for so long is not what we have said ourselves. */
#define NODES_TWIN_MS	3000u
#define NODES_TWIN_GONE_MS 15000u	/* since it was heard */

/* --- places ---------------------------------------------------------------*/

static struct node *
nodes_find(struct nodes *s, uint64_t id)
{
	unsigned i;

	for (i = 0; i < NODES_MAX; i++)
		if (s->list[i].all != NULL && s->list[i].id == id)
			return (&s->list[i]);
	return (NULL);
}

static void
nodes_count(struct nodes *s)
{
	unsigned i, n = 0;

	s->used = 0;
	for (i = 0; i < NODES_MAX; i++) {
		if (s->list[i].all == NULL)
			continue;
		s->used = i + 1;
		n += !s->list[i].gone;
	}
	s->known = n;
	if (!s->quiet)
		counter_set(COUNTER_nodes_known, n);
}

unsigned
nodes_known(const struct nodes *s)
{
	return (s->known);
}

static struct node *
nodes_add(struct nodes *s, uint64_t id)
{
	char name[NODES_NAME];
	unsigned i;

	for (i = 0; i < NODES_MAX; i++)
		if (s->list[i].all == NULL)
			break;
	nodes_name(name, id);
	if (i == NODES_MAX) {
		if (!s->crowded)
			log_warnx("nodes_too_many node=%s most=%u", name,
			    NODES_MAX);
		s->crowded = true;
		return (NULL);
	}
	s->list[i] = (struct node){ .all = s, .id = id, .host = i,
		.heard = mono_now(), .wanted = true };
	nodes_count(s);
	log_info("node_came node=%s", name);
	return (&s->list[i]);
}

unsigned
nodes_used(const struct nodes *s)
{
	return (s->used);
}

struct node *
nodes_at(struct nodes *s, unsigned i)
{
	return (s->list[i].all == NULL ? NULL : &s->list[i]);
}

void
nodes_forget(struct node *n)
{
	struct nodes *s = n->all;

	n->all = NULL;
	s->crowded = false;
	nodes_count(s);
}

bool
nodes_listed(const struct nodes *s)
{
	return (s->listed && s->asking == 0);
}

bool
nodes_crowded(const struct nodes *s)
{
	return (s->crowded);
}

unsigned
nodes_rank(const struct nodes *s)
{
	unsigned i, n = 0;

	for (i = 0; i < NODES_MAX; i++)
		n += s->list[i].all != NULL && !s->list[i].gone &&
		    s->list[i].id < s->p.node_id;
	return (n);
}

static void
nodes_end(struct nodes *s, struct node *n, enum nodes_end how)
{
	char name[NODES_NAME];

	if (n->gone)
		return;
	nodes_name(name, n->id);
	log_info("node_gone node=%s how=%s", name,
	    how == NODES_SILENT ? "silent" : "bye");
	counter_add(COUNTER_nodes_gone, 1);
	n->gone = true;
	nodes_count(s);
	s->p.gone(s->p.arg, n, how);
}

/* --- who is asked for -----------------------------------------------------*/

static bool
nodes_ask(struct nodes *s, uint64_t id, commands_cb *cb, void *arg)
{
	struct slice argv[] = { SLICE("EXISTS"), SLICE("") };

	argv[1] = nodes_key(&s->key, s->p.conf, id);
	return (nodes_command(s, argv[1], argv, nitems(argv), cb, arg));
}

static bool
nodes_is_silent(const struct node *n, struct mono now)
{
	return (now.us >= n->heard.us + NODES_SILENT_MS * 1000);
}

static void
nodes_on_exists(void *arg, const struct reply *o)
{
	struct node *n = arg;
	struct nodes *s = n->all;
	uint64_t asked = n->asked;

	n->asked = 0;
	if (s == NULL || o == NULL || o->type != REPLY_INTEGER || !s->up ||
	    n->id != asked)
		return;
	if (o->integer != 0) {
		/* it is there, and what becomes of its users we do not hear */
		n->ready = n->ready && !nodes_is_silent(n, mono_now());
		return;
	}
	if (n->heard_now || mono_now().us - s->since.us >
	    NODES_GRACE_MS * 1000)
		nodes_end(s, n, NODES_SILENT);
}

static void
nodes_ask_silent(struct nodes *s, struct mono now)
{
	struct node *n;
	unsigned i;

	for (i = 0; i < NODES_MAX; i++) {
		n = &s->list[i];
		if (n->all == NULL || n->gone || n->asked != 0 ||
		    !nodes_is_silent(n, now))
			continue;
		n->asked = n->id;
		if (!nodes_ask(s, n->id, nodes_on_exists, n))
			n->asked = 0;
	}
}

static void
nodes_on_unknown(void *arg, const struct reply *o)
{
	struct nodes_unknown *u = arg;
	struct nodes *s = u->all;
	uint64_t id = u->id;

	u->id = 0;
	s->asking--;
	if (o == NULL || o->type != REPLY_INTEGER || !s->up ||
	    nodes_find(s, id) != NULL)
		return;
	if (o->integer != 0)
		(void)nodes_add(s, id);
	else
		s->p.remains(s->p.arg, id);
}

static void
nodes_ask_unknown(struct nodes *s, uint64_t id)
{
	struct nodes_unknown *u;
	unsigned i;

	for (i = 0; i < NODES_UNKNOWN; i++)
		if (s->unknown[i].id == 0)
			break;
	if (i == NODES_UNKNOWN)
		return;		/* the list is read again */
	u = &s->unknown[i];
	*u = (struct nodes_unknown){ s, id };
	s->asking++;
	if (!nodes_ask(s, id, nodes_on_unknown, u)) {
		u->id = 0;
		s->asking--;
	}
}

static void
nodes_on_list(void *arg, const struct reply *o)
{
	struct nodes *s = arg;
	uint64_t id;
	size_t i;

	if (o == NULL || o->type != REPLY_ARRAY || !s->up)
		return;
	for (i = 0; i < o->n; i++)
		if (o->elements[i]->type == REPLY_STRING &&
		    nodes_id(o->elements[i]->text, &id) &&
		    id != s->p.node_id && nodes_find(s, id) == NULL)
			nodes_ask_unknown(s, id);
	s->listed = true;
}

/* Ours may have been taken out of it while we were thought to be gone. */
static void
nodes_read_list(struct nodes *s, struct mono now)
{
	struct slice argv[] = { SLICE("HKEYS"), slice_str(s->channel) };
	struct slice expire[] = { SLICE("PEXPIRE"), argv[1],
		SLICE(NODES_LIST_TTL) };

	s->listed_at = now;
	nodes_write(s);
	(void)nodes_command(s, argv[1], expire, nitems(expire), NULL, NULL);
	(void)nodes_command(s, argv[1], argv, nitems(argv), nodes_on_list, s);
}

/* --- what is heard --------------------------------------------------------*/

/* What it says of itself is not what we have heard of it. */
static bool
nodes_missed(const struct node *n, const struct news *m)
{
	return (m->epoch != n->epoch || m->number !=
	    n->number + (m->kind == NEWS_CHANGES ? 1 : 0));
}

static void
nodes_hear(struct nodes *s, const struct news *m)
{
	struct node *n = nodes_find(s, m->node);

	if (n == NULL && m->kind != NEWS_BYE)
		n = nodes_add(s, m->node);
	if (n == NULL || n->gone)
		return;		/* it comes again, then it is new */
	if (nodes_missed(n, m))
		n->wanted = true;
	n->heard = mono_now();
	n->heard_now = true;
	if (m->kind == NEWS_BYE && m->epoch != n->epoch)
		return;		/* its key will say so */
	n->epoch = m->epoch;
	n->number = m->number;
	n->ready = m->ready;
	if (m->kind == NEWS_CHANGES)
		s->p.changes(s->p.arg, n, m);
	if (m->kind == NEWS_BYE)
		nodes_end(s, n, NODES_SAID_BYE);
	if (m->kind == NEWS_HELLO && s->up && mono_now().us - s->beaten.us >
	    NODES_AGAIN_MS * 1000)
		nodes_say(s, NEWS_BEAT);
}

/* Not our echo: those of one epoch follow those of another. */
static void
nodes_hear_twin(struct nodes *s, const struct news *m)
{
	char name[NODES_NAME];
	struct mono now = mono_now();

	if (s->epoch == 0 || m->epoch == s->epoch ||
	    m->epoch == s->epoch_before)
		return;
	counter_add(COUNTER_nodes_twin, 1);
	s->twin_heard = now;
	if (s->twin_since.us == 0)
		s->twin_since = now;
	if (s->twin || now.us < s->twin_since.us + NODES_TWIN_MS * 1000)
		return;
	s->twin = true;
	nodes_name(name, s->p.node_id);
	log_warnx("node_twin node=%s", name);
}

static void
nodes_forget_twin(struct nodes *s, struct mono now)
{
	if (s->twin_since.us == 0 || now.us < s->twin_heard.us +
	    NODES_TWIN_GONE_MS * 1000)
		return;
	if (s->twin)
		log_info("node_twin_gone");
	s->twin = false;
	s->twin_since.us = 0;
}

bool
nodes_twin(const struct nodes *s)
{
	return (s->twin);
}

static void
nodes_on_message(void *arg, struct slice channel, struct slice payload)
{
	struct nodes *s = arg;
	struct news m;

	(void)channel;
	if (s->left)
		return;		/* who goes on in our place speaks */
	if (!s->p.unseal(s->p.arg, slice_str(s->channel), &payload))
		return;			/* counted there */
	if (!news_get(payload, &m) || m.node == 0)
		counter_add(COUNTER_far_bad, 1);
	else if (m.node != s->p.node_id)
		nodes_hear(s, &m);
	else
		nodes_hear_twin(s, &m);
}

/* --- time, birth and death ------------------------------------------------*/

void
nodes_gap(struct nodes *s, struct slice channel)
{
	unsigned i;

	CHECK_MAGIC(s, NODES_MAGIC);
	if (channel.n == 0 || slice_eq(channel, slice_str(s->channel)))
		for (i = 0; i < NODES_MAX; i++)
			s->list[i].wanted = true;
}

void
nodes_ready(struct nodes *s)
{
	unsigned i;

	CHECK_MAGIC(s, NODES_MAGIC);
	if (s->left)
		return;
	s->up = true;
	s->since = mono_now();
	s->listed = false;
	nodes_gap(s, slice_of(NULL, 0));
	for (i = 0; i < NODES_MAX; i++)
		s->list[i].heard_now = false;
	nodes_read_list(s, s->since);
	nodes_say(s, NEWS_HELLO);
}

void
nodes_lost(struct nodes *s)
{
	CHECK_MAGIC(s, NODES_MAGIC);
	s->up = false;
	s->ready = false;
	s->listed = false;
}

void
nodes_beat(struct nodes *s, struct mono now)
{
	CHECK_MAGIC(s, NODES_MAGIC);
	/* though some of Redis be away, if there is more than one: we are still
	 * here, and not ready */
	if (s->since.us != 0 && now.us >= s->beaten.us +
	    NODES_BEAT_MS * 1000 - 500000)
		nodes_renew(s);
	if (!s->up)
		return;
	nodes_ask_silent(s, now);
	nodes_forget_twin(s, now);
	if (!s->listed || now.us >= s->listed_at.us + NODES_LIST_MS * 1000)
		nodes_read_list(s, now);
}

struct nodes *
nodes_new(const struct nodes_params *p)
{
	struct nodes *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = NODES_MAGIC;
	s->p = *p;
	s->started_ms = wall_now().ms;
	buf_init(&s->key);
	buf_init(&s->value);
	buf_init(&s->message);
	(void)snprintf(s->channel, sizeof s->channel, "%snodes",
	    p->conf->redis.prefix);
	if (!redis_subscribe(p->redis, slice_str(s->channel),
	    nodes_on_message, s)) {
		s->up = false;
		nodes_free(&s);
	}
	return (s);
}

void
nodes_quiet(struct nodes *s)
{
	CHECK_MAGIC(s, NODES_MAGIC);
	s->quiet = true;
}

void
nodes_hush(struct nodes *s)
{
	nodes_lost(s);
	s->since.us = 0;	/* nothing is said any more */
	s->left = true;
}

void
nodes_leave(struct nodes *s)
{
	struct slice argv[] = { SLICE("DEL"), SLICE("") };

	CHECK_MAGIC(s, NODES_MAGIC);
	if (s->up) {
		nodes_say(s, NEWS_BYE);
		argv[1] = nodes_key(&s->key, s->p.conf, s->p.node_id);
		(void)nodes_command(s, argv[1], argv, nitems(argv), NULL,
		    NULL);
	}
	nodes_hush(s);
}

void
nodes_conf(struct nodes *s, const struct conf *conf)
{
	CHECK_MAGIC(s, NODES_MAGIC);
	s->p.conf = conf;
}

void
nodes_free(struct nodes **sp)
{
	struct nodes *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	nodes_leave(s);
	redis_unsubscribe(s->p.redis, slice_str(s->channel));
	buf_fini(&s->key);
	buf_fini(&s->value);
	buf_fini(&s->message);
	s->magic = 0;
	free(s);
}
