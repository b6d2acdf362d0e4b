/*
 * What cluster.c (what is asked, and how it stands) and cluster_map.c (nodes,
 * slots and what is where) share; for nobody else.
 */
#ifndef RELAY_REDIS_CLUSTER_INT_H
#define RELAY_REDIS_CLUSTER_INT_H

#include "base/buf.h"
#include "conf/conf.h"
#include "relay/redis/cluster.h"
#include "relay/redis/cluster_route.h"
#include "relay/redis/slotmap.h"
#include "relay/redis/spread.h"

struct cluster_node {
	struct cluster	*cluster;
	struct site	*site;
	struct conf_redis conf;		/* borrows but for its url */
	char		 host[LINK_HOST];
	unsigned	 port;
	char		 shown[LINK_HOST + 16];
	bool		 serves;	/* has slots */
	unsigned	 idle;		/* beats since it had */
	struct mono	 refused;	/* it could not serve a slot */
};

struct cluster {
	unsigned	 magic;
#define CLUSTER_MAGIC	0xc1057e40
	struct cluster_params p;
	struct route	*route;
	struct cluster_node *nodes[SLOTMAP_NODES];	/* NULL: a gap */
	size_t		 n;		/* of the places in use */
	uint16_t	 owner[SPREAD_SLOTS];	/* of nodes, or NOBODY */
	uint8_t		 moves[SPREAD_SLOTS];	/* by MOVED, in this beat */
	size_t		 unserved;	/* slots of nobody */
	uint16_t	 home;		/* of classic channels, or NOBODY */
	uint16_t	 partitions[SPREAD_PARTITIONS];	/* their slots */
	unsigned	 pulses;	/* names of heartbeats */
	struct buf	 channel;
	/* the map */
	bool		 look, asking;
	struct mono	 asked;
	size_t		 turn;		/* who is asked */
	uint16_t	 teller;	/* asked first */
	struct mono	 told;		/* since then */
};

/* The site of a place; NULL: of NOBODY. */
struct site *cluster_site(const struct cluster *, uint16_t at);
unsigned cluster_slot(const struct cluster *, enum subscription_kind,
	    struct slice channel);
/* It goes: nothing may wait for its answers. */
void	cluster_drop(struct cluster *, size_t at);
/* Where classic channels are, if that is not there any more. */
void	cluster_rehome(struct cluster *);
/* Ask for the map, unless that was just done; then the next beat does. */
void	cluster_look(struct cluster *);
/* For the route. */
struct site *cluster_of_slot(void *cluster, unsigned slot);
struct site *cluster_on_route_moved(void *cluster, struct site *said,
	    const struct slotmap_redirect *);
void	cluster_on_refused(void *cluster, struct site *said);

#endif
