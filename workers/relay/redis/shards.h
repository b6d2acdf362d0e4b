/*
 * Several Redis that know nothing of each other: a site for each, and which of
 * them has a channel of ours (spread.h).  One that is away takes its channels
 * along, and no others.  Strangers know of no shards: their channels are at the
 * first, as are all keys.  Used by redis.c.
 */
#ifndef RELAY_REDIS_SHARDS_H
#define RELAY_REDIS_SHARDS_H

#include "relay/redis/site.h"

struct shards;

struct shards_params {
	const struct conf_redis *conf;	/* borrowed; it has shards */
	struct loop	*loop;
	uint64_t	 node_id;
	size_t		 queue_bytes;	/* unsent, for each connection */
	struct hash_key	 hash_key;
	void		*arg;
	/* One stands differently now. */
	void		(*change)(void *arg);
	/* See site.h; for each channel. */
	void		(*gap)(void *arg, struct slice channel,
			    struct mono since);
};

struct shards *shards_new(const struct shards_params *) MUST_USE;
/* Without any call. */
void	shards_free(struct shards **);

bool	shards_add(struct shards *, enum subscription_kind,
	    struct slice channel, subscriptions_cb *, void *arg) MUST_USE;
void	shards_remove(struct shards *, enum subscription_kind,
	    struct slice channel);
/* See redis.h. */
/* Where this channel of ours is. */
struct site *shards_site(const struct shards *, struct slice channel);
bool	shards_command(struct shards *, const struct slice *argv, size_t n,
	    commands_cb *, void *arg);
bool	shards_publish(struct shards *, enum subscription_kind,
	    struct slice channel, struct slice payload, commands_cb *,
	    void *arg);

/* One at least takes publications. */
bool	shards_up(const struct shards *);
/* How many there are and how many of them are in trouble; *state: the first
 * one's, or REDIS_CONNECTED; *which: their bits. */
void	shards_count(const struct shards *, size_t *n, size_t *away,
	    enum redis_state *state, uint64_t *which);
/* About once a second. */
void	shards_beat(struct shards *);
void	shards_flush(struct shards *);
/* See redis.h. */
void	shards_mark(struct shards *);
bool	shards_drains(const struct shards *);
void	shards_renew(struct shards *);

#endif
