/*
 * One Sentinel and what it says: asked and listened to here, weighed by
 * its owner.
 */
#ifndef RELAY_REDIS_SENTINEL_H
#define RELAY_REDIS_SENTINEL_H

#include "conf/conf.h"
#include "relay/redis/commands.h"

#define SENTINEL_WORDS	160

struct sentinel_answer {
	bool		 known;
	struct mono	 at;
	uint64_t	 epoch;		/* of the configuration: newer is right */
	char		 host[LINK_HOST];
	unsigned	 port;
};

struct sentinel;

/* Of who weighs what they say. */
struct sentinel_calls {
	void	*arg;
	void	(*changed)(void *arg, struct sentinel *);	/* an answer */
	/* It has none, and cannot be asked. */
	void	(*failed)(void *arg, struct sentinel *, const char *words);
};

struct sentinel {
	struct sentinel_calls calls;
	struct loop	*loop;
	const char	*master;	/* name */
	struct conf_redis conf;		/* how to reach this one; borrows */
	struct commands	*commands;	/* asks */
	struct link	*watch;		/* listens */
	struct mono	 pinged;
	struct mono	 asked;		/* the last time */
	bool		 asking;	/* no answer yet */
	bool		 again;		/* once more, soon */
	bool		 unwatched;	/* it does not tell; the log says so */
	bool		 troubled;	/* the log says so */
	struct sentinel_answer answer;
};

/* Zeroed; conf: the whole section; which: of its sentinels.  False: no
 * memory. */
bool	sentinel_open(struct sentinel *, const struct conf_redis *conf,
	    size_t which, struct loop *, const struct sentinel_calls *)
	    MUST_USE;
void	sentinel_close(struct sentinel *);
/* Where is the master?  A few times a second, at most. */
void	sentinel_ask(struct sentinel *);
void	sentinel_beat(struct sentinel *);

#endif
