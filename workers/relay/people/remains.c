/*
 * Keys of nodes that are gone; see remains.h.  Called by people.c.
 */
#include "relay/people/remains.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "relay/people/keys.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"
#include "sys/log.h"

#define REMAINS_MAX	64u	/* known; others come again */
#define REMAINS_AGAIN_MS 5000u	/* what went wrong; others before it */
#define REMAINS_TURN_MS	2000u	/* for each who comes before us */

struct remains {
	unsigned	 magic;
#define REMAINS_MAGIC	0x4e3a125b
	const struct conf *conf;
	struct redis	*redis;
	const struct nodes *nodes;
	bool		 up;
	struct {
		uint64_t	 id;	/* 0: free */
		struct mono	 due;
		const char	*why;	/* of its users; NULL: nobody says */
	}		 list[REMAINS_MAX];
	unsigned	 replies;	/* that will come */
	/* the one at work */
	uint64_t	 id;		/* 0: none */
	const char	*why;
	bool		 listed;	/* nobody has cleared it away yet */
	uint64_t	 epoch;		/* 0: its own hash is gone */
	size_t		 ns;
	bool		 tells;		/* what is beside its stream, which comes
					 * after the rest */
	char		 cursor[24];
	struct buf	 key;
};

static void remains_next(struct remains *);

static struct keys
remains_keys(const struct remains *r)
{
	return ((struct keys){ .conf = r->conf, .redis = r->redis,
		.ns = &r->conf->namespaces[r->ns], .node = r->id,
		.epoch = r->epoch, .tells = r->tells, .lost = true,
		.why = r->why });
}

static void
remains_forget(struct remains *r, uint64_t id)
{
	unsigned i;

	for (i = 0; i < REMAINS_MAX; i++)
		if (r->list[i].id == id)
			r->list[i].id = 0;
	if (r->id == id)
		r->id = 0;
}

static bool
remains_send(struct remains *r, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb)
{
	if (r->key.oom || !redis_command(r->redis, key, argv, n, cb,
	    cb == NULL ? NULL : r)) {
		r->key.oom = false;
		r->id = 0;
		return (false);
	}
	if (cb != NULL)
		r->replies++;
	return (true);
}

/* Next are those beside the stream, then the next namespace. */
static void
remains_pass(struct remains *r)
{
	if (r->tells)
		r->ns++;
	r->tells = !r->tells;
}

static bool
remains_may_be(const struct remains *r)
{
	const struct conf_namespace *ns = &r->conf->namespaces[r->ns];

	return (r->tells ? ns->tells != 0 :
	    ns->presence != CONF_PRESENCE_OFF);
}

/* All of the namespace is gone. */
static void
remains_end_namespace(struct remains *r)
{
	struct slice argv[] = { SLICE("DEL"), SLICE("") };
	struct keys k = remains_keys(r);

	argv[1] = keys_of_node(&r->key, &k);
	if (!remains_send(r, argv[1], argv, nitems(argv), NULL))
		return;
	remains_pass(r);
	remains_next(r);
}

static void remains_sweep(struct remains *);

static void
remains_on_swept(void *arg, const struct reply *o)
{
	struct remains *r = arg;

	r->replies--;
	if (r->id == 0)
		return;
	if (o == NULL || o->type != REPLY_STRING) {
		r->id = 0;		/* later */
		return;
	}
	if (slice_eq(o->text, SLICE("-"))) {
		remains_forget(r, r->id);	/* it lives */
		return;
	}
	(void)snprintf(r->cursor, sizeof r->cursor, "%.*s", (int)o->text.n,
	    (const char *)o->text.p);
	if (strcmp(r->cursor, "0") == 0)
		remains_end_namespace(r);
	else
		remains_sweep(r);
}

static void
remains_sweep(struct remains *r)
{
	struct slice cursor = slice_str(r->cursor);
	struct keys k = remains_keys(r);

	if (r->epoch == 0 ? keys_strays(&k, cursor, remains_on_swept, r) :
	    keys_sweep(&k, false, cursor, remains_on_swept, r))
		r->replies++;
	else
		r->id = 0;
}

/* One that is back by now says so before it gives its hash another epoch: what
 * was read before this is not of that one. */
static void
remains_on_exists(void *arg, const struct reply *o)
{
	struct remains *r = arg;

	r->replies--;
	if (r->id == 0)
		return;
	if (o == NULL || o->type != REPLY_INTEGER) {
		r->id = 0;
		return;
	}
	if (o->integer != 0) {
		remains_forget(r, r->id);
		return;
	}
	r->cursor[0] = '\0';
	remains_sweep(r);
}

static void
remains_ask(struct remains *r)
{
	struct slice argv[] = { SLICE("EXISTS"), SLICE("") };

	argv[1] = nodes_key(&r->key, r->conf, r->id);
	(void)remains_send(r, argv[1], argv, nitems(argv), remains_on_exists);
}

static void
remains_on_epoch(void *arg, const struct reply *o)
{
	struct remains *r = arg;

	r->replies--;
	if (r->id == 0)
		return;
	if (o == NULL || o->type == REPLY_ERROR) {
		r->id = 0;
		return;
	}
	if (o->type != REPLY_STRING || !keys_epoch_get(o->text, &r->epoch)) {
		/* thrown out, or cleared away by another one */
		r->epoch = 0;
		if (o->type == REPLY_STRING || !r->listed) {
			remains_pass(r);
			remains_next(r);
			return;
		}
	}
	remains_ask(r);
}

/* A command about the row of this node in the list of all. */
static bool
remains_send_listed(struct remains *r, struct slice command, commands_cb *cb)
{
	char list[CONF_REDIS_PREFIX_MAX + 16], name[NODES_NAME];
	struct slice argv[3];

	(void)snprintf(list, sizeof list, "%snodes", r->conf->redis.prefix);
	nodes_name(name, r->id);
	argv[0] = command;
	argv[1] = slice_str(list);
	argv[2] = slice_str(name);
	return (remains_send(r, argv[1], argv, nitems(argv), cb));
}

static void
remains_end(struct remains *r)
{
	char name[NODES_NAME];

	if (!remains_send_listed(r, SLICE("HDEL"), NULL))
		return;
	nodes_name(name, r->id);
	log_info("node_cleared node=%s", name);
	remains_forget(r, r->id);
}

static void
remains_next(struct remains *r)
{
	struct slice argv[] = { SLICE("HGET"), SLICE(""), SLICE("=") };
	struct keys k;

	while (r->ns < r->conf->nnamespaces && !remains_may_be(r))
		remains_pass(r);
	if (r->ns == r->conf->nnamespaces) {
		remains_end(r);
		return;
	}
	k = remains_keys(r);
	argv[1] = keys_of_node(&r->key, &k);
	(void)remains_send(r, argv[1], argv, nitems(argv), remains_on_epoch);
}

static void
remains_on_listed(void *arg, const struct reply *o)
{
	struct remains *r = arg;

	r->replies--;
	if (r->id == 0)
		return;
	if (o == NULL || o->type == REPLY_ERROR) {
		r->id = 0;
		return;
	}
	r->listed = o->type == REPLY_STRING;
	remains_next(r);
}

void
remains_add(struct remains *r, uint64_t id, const char *why)
{
	struct mono now = mono_now();
	unsigned i, at = REMAINS_MAX;

	CHECK_MAGIC(r, REMAINS_MAGIC);
	for (i = 0; i < REMAINS_MAX; i++) {
		if (r->list[i].id == id)
			return;
		if (r->list[i].id == 0)
			at = i;
	}
	if (at == REMAINS_MAX)
		return;
	r->list[at].id = id;
	r->list[at].why = why;
	r->list[at].due = mono_add_ms(now, (uint64_t)REMAINS_TURN_MS *
	    nodes_rank(r->nodes));
}

bool
remains_has(const struct remains *r, uint64_t id)
{
	unsigned i;

	CHECK_MAGIC(r, REMAINS_MAGIC);
	for (i = 0; i < REMAINS_MAX; i++)
		if (r->list[i].id == id)
			return (true);
	return (false);
}

/* Those of others they clear away themselves. */
void
remains_leave(struct remains *r, uint64_t id)
{
	unsigned i;

	CHECK_MAGIC(r, REMAINS_MAGIC);
	for (i = 0; i < REMAINS_MAX; i++)
		r->list[i].id = 0;
	r->id = 0;
	remains_add(r, id, NULL);	/* they are here still */
	r->list[REMAINS_MAX - 1].due = mono_now();
}

void
remains_beat(struct remains *r, struct mono now)
{
	unsigned i;

	CHECK_MAGIC(r, REMAINS_MAGIC);
	if (!r->up || r->id != 0 || r->replies > 0)
		return;
	for (i = 0; i < REMAINS_MAX; i++)
		if (r->list[i].id != 0 && r->list[i].due.us <= now.us)
			break;
	if (i == REMAINS_MAX)
		return;
	r->id = r->list[i].id;
	r->why = r->list[i].why;
	r->list[i].due = mono_add_ms(now, REMAINS_AGAIN_MS);
	r->ns = 0;
	r->tells = false;
	(void)remains_send_listed(r, SLICE("HGET"), remains_on_listed);
}

void
remains_conf(struct remains *r, const struct conf *conf)
{
	CHECK_MAGIC(r, REMAINS_MAGIC);
	r->conf = conf;
	r->id = 0;
}

void
remains_ready(struct remains *r)
{
	CHECK_MAGIC(r, REMAINS_MAGIC);
	r->up = true;
}

/* Who is gone the list will say. */
void
remains_lost(struct remains *r)
{
	unsigned i;

	CHECK_MAGIC(r, REMAINS_MAGIC);
	r->up = false;
	r->id = 0;
	for (i = 0; i < REMAINS_MAX; i++)
		r->list[i].id = 0;
}

struct remains *
remains_new(const struct conf *conf, struct redis *redis,
    const struct nodes *nodes)
{
	struct remains *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	r->magic = REMAINS_MAGIC;
	r->conf = conf;
	r->redis = redis;
	r->nodes = nodes;
	buf_init(&r->key);
	return (r);
}

void
remains_free(struct remains **rp)
{
	struct remains *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	CHECK_MAGIC(r, REMAINS_MAGIC);
	buf_fini(&r->key);
	r->magic = 0;
	free(r);
}
