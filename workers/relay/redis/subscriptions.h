/*
 * The connection that listens: channels of all kinds, subscribed anew whenever
 * it comes back.  What was published in between nobody has kept: a gap, which
 * the owner is told of.
 */
#ifndef RELAY_REDIS_SUBSCRIPTIONS_H
#define RELAY_REDIS_SUBSCRIPTIONS_H

#include "base/hash.h"
#include "relay/redis/link.h"

#define SUBSCRIPTIONS_SILENT_MS	6000	/* nothing heard, though asked: dead */

struct subscriptions;

enum subscription_kind {
	SUB_EXACT,		/* SUBSCRIBE */
	SUB_PATTERN,		/* PSUBSCRIBE: the channel is a glob */
	SUB_SHARDED		/* SSUBSCRIBE: Redis 7; what SPUBLISH says */
};

/* channel: the one that was published to, whatever was subscribed. */
typedef void subscriptions_cb(void *arg, struct slice channel,
	    struct slice payload);

struct subscriptions_params {
	const struct conf_redis *conf;
	bool		 aimed;		/* waits for subscriptions_aim() */
	struct loop	*loop;
	size_t		 queue_bytes;
	struct hash_key	 hash_key;
	void		*arg;		/* of all: */
	/* All channels are being listened to, or all but those denied. */
	void		(*ready)(void *arg);
	void		(*down)(void *arg, bool was_up, enum redis_state why,
			    const char *words);
	/* Redis does not let us listen to this one; it is asked again now and
	 * then. */
	void		(*denied)(void *arg, enum subscription_kind,
			    struct slice channel, const char *words);
	/* That, or one that there was no room to ask for, is listened to now,
	 * on a link that was up since then.  May be NULL. */
	void		(*late)(void *arg, struct slice channel,
			    struct mono since);
};

struct subscriptions *subscriptions_new(const struct subscriptions_params *)
	    MUST_USE;
/* Without any call. */
void	subscriptions_free(struct subscriptions **);
/* See link_renew(). */
void	subscriptions_renew(struct subscriptions *);
/* See link_aim(). */
void	subscriptions_aim(struct subscriptions *, const char *host,
	    unsigned port);
/* A channel that is not there yet; connected or not.  False: no memory. */
bool	subscriptions_add(struct subscriptions *, enum subscription_kind,
	    struct slice channel, subscriptions_cb *, void *arg) MUST_USE;
/* Harmless for one that is not there. */
void	subscriptions_remove(struct subscriptions *, enum subscription_kind,
	    struct slice channel);
/* Connected, and every channel is listened to. */
bool	subscriptions_ready(const struct subscriptions *);
size_t	subscriptions_denied(const struct subscriptions *);
/* About once a second. */
void	subscriptions_beat(struct subscriptions *);
void	subscriptions_flush(struct subscriptions *);
/* The owner has found that nothing comes. */
void	subscriptions_fail(struct subscriptions *, enum redis_state why,
	    const char *words);

#endif
