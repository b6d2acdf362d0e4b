/*
 * The nodes of a Redis Cluster: a site for each master, the map of slots, asked
 * for again when something does not fit (at most once a second), and what
 * follows from it: where a channel is listened to, and where a command goes.
 *
 * Channels of ours are published by SPUBLISH, under names that put them into
 * one of 128 partitions (spread.h); those of strangers reach all nodes, and are
 * said and heard at one of them.  Used by redis.c.
 */
#ifndef RELAY_REDIS_CLUSTER_H
#define RELAY_REDIS_CLUSTER_H

#include "relay/redis/site.h"

struct cluster;

struct cluster_params {
	const struct conf_redis *conf;	/* borrowed; as for its first node */
	struct loop	*loop;
	uint64_t	 node_id;
	size_t		 queue_bytes;	/* unsent, for each connection */
	struct hash_key	 hash_key;
	void		*arg;
	/* A node, or the whole, stands differently now. */
	void		(*change)(void *arg);
	/* See site.h; for each channel. */
	void		(*gap)(void *arg, struct slice channel,
			    struct mono since);
};

struct cluster *cluster_new(const struct cluster_params *) MUST_USE;
/* Without any call. */
void	cluster_free(struct cluster **);
/* What CLUSTER SLOTS says, at a node that is reached as host.  False: nothing
 * of use. */
bool	cluster_take(struct cluster *, const struct reply *, const char *host)
	    MUST_USE;

/* Where a channel is listened to. */
struct site *cluster_place(void *cluster, enum subscription_kind,
	    struct slice channel);
/* Whatever is listened to goes there; what waits is answered with NULL. */
void	cluster_leave(struct cluster *, site_to *, void *arg);
bool	cluster_add(struct cluster *, enum subscription_kind,
	    struct slice channel, subscriptions_cb *, void *arg) MUST_USE;
void	cluster_remove(struct cluster *, enum subscription_kind,
	    struct slice channel);

/* See redis.h: a command with a key, or with none; a channel of ours, of
 * strangers, of strangers by SPUBLISH. */
bool	cluster_command(struct cluster *, struct slice key,
	    const struct slice *argv, size_t n, commands_cb *, void *arg);
/* Where this channel of ours is. */
bool	cluster_command_at(struct cluster *, struct slice channel,
	    const struct slice *argv, size_t n, commands_cb *, void *arg);
bool	cluster_publish(struct cluster *, enum subscription_kind,
	    struct slice channel, struct slice payload, commands_cb *,
	    void *arg);

/* One node at least takes commands. */
bool	cluster_up(const struct cluster *);
/* How many nodes there are and how many of them are in trouble, *state: which,
 * or REDIS_CONNECTED. */
void	cluster_count(const struct cluster *, size_t *n, size_t *away,
	    enum redis_state *state);
/* About once a second. */
void	cluster_beat(struct cluster *);
void	cluster_flush(struct cluster *);
/* See redis.h. */
void	cluster_mark(struct cluster *);
bool	cluster_drains(const struct cluster *);
void	cluster_renew(struct cluster *);

#endif
