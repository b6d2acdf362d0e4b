/*
 * Commands and channels, each where it belongs; see redis.h.
 */
#include "relay/redis/redis_int.h"

#include "relay/redis/spread.h"
#include "shm/counters.h"

bool
redis_command(struct redis *r, struct slice key, const struct slice *argv,
    size_t n, commands_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		return (cluster_command(r->cluster, key, argv, n, cb, arg));
	if (r->shards != NULL)
		return (shards_command(r->shards, argv, n, cb, arg));
	return (site_send(r->site, argv, n, cb, arg));
}

/* --- where a channel of ours is -------------------------------------------*/

bool
redis_command_at(struct redis *r, struct slice channel,
    const struct slice *argv, size_t n, commands_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		return (cluster_command_at(r->cluster, channel, argv, n, cb,
		    arg));
	if (r->shards != NULL)
		return (site_send(shards_site(r->shards, channel), argv, n,
		    cb, arg));
	if (r->known)
		return (site_send(r->site, argv, n, cb, arg));
	counter_add(COUNTER_redis_dropped, 1);	/* it might be a Cluster */
	return (false);
}

struct slice
redis_name_at(struct redis *r, struct buf *b, struct slice channel,
    struct slice name)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		return (spread_tagged_as(b, channel, name,
		    strlen(r->conf.prefix)));
	buf_reset(b);
	buf_slice(b, name);
	return (buf_unread(b));
}

struct slice
redis_verb(const struct redis *r)
{
	return (r->cluster != NULL ? SLICE("SPUBLISH") : SLICE("PUBLISH"));
}

bool
redis_hears(struct redis *r, struct slice channel)
{
	const struct site *s = r->site;

	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		s = cluster_place(r->cluster, SUB_OURS, channel);
	else if (r->shards != NULL)
		s = shards_site(r->shards, channel);
	return (s != NULL && site_hears(s, SUB_OURS, channel));
}

/* --- the rest -------------------------------------------------------------*/

static bool
redis_say(struct redis *r, enum subscription_kind kind, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	struct slice argv[] = { SLICE("PUBLISH"), channel, payload };

	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		return (cluster_publish(r->cluster, kind, channel, payload, cb,
		    arg));
	if (r->shards != NULL)
		return (shards_publish(r->shards, kind, channel, payload, cb,
		    arg));
	if (!r->known) {	/* it might be a Cluster */
		counter_add(COUNTER_redis_dropped, 1);
		return (false);
	}
	if (kind == SUB_SHARDED)
		argv[0] = SLICE("SPUBLISH");
	return (site_send(r->site, argv, nitems(argv), cb, arg));
}

static bool
redis_add(struct redis *r, enum subscription_kind kind, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		return (cluster_add(r->cluster, kind, channel, cb, arg));
	if (r->shards != NULL)
		return (shards_add(r->shards, kind, channel, cb, arg));
	return (site_add(r->site, kind, channel, cb, arg));
}

static void
redis_remove(struct redis *r, enum subscription_kind kind,
    struct slice channel)
{
	CHECK_MAGIC(r, REDIS_MAGIC);
	if (r->cluster != NULL)
		cluster_remove(r->cluster, kind, channel);
	if (r->shards != NULL)
		shards_remove(r->shards, kind, channel);
	if (r->site != NULL)
		site_remove(r->site, kind, channel);
}

bool
redis_publish(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	return (redis_say(r, SUB_OURS, channel, payload, cb, arg));
}

/* Of channels that every daemon listens to. */
static enum subscription_kind
redis_for_all(const struct redis *r)
{
	return (r->shards != NULL ? SUB_EXACT : SUB_OURS);
}

bool
redis_publish_for_all(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	return (redis_say(r, redis_for_all(r), channel, payload, cb, arg));
}

bool
redis_subscribe_for_all(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	return (redis_add(r, redis_for_all(r), channel, cb, arg));
}

bool
redis_publish_classic(struct redis *r, struct slice channel,
    struct slice payload, commands_cb *cb, void *arg)
{
	return (redis_say(r, SUB_EXACT, channel, payload, cb, arg));
}

bool
redis_spublish_raw(struct redis *r, struct slice channel, struct slice payload,
    commands_cb *cb, void *arg)
{
	return (redis_say(r, SUB_SHARDED, channel, payload, cb, arg));
}

bool
redis_subscribe(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	return (redis_add(r, SUB_OURS, channel, cb, arg));
}

void
redis_unsubscribe(struct redis *r, struct slice channel)
{
	redis_remove(r, SUB_OURS, channel);
}

bool
redis_has_patterns(const struct redis *r)
{
	return (r->cluster == NULL);
}

bool
redis_subscribe_all(struct redis *r, struct slice pattern,
    subscriptions_cb *cb, void *arg)
{
	return (redis_has_patterns(r) &&
	    redis_add(r, SUB_ALL_OURS, pattern, cb, arg));
}

void
redis_unsubscribe_all(struct redis *r, struct slice pattern)
{
	redis_remove(r, SUB_ALL_OURS, pattern);
}

bool
redis_subscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	return (redis_add(r, SUB_EXACT, channel, cb, arg));
}

void
redis_unsubscribe_classic(struct redis *r, struct slice channel)
{
	redis_remove(r, SUB_EXACT, channel);
}

bool
redis_psubscribe_classic(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	return (redis_add(r, SUB_PATTERN, channel, cb, arg));
}

void
redis_punsubscribe_classic(struct redis *r, struct slice channel)
{
	redis_remove(r, SUB_PATTERN, channel);
}

bool
redis_ssubscribe_raw(struct redis *r, struct slice channel,
    subscriptions_cb *cb, void *arg)
{
	return (redis_add(r, SUB_SHARDED, channel, cb, arg));
}

void
redis_sunsubscribe_raw(struct redis *r, struct slice channel)
{
	redis_remove(r, SUB_SHARDED, channel);
}
