/*
 * Nodes, slots, and what is where; see cluster.h.
 */
#include "relay/redis/cluster_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/counters.h"
#include "sys/log.h"

#define CLUSTER_ASK_MS	1000	/* between two questions for the map */
#define CLUSTER_TELLER_MS 10000	/* who was said to have a slot knows best */
#define CLUSTER_MOVES	3	/* of a slot, by MOVED, in a beat */

/* --- nodes ----------------------------------------------------------------*/

static void
cluster_on_change(void *arg, struct site *s)
{
	struct cluster_node *n = arg;

	(void)s;
	n->cluster->look = true;
	n->cluster->p.change(n->cluster->p.arg);
}

static void
cluster_on_gap(void *arg, struct slice channel, struct mono since)
{
	struct cluster_node *n = arg;

	n->cluster->p.gap(n->cluster->p.arg, channel, since);
}

static struct site *cluster_moved(struct cluster *, struct cluster_node *said,
	    const struct slotmap_redirect *);

static void
cluster_on_moved(void *arg, struct site *s, const struct slotmap_redirect *to)
{
	struct cluster_node *n = arg;

	(void)s;
	(void)cluster_moved(n->cluster, n, to);
}

static bool
cluster_node_open(struct cluster_node *n)
{
	const struct cluster *c = n->cluster;
	char pulse[CONF_REDIS_PREFIX_MAX + 64];
	struct site_params p = { .conf = &n->conf, .loop = c->p.loop,
		.queue_bytes = c->p.queue_bytes, .hash_key = c->p.hash_key,
		.arg = n, .change = cluster_on_change,
		.moved = cluster_on_moved, .gap = cluster_on_gap };

	n->conf = *c->p.conf;
	n->conf.url.host = n->host;
	n->conf.url.port = n->port;
	n->conf.url.path = NULL;
	n->conf.url.shown = n->shown;
	(void)snprintf(n->shown, sizeof n->shown, strchr(n->host, ':') != NULL ?
	    "%s://[%s]:%u" : "%s://%s:%u", n->conf.url.tls ? "rediss" : "redis",
	    n->host, n->port);
	/* by PUBLISH, which reaches all nodes: each has its own */
	(void)snprintf(pulse, sizeof pulse, "%spulse:%016" PRIx64 ":%u",
	    c->p.conf->prefix, c->p.node_id, n->cluster->pulses++);
	p.pulse = slice_str(pulse);
	n->site = site_new(&p);
	return (n->site != NULL);
}

/* The place of a node, which is made if there is none; NOBODY: no room. */
static uint16_t
cluster_node(struct cluster *c, const char *host, unsigned port)
{
	struct cluster_node *n;
	size_t i, at = SLOTMAP_NOBODY;

	for (i = 0; i < c->n; i++) {
		n = c->nodes[i];
		if (n != NULL && n->port == port && strcmp(n->host, host) == 0)
			return ((uint16_t)i);
		if (n == NULL && at == SLOTMAP_NOBODY)
			at = i;
	}
	if (at == SLOTMAP_NOBODY && c->n < SLOTMAP_NODES)
		at = c->n;
	if (at == SLOTMAP_NOBODY)
		return (SLOTMAP_NOBODY);
	n = calloc(1, sizeof *n);
	if (n == NULL)
		return (SLOTMAP_NOBODY);
	n->cluster = c;
	n->port = port;
	(void)snprintf(n->host, sizeof n->host, "%s", host);
	if (!cluster_node_open(n)) {
		free(n);
		return (SLOTMAP_NOBODY);
	}
	c->nodes[at] = n;
	c->n += at == c->n;
	return ((uint16_t)at);
}

struct site *
cluster_site(const struct cluster *c, uint16_t at)
{
	return (at == SLOTMAP_NOBODY ? NULL : c->nodes[at]->site);
}

static struct cluster_node *
cluster_node_of(struct cluster *c, const struct site *s)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL && c->nodes[i]->site == s)
			return (c->nodes[i]);
	return (NULL);
}

void
cluster_drop(struct cluster *c, size_t at)
{
	struct cluster_node *n = c->nodes[at];

	c->nodes[at] = NULL;
	site_free(&n->site);
	free(n);
}

static bool
cluster_is_up(const struct cluster *c, uint16_t at)
{
	return (at != SLOTMAP_NOBODY && c->nodes[at]->serves &&
	    site_can_publish(c->nodes[at]->site));
}

/* --- where ----------------------------------------------------------------*/

/* Classic channels stay where they are as long as that is there. */
static bool
cluster_choose_home(struct cluster *c)
{
	uint16_t at, best = SLOTMAP_NOBODY;
	size_t i;

	if (cluster_is_up(c, c->home))
		return (false);
	for (i = 0; i < c->n; i++) {
		at = (uint16_t)((c->p.node_id + i) % c->n);
		if (c->nodes[at] == NULL || !c->nodes[at]->serves)
			continue;
		if (best == SLOTMAP_NOBODY)
			best = at;
		if (!cluster_is_up(c, at))
			continue;
		best = at;
		break;
	}
	if (best == SLOTMAP_NOBODY || best == c->home ||
	    (c->home != SLOTMAP_NOBODY && c->nodes[c->home]->serves &&
	    !cluster_is_up(c, best)))
		return (false);
	c->home = best;
	return (true);
}

unsigned
cluster_slot(const struct cluster *c, enum subscription_kind kind,
    struct slice channel)
{
	if (kind != SUB_OURS)
		return (spread_slot(channel));
	return (c->partitions[spread_partition(channel,
	    strlen(c->p.conf->prefix))]);
}

struct site *
cluster_place(void *arg, enum subscription_kind kind, struct slice channel)
{
	struct cluster *c = arg;
	uint16_t at = c->home;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	if (kind == SUB_OURS || kind == SUB_SHARDED)
		at = c->owner[cluster_slot(c, kind, channel)];
	/* what nobody has is asked for there, in vain, until somebody has */
	return (cluster_site(c, at != SLOTMAP_NOBODY ? at : c->home));
}

static void
cluster_move_all(struct cluster *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			site_move(c->nodes[i]->site, cluster_place, c);
}

void
cluster_rehome(struct cluster *c)
{
	if (cluster_choose_home(c))
		cluster_move_all(c);
}

struct site *
cluster_of_slot(void *arg, unsigned slot)
{
	struct cluster *c = arg;

	return (cluster_site(c, c->owner[slot]));
}

/* --- the map --------------------------------------------------------------*/

static void
cluster_count_slots(struct cluster *c)
{
	size_t i;

	c->unserved = 0;
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			c->nodes[i]->serves = false;
	for (i = 0; i < SPREAD_SLOTS; i++)
		if (c->owner[i] == SLOTMAP_NOBODY)
			c->unserved++;
		else
			c->nodes[c->owner[i]]->serves = true;
}

/* Of those that serve, and of nobody. */
static void
cluster_log(const struct cluster *c, size_t moved)
{
	size_t i, n = 0;

	for (i = 0; i < c->n; i++)
		n += c->nodes[i] != NULL && c->nodes[i]->serves;
	log_info("redis_cluster nodes=%zu moved=%zu unserved=%zu", n, moved,
	    c->unserved);
}

static void
cluster_changed(struct cluster *c)
{
	cluster_count_slots(c);
	(void)cluster_choose_home(c);
	cluster_move_all(c);
	c->p.change(c->p.arg);
}

bool
cluster_take(struct cluster *c, const struct reply *o, const char *host)
{
	static struct slotmap m;	/* large; one at a time */
	static uint16_t at[SLOTMAP_NODES];
	size_t i, moved = 0;
	uint16_t to;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	slotmap_init(&m);
	if (!slotmap_read(&m, o, host) || m.n == 0)
		return (false);
	for (i = 0; i < m.n; i++)
		at[i] = cluster_node(c, m.nodes[i].host, m.nodes[i].port);
	for (i = 0; i < SPREAD_SLOTS; i++) {
		to = m.owner[i] == SLOTMAP_NOBODY ? SLOTMAP_NOBODY :
		    at[m.owner[i]];
		if (to == c->owner[i])
			continue;
		moved++;
		if (c->owner[i] != SLOTMAP_NOBODY)
			route_moved(c->route, (unsigned)i);
		c->owner[i] = to;
	}
	if (moved > 0) {
		cluster_changed(c);
		cluster_log(c, moved);
	}
	return (c->n > 0);
}

static void
cluster_on_slots(void *arg, const struct reply *o)
{
	struct cluster *c = arg;
	struct cluster_node *n = c->nodes[c->turn];
	char words[REPLY_WORDS];

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	c->asking = false;
	if (o != NULL && o->type == REPLY_ERROR) {
		reply_words(o, words);
		log_debug("redis_cluster_refused said=\"%s\"", words);
	}
	if (o == NULL || n == NULL || !cluster_take(c, o, n->host))
		c->look = true;
}

/* Whom to ask: who should know, or the next one that is there. */
static bool
cluster_choose_teller(struct cluster *c)
{
	uint64_t now = loop_now(c->p.loop).us;
	struct cluster_node *n;
	size_t i;

	if (c->teller != SLOTMAP_NOBODY && c->nodes[c->teller] != NULL &&
	    now - c->told.us < CLUSTER_TELLER_MS * 1000 &&
	    site_up(c->nodes[c->teller]->site)) {
		c->turn = c->teller;
		return (true);
	}
	for (i = 0; i < c->n; i++) {
		c->turn = (c->turn + 1) % c->n;
		n = c->nodes[c->turn];
		/* one that is cut off from the others knows what was */
		if (n != NULL && site_up(n->site) && (n->refused.us == 0 ||
		    now - n->refused.us > CLUSTER_TELLER_MS * 1000))
			return (true);
	}
	return (false);
}

void
cluster_look(struct cluster *c)
{
	static const struct slice argv[] = { SLICE("CLUSTER"),
		SLICE("SLOTS") };
	struct mono now = loop_now(c->p.loop);

	c->look = true;
	if (c->asking || (c->asked.us != 0 && now.us - c->asked.us <
	    CLUSTER_ASK_MS * 1000) || !cluster_choose_teller(c))
		return;
	c->asked = now;
	c->asking = true;
	c->look = false;
	if (!site_send(c->nodes[c->turn]->site, argv, nitems(argv),
	    cluster_on_slots, c)) {
		c->asking = false;
		c->look = true;
	}
}

/* --- what nodes say -------------------------------------------------------*/

static struct site *
cluster_moved(struct cluster *c, struct cluster_node *said,
    const struct slotmap_redirect *to)
{
	const char *host = to->host[0] != '\0' ? to->host : said->host;
	uint16_t at = cluster_node(c, host, to->port);

	if (at == SLOTMAP_NOBODY) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	/* two that name each other are asked in turn, but not without end */
	if (!to->ask && c->owner[to->slot] != at &&
	    c->moves[to->slot] < CLUSTER_MOVES) {
		c->moves[to->slot]++;
		if (c->owner[to->slot] != SLOTMAP_NOBODY)
			route_moved(c->route, to->slot);
		c->owner[to->slot] = at;
		c->teller = at;
		c->told = loop_now(c->p.loop);
		c->nodes[at]->idle = 0;
		cluster_changed(c);
	}
	if (!to->ask)
		cluster_look(c);
	return (c->nodes[at]->site);
}

struct site *
cluster_on_route_moved(void *arg, struct site *s,
    const struct slotmap_redirect *to)
{
	struct cluster *c = arg;
	struct cluster_node *said = cluster_node_of(c, s);

	return (said == NULL ? NULL : cluster_moved(c, said, to));
}

void
cluster_on_refused(void *arg, struct site *s)
{
	struct cluster *c = arg;
	struct cluster_node *said = cluster_node_of(c, s);

	if (said != NULL)
		said->refused = loop_now(c->p.loop);
	cluster_look(c);
}

