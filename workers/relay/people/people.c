/*
 * Nodes, truth, mirror and remains, made and tied to each other and to Redis;
 * see people.h.
 */
#include "relay/people/people.h"

#include <stdlib.h>

#include "base/reason.h"
#include "conf/conf.h"
#include "relay/people/mirror.h"
#include "relay/people/nodes.h"
#include "relay/people/remains.h"
#include "relay/people/truth.h"
#include "relay/redis/redis.h"
#include "sys/loop.h"

#define PEOPLE_BEAT_MS	1000
/* Beside those of reason.def: so no connection of this host ends. */
#define PEOPLE_HOST_LOST "host_lost"

struct people {
	unsigned	 magic;
#define PEOPLE_MAGIC	0x9e0b1e5a
	struct people_params p;
	struct nodes	*nodes;
	struct truth	*truth;
	struct truth	*teller;	/* the same for back ends */
	struct mirror	*mirror;
	struct remains	*remains;
	struct redis_watch watch;
	struct timer	 beat;
	bool		 busy;
	bool		 left;
};

/* --- Redis ----------------------------------------------------------------*/

static void
people_on_ready(void *arg)
{
	struct people *s = arg;

	if (s->left)
		return;
	nodes_ready(s->nodes);
	truth_ready(s->truth);
	truth_ready(s->teller);
	mirror_ready(s->mirror);
	remains_ready(s->remains);
}

static void
people_on_lost(void *arg)
{
	struct people *s = arg;

	nodes_lost(s->nodes);
	truth_lost(s->truth);
	truth_lost(s->teller);
	mirror_lost(s->mirror);
	remains_lost(s->remains);
}

/* Whichever channel it was: all that others have is compared again. */
static void
people_on_gap(void *arg, struct slice channel, struct mono since)
{
	struct people *s = arg;

	(void)since;
	nodes_gap(s->nodes, channel);
}

/* --- seals ----------------------------------------------------------------*/

static bool
people_seal(void *arg, struct slice name, struct buf *b)
{
	struct people *s = arg;

	return (s->p.seal(s->p.arg, name, b));
}

static bool
people_unseal(void *arg, struct slice name, struct slice *message)
{
	struct people *s = arg;

	return (s->p.unseal(s->p.arg, name, message));
}

/* --- nodes ----------------------------------------------------------------*/

static void
people_on_emptied(void *arg)
{
	struct people *s = arg;

	truth_spoiled(s->truth);
	truth_spoiled(s->teller);
}

static void
people_on_changes(void *arg, struct node *n, const struct news *news)
{
	struct people *s = arg;

	mirror_changes(s->mirror, n, news);
}

static void
people_on_gone(void *arg, struct node *n, enum nodes_end how)
{
	struct people *s = arg;

	remains_add(s->remains, n->id, how == NODES_SAID_BYE ?
	    reason_row(REASON_shutdown)->name : PEOPLE_HOST_LOST);
	mirror_gone(s->mirror, n, how);
}

void
people_step_back(struct people *s)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	mirror_stop(s->mirror);
	nodes_quiet(s->nodes);
}

void
people_hush(struct people *s)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	s->left = true;
	truth_lost(s->truth);
	truth_lost(s->teller);
	nodes_hush(s->nodes);
}

void
people_leave(struct people *s)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	nodes_leave(s->nodes);
	people_hush(s);
	remains_leave(s->remains, s->p.node_id);
	remains_beat(s->remains, loop_now(s->p.loop));
}

bool
people_left(const struct people *s)
{
	return (s->left && !remains_has(s->remains, s->p.node_id));
}

static void
people_on_remains(void *arg, uint64_t id)
{
	struct people *s = arg;

	remains_add(s->remains, id, PEOPLE_HOST_LOST);
}

/* --- the relay ------------------------------------------------------------*/

void
people_table(struct people *s, struct table_relay *table)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	truth_table(s->truth, table);
	truth_table(s->teller, table);
	mirror_table(s->mirror, table);
}

/* Is it of other namespaces that is told who is there? */
static bool
people_differ(const struct conf *a, const struct conf *b)
{
	const struct conf_namespace *na, *nb;
	size_t i;

	for (i = 0; i < a->ns_room; i++) {
		na = conf_namespace_at(a, i);
		nb = conf_namespace_at(b, i);
		if ((na != NULL && na->presence != CONF_PRESENCE_OFF) !=
		    (nb != NULL && nb->presence != CONF_PRESENCE_OFF))
			return (true);
	}
	return (false);
}

void
people_conf(struct people *s, const struct conf *conf)
{
	bool changed = people_differ(s->p.conf, conf);

	CHECK_MAGIC(s, PEOPLE_MAGIC);
	s->p.conf = conf;
	nodes_conf(s->nodes, conf);
	truth_conf(s->truth, conf);
	truth_conf(s->teller, conf);
	mirror_conf(s->mirror, conf, changed);
	remains_conf(s->remains, conf);
}

void
people_event(struct people *s, const struct table_event *e)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	truth_event(s->truth, e);
	truth_event(s->teller, e);
}

unsigned
people_others(const struct people *s)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	return (nodes_known(s->nodes));
}

void
people_turn(struct people *s)
{
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	s->busy = truth_turn(s->truth);
	if (truth_turn(s->teller))
		s->busy = true;
	if (mirror_turn(s->mirror))
		s->busy = true;
}

bool
people_busy(const struct people *s)
{
	return (s->busy);
}

static void
people_on_beat(struct timer *t, struct mono now)
{
	struct people *s = container_of(t, struct people, beat);

	timer_start(loop_wheel(s->p.loop), t, mono_add_ms(now,
	    PEOPLE_BEAT_MS), people_on_beat);
	nodes_beat(s->nodes, now);
	truth_beat(s->truth, now);
	truth_beat(s->teller, now);
	mirror_beat(s->mirror, now);
	remains_beat(s->remains, now);
}

/* --- birth and death ------------------------------------------------------*/

static bool
people_make(struct people *s)
{
	struct nodes_params n = { .conf = s->p.conf, .redis = s->p.redis,
		.node_id = s->p.node_id, .arg = s,
		.emptied = people_on_emptied, .changes = people_on_changes,
		.gone = people_on_gone, .remains = people_on_remains,
		.seal = people_seal, .unseal = people_unseal };
	struct truth_params t = { .conf = s->p.conf, .redis = s->p.redis,
		.segment = s->p.segment, .node_id = s->p.node_id };
	struct mirror_params m = { .conf = s->p.conf, .redis = s->p.redis,
		.segment = s->p.segment, .keep_ms = s->p.keep_ms };

	s->nodes = t.nodes = m.nodes = nodes_new(&n);
	if (s->nodes == NULL)
		return (false);
	s->truth = truth_new(&t);
	t.tells = true;
	s->teller = truth_new(&t);
	s->mirror = mirror_new(&m);
	s->remains = remains_new(s->p.conf, s->p.redis, s->nodes);
	return (s->truth != NULL && s->teller != NULL && s->mirror != NULL && s->remains != NULL);
}

struct people *
people_new(const struct people_params *p)
{
	struct people *s = calloc(1, sizeof *s);

	if (s == NULL)
		return (NULL);
	s->magic = PEOPLE_MAGIC;
	s->p = *p;
	if (!people_make(s)) {
		people_free(&s);
		return (NULL);
	}
	s->watch = (struct redis_watch){ .arg = s, .ready = people_on_ready,
		.lost = people_on_lost, .gap = people_on_gap };
	redis_watch(p->redis, &s->watch);
	timer_start(loop_wheel(p->loop), &s->beat, mono_add_ms(
	    loop_now(p->loop), PEOPLE_BEAT_MS), people_on_beat);
	return (s);
}

void
people_free(struct people **sp)
{
	struct people *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	CHECK_MAGIC(s, PEOPLE_MAGIC);
	timer_stop(loop_wheel(s->p.loop), &s->beat);
	if (s->watch.arg != NULL)
		redis_unwatch(s->p.redis, &s->watch);
	remains_free(&s->remains);
	mirror_free(&s->mirror);
	truth_free(&s->teller);
	truth_free(&s->truth);
	nodes_free(&s->nodes);
	s->magic = 0;
	free(s);
}
