/*
 * From Redis to the workers; see bridge.h.
 */
#include "relay/bridge/bridge.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

struct bridge {
	unsigned	 magic;
#define BRIDGE_MAGIC	0xb41d6e05
	struct bridge_params p;
	char		 publish[CONF_REDIS_PREFIX_MAX + 16]; /* the channel */
};

static void
bridge_on_publish(void *arg, struct slice channel, struct slice payload)
{
	struct bridge *b = arg;
	struct bus_envelope e;

	(void)channel;
	bus_publish_body(&e, payload);
	if (payload.n > b->p.conf->message_bytes)
		counter_add(COUNTER_redis_refused_size, 1);
	else if (!b->p.to_worker(b->p.arg, &e))
		counter_add(COUNTER_redis_refused_other, 1);
}

struct bridge *
bridge_new(const struct bridge_params *p)
{
	struct bridge *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	b->magic = BRIDGE_MAGIC;
	b->p = *p;
	(void)snprintf(b->publish, sizeof b->publish, "%spublish",
	    p->conf->redis.prefix);
	if (!redis_subscribe_classic(p->redis, slice_str(b->publish),
	    bridge_on_publish, b)) {
		b->magic = 0;
		free(b);
		return (NULL);
	}
	return (b);
}

void
bridge_free(struct bridge **bp)
{
	struct bridge *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	CHECK_MAGIC(b, BRIDGE_MAGIC);
	redis_unsubscribe_classic(b->p.redis, slice_str(b->publish));
	b->magic = 0;
	free(b);
}
