/*
 * What redis.c (which Redis there are) and redis_ask.c (what is asked of which)
 * share; for nobody else.
 */
#ifndef RELAY_REDIS_REDIS_INT_H
#define RELAY_REDIS_REDIS_INT_H

#include "conf/conf.h"
#include "relay/redis/cluster.h"
#include "relay/redis/redis.h"
#include "relay/redis/sentinels.h"
#include "relay/redis/shards.h"
#include "relay/redis/site.h"

#define REDIS_SHOWN	128	/* of a master's name */

struct redis {
	unsigned	 magic;
#define REDIS_MAGIC	0x4ed15000
	struct redis_params p;
	struct conf_redis conf;		/* borrows; how it is shown is ours */
	char		 shown[REDIS_SHOWN];
	struct hash_key	 hash_key;
	/* The one that there is, or by which a Cluster is found; then, and if
	 * there are shards, NULL. */
	struct site	*site;
	bool		 known;		/* it is no Cluster */
	bool		 asking;	/* it is asked for the slots */
	struct cluster	*cluster;	/* NULL: none */
	struct shards	*shards;	/* NULL: none */
	struct sentinels *sentinels;	/* NULL: none */
	struct timer	 beat;
	TAILQ_HEAD(, redis_watch) watches;
	bool		 ready;		/* as it was told last */
	bool		 quiet;		/* the gauges are another one's */
	bool		 refuted;	/* the master says that it is none */
};

#endif
