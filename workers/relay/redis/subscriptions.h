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

struct slotmap_redirect;
struct subscriptions;

enum subscription_kind {
	SUB_OURS,		/* SUB_EXACT; in a Cluster SUB_SHARDED, under a
				 * name that tells its place: spread_tagged() */
	SUB_EXACT,		/* SUBSCRIBE */
	SUB_PATTERN,		/* PSUBSCRIBE: the channel is a glob */
	SUB_SHARDED,		/* SSUBSCRIBE: Redis 7; what SPUBLISH says */
	SUB_ALL_OURS		/* a pattern over SUB_OURS: its calls are for
				 * those that are not listened to one by one;
				 * not in a Cluster, where there is none */
};

/* channel: the one that was published to, whatever was subscribed. */
typedef void subscriptions_cb(void *arg, struct slice channel,
	    struct slice payload);

struct subscriptions_params {
	const struct conf_redis *conf;
	bool		 aimed;		/* waits for subscriptions_aim(), or
					 * _start() */
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
	/* One that was not listened to since then is listened to now; not told
	 * of those that were lost with the link, unless each is set.  May be
	 * NULL. */
	void		(*late)(void *arg, struct slice channel,
			    struct mono since);
	bool		 each;
	bool		 tagged;	/* it is a Cluster's: SUB_OURS */
	/* NULL but in a Cluster: the channels of a slot are elsewhere. */
	void		(*moved)(void *arg, const struct slotmap_redirect *);
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
/* The first attempt. */
void	subscriptions_start(struct subscriptions *);
/*
 * Each channel goes to where `to' says, which may be here or NULL, for here.
 * There it is asked for; here, if it is one that comes from one place alone,
 * it is heard a little longer.
 */
typedef struct subscriptions *subscriptions_to(void *arg,
	    enum subscription_kind, struct slice channel);
void	subscriptions_move(struct subscriptions *, subscriptions_to *,
	    void *arg);
/* A channel that is not there yet; connected or not.  False: no memory. */
bool	subscriptions_add(struct subscriptions *, enum subscription_kind,
	    struct slice channel, subscriptions_cb *, void *arg) MUST_USE;
/* Harmless for one that is not there. */
void	subscriptions_remove(struct subscriptions *, enum subscription_kind,
	    struct slice channel);
/* Redis has confirmed that it is listened to, by itself or by a pattern over
 * it: what is published from now on comes. */
bool	subscriptions_hears(struct subscriptions *, enum subscription_kind,
	    struct slice channel);
/* Connected, and every channel is listened to. */
bool	subscriptions_ready(const struct subscriptions *);
size_t	subscriptions_count(const struct subscriptions *);
size_t	subscriptions_denied(const struct subscriptions *);
/* About once a second. */
void	subscriptions_beat(struct subscriptions *);
void	subscriptions_flush(struct subscriptions *);
/* The owner has found that nothing comes. */
void	subscriptions_fail(struct subscriptions *, enum redis_state why,
	    const char *words);

#endif
