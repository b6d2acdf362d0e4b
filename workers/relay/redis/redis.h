/*
 * Redis as the relay uses it: what is asked of it, what is listened to, and
 * how it stands with it, in gauges and in /health.  Whatever happens there,
 * nothing here waits for it.
 */
#ifndef RELAY_REDIS_REDIS_H
#define RELAY_REDIS_REDIS_H

#include <sys/queue.h>

#include "base/buf.h"
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
/* How it stands is told of another one in the gauges, or of this one again. */
void	redis_quiet(struct redis *, bool quiet);
/* All that was asked for in a turn, by one write for each connection. */
void	redis_flush(struct redis *);
/* password_file may have changed: read it again, and AUTH on each connection
 * without losing anything. */
void	redis_renew(struct redis *);

/*
 * Channels and keys are whole: with prefix.  A call for a reply is made once,
 * later, with NULL when the link is lost; it may be NULL.  False: not sent,
 * counted, and no call will come.
 *
 * Ours: channels that only daemons of ours use.  Where they are is decided
 * here, and is the same for all daemons of one configuration.
 */
bool	redis_publish(struct redis *, struct slice channel,
	    struct slice payload, commands_cb *, void *arg);
bool	redis_subscribe(struct redis *, struct slice channel,
	    subscriptions_cb *, void *arg) MUST_USE;
void	redis_unsubscribe(struct redis *, struct slice channel);
/* The same for those that every daemon listens to: of several shards they are at
 * the first, where strangers' are, so that no other one concerns all of them. */
bool	redis_publish_for_all(struct redis *, struct slice channel,
	    struct slice payload, commands_cb *, void *arg);
bool	redis_subscribe_for_all(struct redis *, struct slice channel,
	    subscriptions_cb *, void *arg) MUST_USE;

/*
 * All of ours that are not listened to one by one, by a pattern: the prefix and
 * a star.  Only for a while, as it is all the traffic of all hosts.  False: no
 * memory, or a Cluster, where no pattern reaches ours.
 */
bool	redis_subscribe_all(struct redis *, struct slice pattern,
	    subscriptions_cb *, void *arg) MUST_USE;
void	redis_unsubscribe_all(struct redis *, struct slice pattern);
bool	redis_has_patterns(const struct redis *);

/* Strangers': what back ends and other servers use by PUBLISH, SUBSCRIBE and
 * PSUBSCRIBE.  A pattern is a glob; the call gets the channel. */
bool	redis_publish_classic(struct redis *, struct slice channel,
	    struct slice payload, commands_cb *, void *arg);
bool	redis_subscribe_classic(struct redis *, struct slice channel,
	    subscriptions_cb *, void *arg) MUST_USE;
void	redis_unsubscribe_classic(struct redis *, struct slice channel);
bool	redis_psubscribe_classic(struct redis *, struct slice pattern,
	    subscriptions_cb *, void *arg) MUST_USE;
void	redis_punsubscribe_classic(struct redis *, struct slice pattern);

/* Strangers' by SPUBLISH and SSUBSCRIBE, of Redis 7, even of one alone: under
 * exactly this name. */
bool	redis_spublish_raw(struct redis *, struct slice channel,
	    struct slice payload, commands_cb *, void *arg);
bool	redis_ssubscribe_raw(struct redis *, struct slice channel,
	    subscriptions_cb *, void *arg) MUST_USE;
void	redis_sunsubscribe_raw(struct redis *, struct slice channel);

/* Any other.  key: of its KEYS, which all have the same {tag}, and go to where
 * that is; empty: none, any Redis will do. */
bool	redis_command(struct redis *, struct slice key,
	    const struct slice *argv, size_t n, commands_cb *, void *arg);

/*
 * To where this channel of ours is: what is done there may publish to it.  The
 * names of its KEYS, and the channel's own, are those that redis_name_at() makes
 * of them.  It is listened to there: what is published from now on comes.
 */
bool	redis_command_at(struct redis *, struct slice channel,
	    const struct slice *argv, size_t n, commands_cb *, void *arg);
/* Replaces what is in b. */
struct slice redis_name_at(struct redis *, struct buf *b,
	    struct slice channel, struct slice name);
/* The command that publishes to ours. */
struct slice redis_verb(const struct redis *);
bool	redis_hears(struct redis *, struct slice channel);

/* What was published before redis_mark() is called, and is listened to, has
 * come, or will not come any more, when it does not drain. */
void	redis_mark(struct redis *);
bool	redis_drains(const struct redis *);

/* Commands are taken, and we may publish; listening may be another matter. */
bool	redis_can_publish(const struct redis *);

/*
 * What its users are told of the whole; zeroed, with the calls that are of
 * interest.  None may free redis.
 */
struct redis_watch {
	void		*arg;
	/* Connected and listening to everything, first or again; at once if it
	 * is so already. */
	void		(*ready)(void *arg);
	/* Not any more, or not yet. */
	void		(*lost)(void *arg);
	/* It is listened to again: what was published since then did not reach
	 * us.  channel: ours or a stranger's; empty: any of them. */
	void		(*gap)(void *arg, struct slice channel,
			    struct mono since);
	/* Another Redis is used from now on, though the old one answers yet:
	 * what was published since then may have reached nobody. */
	void		(*astray)(void *arg, struct mono since);
	TAILQ_ENTRY(redis_watch) next;
};
void	redis_watch(struct redis *, struct redis_watch *);
void	redis_unwatch(struct redis *, struct redis_watch *);

#endif
