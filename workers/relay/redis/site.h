/*
 * One Redis: a connection for commands, one that listens, and how it stands
 * with both, in the log and for its owner.  Whatever happens there, nothing
 * here waits for it.  Which of several is asked for what is redis.c's affair.
 */
#ifndef RELAY_REDIS_SITE_H
#define RELAY_REDIS_SITE_H

#include "relay/redis/commands.h"
#include "relay/redis/subscriptions.h"

struct site;

struct site_params {
	const struct conf_redis *conf;	/* borrowed; its url is this one's */
	bool		 aimed;		/* waits for site_aim() */
	bool		 quiet;		/* does not listen before site_listen()
					 */
	struct loop	*loop;
	size_t		 queue_bytes;	/* unsent, for each connection */
	struct hash_key	 hash_key;
	struct slice	 pulse;		/* channel of our heartbeat; copied */
	void		*arg;
	/* Commands may be sent; may be NULL. */
	void		(*up)(void *arg, struct site *);
	/* It is ready, or not any more: look at it. */
	void		(*change)(void *arg, struct site *);
	/* See subscriptions.h: of a Cluster's. */
	void		(*moved)(void *arg, struct site *,
			    const struct slotmap_redirect *);
	/* It is listened to again; see redis.h.  whole: one call for all of
	 * its channels, with an empty one, not one for each. */
	bool		 whole;
	void		(*gap)(void *arg, struct slice channel,
			    struct mono since);
};

/* NULL: no memory.  Connects by itself, for ever. */
struct site *site_new(const struct site_params *) MUST_USE;
void	site_free(struct site **);
/* Both connections go there from now on; see link_aim().  What came to where
 * they were may not be all that was published since then. */
void	site_aim(struct site *, const char *host, unsigned port,
	    struct mono since);
/* Where it could be aimed at is not known: why. */
void	site_lost(struct site *, enum redis_state why, const char *words);
/* It is not needed any more, or of no use: commands that wait are answered
 * with NULL. */
void	site_fail(struct site *, enum redis_state why, const char *words);
/* See link_renew(). */
void	site_renew(struct site *);
void	site_flush(struct site *);
/* From now on there is a connection that listens. */
void	site_listen(struct site *);
/* See subscriptions_move(); our heartbeat stays. */
typedef struct site *site_to(void *arg, enum subscription_kind,
	    struct slice channel);
void	site_move(struct site *, site_to *, void *arg);
/* About once a second. */
void	site_beat(struct site *);
/* Of what was published there before site_mark() was called nothing is to come
 * any more, when it does not drain. */
void	site_mark(struct site *);
bool	site_drains(const struct site *);

/* See commands_send(), subscriptions_add(). */
bool	site_send(struct site *, const struct slice *argv, size_t n,
	    commands_cb *, void *arg);
bool	site_add(struct site *, enum subscription_kind, struct slice channel,
	    subscriptions_cb *, void *arg) MUST_USE;
void	site_remove(struct site *, enum subscription_kind,
	    struct slice channel);

/* See subscriptions_hears(). */
bool	site_hears(const struct site *, enum subscription_kind,
	    struct slice channel);

/* Commands may be sent ... */
bool	site_up(const struct site *);
/* What it says that it is. */
enum link_mode site_mode(const struct site *);
/* ... and we may publish ... */
bool	site_can_publish(const struct site *);
/* ... and everything is listened to. */
bool	site_ready(const struct site *);
/* No channel, besides our heartbeat's, and no command that waits. */
bool	site_is_idle(const struct site *);
/* REDIS_CONNECTED, REDIS_CONNECTING, or the trouble that is going on. */
enum redis_state site_state(const struct site *);

#endif
