/*
 * One connection to Redis, for ever: it is made, greeted (AUTH, HELLO, SELECT,
 * CLIENT SETNAME, PING), and made again when it breaks, later and later.
 * Nothing here blocks.  What is said and what the replies mean is the affair of who
 * opened it: commands.c and subscriptions.c.
 */
#ifndef RELAY_REDIS_LINK_H
#define RELAY_REDIS_LINK_H

#include "conf/redis_state.h"
#include "relay/redis/reply.h"
#include "sys/loop.h"

#define LINK_HOST	256	/* bytes of a name or an address, with its NUL */

struct conf_redis;
struct link;

/* What the owner is told; none may free the link. */
struct link_calls {
	void	*arg;
	/* Greeted: commands may be sent. */
	void	(*up)(void *arg);
	/* One reply after up(), in order. */
	void	(*reply)(void *arg, const struct reply *);
	/* An attempt, or what was up, has failed: no replies will come to what
	 * was sent.  words: for the log, valid for this call. */
	void	(*down)(void *arg, bool was_up, enum redis_state why,
	    const char *words);
};

struct link_params {
	const struct conf_redis *conf;	/* borrowed */
	bool		 aimed;		/* no attempt before link_aim() */
	struct loop	*loop;
	const char	*name;		/* "commands", for CLIENT LIST */
	struct reply_limits limits;	/* of one reply */
	size_t		 queue_bytes;	/* unsent commands */
	bool		 listens;	/* to channels: in RESP3, where the server
					 * speaks it, and messages are replies */
	bool		 asks_mode;	/* for link_mode() */
	struct link_calls calls;
};

/* Starts the first attempt with the loop's next turn.  NULL: no memory. */
struct link *link_new(const struct link_params *) MUST_USE;
void	link_free(struct link **);		/* without a call of down() */
/* The first attempt of one that waits for link_aim(), to its url. */
void	link_start(struct link *);
/* What the server says that it is; asked of who has asks_mode, while it is
 * up. */
enum link_mode { LINK_MODE_UNKNOWN, LINK_MODE_ALONE, LINK_MODE_CLUSTER };
enum link_mode link_mode(const struct link *);
bool	link_up(const struct link *);
/*
 * From now on it goes there, instead of to the url's host: a connection to
 * another place, or an attempt, is given up by link_fail() with REDIS_SWITCHED.
 * Nothing happens when it goes there already.  Names longer than LINK_HOST are
 * cut.  Not from within a call of this link.
 */
void	link_aim(struct link *, const char *host, unsigned port);
/*
 * The password may have changed: it is read again and sent, and nothing else
 * changes, though it be refused.  A connection that listens and cannot take it
 * (RESP2) is given up by link_fail() with REDIS_RENEWED.  Not from within a
 * call of this link.
 */
void	link_renew(struct link *);
/* Queue a command, to be written at the end of the turn.  False: not up, no
 * room or no memory. */
bool	link_command(struct link *, const struct slice *argv, size_t n);
/* End of the turn: all that was queued, by one write. */
void	link_flush(struct link *);
/* The owner has found that it is of no use: down() is called. */
void	link_fail(struct link *, enum redis_state why, const char *words);
/* When the last bytes came in. */
struct mono link_heard(const struct link *);

#endif
