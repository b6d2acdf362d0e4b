/*
 * Redis as the relay uses it: one connection for commands, one that listens,
 * and how it stands with both, in gauges, in the log, in /health.  Whatever
 * happens there, nothing here waits for it.
 */
#ifndef RELAY_REDIS_REDIS_H
#define RELAY_REDIS_REDIS_H

#include "relay/redis/commands.h"
#include "relay/redis/subscriptions.h"

struct redis;

struct redis_params {
	const struct conf_redis *conf;	/* conf_redis_on() */
	struct loop	*loop;
	uint64_t	 node_id;	/* names our heartbeat */
	size_t		 queue_bytes;	/* unsent, for each connection */
};

/* NULL: no memory.  Connects by itself, for ever. */
struct redis *redis_new(const struct redis_params *) MUST_USE;
void	redis_free(struct redis **);
/* All that was asked for in a turn, by one write for each connection. */
void	redis_flush(struct redis *);

/* See commands_send(), subscriptions_add().  Names are whole: with prefix. */
bool	redis_command(struct redis *, const struct slice *argv, size_t n,
	    commands_cb *, void *arg);
bool	redis_subscribe(struct redis *, struct slice channel,
	    subscriptions_cb *, void *arg) MUST_USE;
void	redis_unsubscribe(struct redis *, struct slice channel);
/* Connected, and listening to everything. */
bool	redis_ready(const struct redis *);

#endif
