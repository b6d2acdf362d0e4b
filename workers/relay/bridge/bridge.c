/*
 * From Redis to the workers; see bridge.h.
 */
#include "relay/bridge/bridge_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/seal.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

/* No worker could take it: whoever it may have been for here is told. */
static void
bridge_lost(struct bridge *b, struct slice body)
{
	const struct conf_namespace *ns;
	uint8_t name[1 + CONF_NAMESPACE_MAX] = "/";
	struct slice whole, raw;
	ssize_t n;

	counter_add(COUNTER_redis_refused_other, 1);
	home_say(b->p.home, HOME_PUBLISH, SLICE("no worker could take it"));
	if (body.n == 0 || json_value(body, &whole) != (ssize_t)body.n)
		return;		/* nobody would have got it */
	n = json_text(whole, SLICE("namespace"), name + 1, sizeof name - 1,
	    &raw);
	if (n < 0)
		return;
	ns = conf_namespace_find(b->p.home->conf, n > 0 && name[1] == '/' ?
	    slice_of(name + 1, (size_t)n) : slice_of(name, (size_t)n + 1));
	if (ns != NULL)
		b->p.gap(b->p.arg, slice_of(ns->name, ns->name_len), NULL);
}

void
bridge_refuse(struct bridge *b, enum bridge_bad why)
{
	switch (why) {
	case BRIDGE_TOO_LARGE:
		counter_add(COUNTER_redis_refused_size, 1);
		home_say(b->p.home, HOME_PUBLISH,
		    SLICE("larger than message_bytes"));
		break;
	case BRIDGE_NO_BODY:
		counter_add(COUNTER_redis_refused_request, 1);
		home_say(b->p.home, HOME_PUBLISH,
		    SLICE("no body in an entry of the stream"));
		break;
	}
}

void
bridge_take(struct bridge *b, struct slice payload)
{
	struct bus_envelope e;

	if (!seal_take_text(b->p.seal, slice_str(b->publish), &payload)) {
		home_say(b->p.home, HOME_UNSEALED, slice_str(b->publish));
		return;
	}
	bus_publish_body(&e, payload);
	if (payload.n > b->p.home->conf->message_bytes)
		bridge_refuse(b, BRIDGE_TOO_LARGE);
	else if (!b->p.to_worker(b->p.arg, &e))
		bridge_lost(b, payload);
}

static void
bridge_on_publish(void *arg, struct slice channel, struct slice payload)
{
	struct bridge *b = arg;

	CHECK_MAGIC(b, BRIDGE_MAGIC);
	if (home_takes(b->p.home, channel, payload))
		bridge_take(b, payload);
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
	    p->home->conf->redis.prefix);
	bridge_stream_init(b);
	if (!redis_subscribe_classic(p->home->redis, slice_str(b->publish),
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
	redis_unsubscribe_classic(b->p.home->redis, slice_str(b->publish));
	b->magic = 0;
	free(b);
}
