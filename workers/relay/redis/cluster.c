/*
 * What is asked of a Cluster, and how it stands; see cluster.h.
 */
#include "relay/redis/cluster_int.h"

#include <stdlib.h>

#include "shm/counters.h"

#define CLUSTER_STALE_MS 30000	/* the map is asked for though nothing happens */
#define CLUSTER_KEEP	5	/* beats that a node without slots stays */

/* --- what is asked --------------------------------------------------------*/

bool
cluster_add(struct cluster *c, enum subscription_kind kind,
    struct slice channel, subscriptions_cb *cb, void *arg)
{
	struct site *s = cluster_place(c, kind, channel);

	return (s != NULL && site_add(s, kind, channel, cb, arg));
}

/* Also where it was a moment ago. */
void
cluster_remove(struct cluster *c, enum subscription_kind kind,
    struct slice channel)
{
	size_t i;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			site_remove(c->nodes[i]->site, kind, channel);
}

void
cluster_leave(struct cluster *c, site_to *to, void *arg)
{
	size_t i;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL) {
			site_move(c->nodes[i]->site, to, arg);
			site_fail(c->nodes[i]->site, REDIS_SWITCHED,
			    "no Cluster any more");
		}
	route_give_up(c->route);
}

static bool
cluster_command_home(struct cluster *c, const struct slice *argv, size_t n,
    commands_cb *cb, void *arg)
{
	struct site *s = cluster_site(c, c->home);

	if (s != NULL)
		return (site_send(s, argv, n, cb, arg));
	counter_add(COUNTER_redis_dropped, 1);
	return (false);
}

bool
cluster_command(struct cluster *c, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb, void *arg)
{
	CHECK_MAGIC(c, CLUSTER_MAGIC);
	if (key.n == 0)
		return (cluster_command_home(c, argv, n, cb, arg));
	return (route_send(c->route, spread_slot(key), argv, n, cb, arg));
}

bool
cluster_command_at(struct cluster *c, struct slice channel,
    const struct slice *argv, size_t n, commands_cb *cb, void *arg)
{
	CHECK_MAGIC(c, CLUSTER_MAGIC);
	return (route_send(c->route, cluster_slot(c, SUB_OURS, channel), argv,
	    n, cb, arg));
}

bool
cluster_publish(struct cluster *c, enum subscription_kind kind,
    struct slice channel, struct slice payload, commands_cb *cb, void *arg)
{
	struct slice argv[] = { SLICE("SPUBLISH"), channel, payload };

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	if (kind != SUB_OURS && kind != SUB_SHARDED) {
		argv[0] = SLICE("PUBLISH");
		return (cluster_command_home(c, argv, nitems(argv), cb, arg));
	}
	if (kind == SUB_OURS)
		argv[1] = spread_tagged(&c->channel, channel,
		    strlen(c->p.conf->prefix));
	if (c->channel.oom) {
		c->channel.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	return (route_send(c->route, cluster_slot(c, kind, channel), argv,
	    nitems(argv), cb, arg));
}

/* --- how it stands --------------------------------------------------------*/

bool
cluster_up(const struct cluster *c)
{
	const struct cluster_node *n;
	size_t i;

	for (i = 0; i < c->n; i++) {
		n = c->nodes[i];
		if (n != NULL && n->serves && site_can_publish(n->site) &&
		    site_mode(n->site) != LINK_MODE_ALONE)
			return (true);
	}
	return (false);
}

void
cluster_count(const struct cluster *c, size_t *n, size_t *away,
    enum redis_state *state)
{
	size_t i;

	*n = *away = 0;
	*state = c->unserved > 0 ? REDIS_UNSERVED : REDIS_CONNECTED;
	for (i = 0; i < c->n; i++) {
		if (c->nodes[i] == NULL || !c->nodes[i]->serves)
			continue;
		++*n;
		if (site_state(c->nodes[i]->site) == REDIS_CONNECTED)
			continue;
		++*away;
		*state = site_state(c->nodes[i]->site);
	}
}

/* --- time -----------------------------------------------------------------*/

/* A node that has nothing any more goes, when all has been asked elsewhere. */
static void
cluster_sweep(struct cluster *c)
{
	struct cluster_node *n;
	size_t i;

	for (i = 0; i < c->n; i++) {
		n = c->nodes[i];
		if (n == NULL)
			continue;
		if (n->serves || c->home == i || (c->asking && c->turn == i))
			n->idle = 0;
		else if (++n->idle > CLUSTER_KEEP && site_is_idle(n->site))
			cluster_drop(c, i);
	}
}

void
cluster_beat(struct cluster *c)
{
	struct mono now = loop_now(c->p.loop);
	size_t i;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	memset(c->moves, 0, sizeof c->moves);
	cluster_sweep(c);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			site_beat(c->nodes[i]->site);
	cluster_rehome(c);
	if (c->look || c->unserved > 0 ||
	    now.us - c->asked.us > CLUSTER_STALE_MS * 1000)
		cluster_look(c);
	for (i = 0; i < c->n && !c->look; i++)
		c->look = c->nodes[i] != NULL && c->nodes[i]->serves &&
		    site_state(c->nodes[i]->site) != REDIS_CONNECTED;
}

void
cluster_flush(struct cluster *c)
{
	size_t i;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			site_flush(c->nodes[i]->site);
}

void
cluster_mark(struct cluster *c)
{
	size_t i;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			site_mark(c->nodes[i]->site);
}

bool
cluster_drains(const struct cluster *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL && site_drains(c->nodes[i]->site))
			return (true);
	return (false);
}

void
cluster_renew(struct cluster *c)
{
	size_t i;

	CHECK_MAGIC(c, CLUSTER_MAGIC);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			site_renew(c->nodes[i]->site);
}

/* --- birth and death ------------------------------------------------------*/

struct cluster *
cluster_new(const struct cluster_params *p)
{
	struct cluster *c = calloc(1, sizeof *c);
	struct route_params r = { .loop = p->loop, .bytes = 4 * p->queue_bytes,
		.arg = c, .place = cluster_of_slot,
		.moved = cluster_on_route_moved,
		.refused = cluster_on_refused };
	size_t i;

	if (c == NULL)
		return (NULL);
	c->magic = CLUSTER_MAGIC;
	c->p = *p;
	c->home = c->teller = SLOTMAP_NOBODY;
	memset(c->owner, 0xff, sizeof c->owner);
	for (i = 0; i < SPREAD_PARTITIONS; i++)
		c->partitions[i] = (uint16_t)spread_partition_slot((unsigned)i);
	buf_init(&c->channel);
	c->asked = loop_now(p->loop);
	c->route = route_new(&r);
	if (c->route == NULL)
		cluster_free(&c);
	return (c);
}

void
cluster_free(struct cluster **cp)
{
	struct cluster *c = *cp;
	size_t i;

	if (c == NULL)
		return;
	*cp = NULL;
	CHECK_MAGIC(c, CLUSTER_MAGIC);
	for (i = 0; i < c->n; i++)
		if (c->nodes[i] != NULL)
			cluster_drop(c, i);
	route_free(&c->route);
	buf_fini(&c->channel);
	c->magic = 0;
	free(c);
}
