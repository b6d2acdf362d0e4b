/*
 * The connection for commands: pipelined, each with a call for its reply.
 * Memory over a link; a reply that does not come in time ends it.
 */
#ifndef RELAY_REDIS_COMMANDS_H
#define RELAY_REDIS_COMMANDS_H

#include "relay/redis/link.h"

#define COMMANDS_TIMEOUT_MS	5000	/* for a reply */
#define COMMANDS_MAX		65536	/* that wait for theirs */

struct commands;

/* NULL: the link is lost, and whether Redis has done it nobody knows. */
typedef void commands_cb(void *arg, const struct reply *);

struct commands_params {
	const struct conf_redis *conf;
	bool		 aimed;		/* waits for commands_aim() */
	bool		 asks_mode;	/* for commands_mode() */
	struct loop	*loop;
	size_t		 queue_bytes;
	void		*arg;		/* of both: */
	void		(*up)(void *arg);
	void		(*down)(void *arg, bool was_up, enum redis_state why,
			    const char *words);
	/* A reply, before its call, is an error that passes: see refusal.h.
	 * NULL: nobody counts. */
	void		(*refused)(void *arg, const struct reply *);
};

struct commands *commands_new(const struct commands_params *) MUST_USE;
/* Without any call. */
void	commands_free(struct commands **);
/* See link_renew(). */
void	commands_renew(struct commands *);
/* See link_aim(). */
void	commands_aim(struct commands *, const char *host, unsigned port);
/* False, counted: not connected, or too much waits.  on_reply may be NULL. */
bool	commands_send(struct commands *, const struct slice *argv, size_t n,
	    commands_cb *on_reply, void *arg);
bool	commands_up(const struct commands *);
/* See link_mode(). */
enum link_mode commands_mode(const struct commands *);
/* How many have no reply yet. */
size_t	commands_waiting(const struct commands *);
/* The owner has found that it is of no use: all calls are made. */
void	commands_fail(struct commands *, enum redis_state why,
	    const char *words);
/* About once a second: a PING when nothing else is asked, and the end of a
 * link whose reply is late. */
void	commands_beat(struct commands *);
void	commands_flush(struct commands *);

#endif
