/*
 * Servers of Socket.IO with the sharded adapter of @socket.io/redis-adapter
 * (createShardedAdapter, Redis 7), which has channels and messages of its own:
 * what they broadcast reaches our clients, what they order is done, what they
 * ask is answered, and what is published here reaches their clients.
 *
 *	P#N#		to all servers of namespace N; P is the prefix
 *	P#N#ROOM#	broadcasts to one room, for those who have members
 *	P#N#UID#	answers to that server
 *
 *	{"uid","nsp","type","data"}	JSON; MessagePack if it holds binary
 *
 * Servers say by their subscriptionMode whether they use the channels of
 * rooms; we listen there, and send to all, so either is understood.
 */
#ifndef RELAY_BRIDGE_SHARDED_H
#define RELAY_BRIDGE_SHARDED_H

#include "base/bug.h"
#include "base/slice.h"

struct bus_envelope;
struct home;
struct members;
struct sharded;
struct socketio;
struct table_event;

struct sharded_params {
	struct home	*home;
	struct members	*members;
	struct socketio	*socketio;	/* does what is ordered */
};

/* NULL: no memory.  To be freed before the others. */
struct sharded *sharded_new(const struct sharded_params *) MUST_USE;
void	sharded_free(struct sharded **);
/* home has another configuration, the one before is there yet.  False: some
 * namespace is not listened to, for want of memory. */
bool	sharded_conf(struct sharded *) MUST_USE;
/* What a worker here has published: message_is_for_servers(). */
void	sharded_publish(struct sharded *, const struct bus_envelope *);
/* Of the interest table: this host has members of it, or none any more. */
void	sharded_interest(struct sharded *, const struct table_event *);

#endif
