/*
 * What the files of a link share.  Private to them.
 */
#ifndef RELAY_REDIS_LINK_INT_H
#define RELAY_REDIS_LINK_INT_H

#include "base/buf.h"
#include "relay/redis/link.h"
#include "relay/redis/resolve.h"

enum link_state {
	LINK_WAITING,		/* for the next attempt */
	LINK_RESOLVING, LINK_CONNECTING, LINK_SECURING, LINK_GREETING, LINK_UP
};
/* What a reply of the greeting is to. */
enum link_greeting {
	LINK_AUTH, LINK_HELLO, LINK_SELECT, LINK_NAME, LINK_ROLE, LINK_PING,
	LINK_GREETINGS
};

struct link {
	unsigned	 magic;
#define LINK_MAGIC	0x11c4ed15
	struct link_params p;
	enum link_state	 state;
	unsigned	 attempt;	/* changes with each */
	unsigned	 failures;	/* in a row */
	struct timer	 timer;		/* the next attempt, or the end of this;
					 * up: of waiting for an AUTH's answer */
	struct mono	 since;		/* up since */
	struct mono	 heard;
	char		 host[LINK_HOST]; /* link_aim()'s; "": the url's */
	unsigned	 port;
	struct resolve	 resolve;
	struct resolved	 to;
	unsigned	 first, tried;	/* addresses of `to` */
	struct loop_fd	 io;		/* fd -1: none */
	struct secure	*tls;
	struct buf	 out;
	bool		 blocked;
	struct reply_reader *reader;
	uint64_t	 asked, answered; /* commands, while it is up */
	uint64_t	 renew_at;	/* so many answers before that to AUTH */
	bool		 renewing;	/* AUTH has no answer yet */
	bool		 renew_again;	/* the file may be newer than that */
	unsigned	 renew_tries;	/* that had no answer in time */
	unsigned	 renew_late;	/* answers that may still come */
	bool		 resp3;
	enum link_mode	 mode;
	enum link_greeting greeting[LINK_GREETINGS];
	unsigned	 ngreeting, greeted;
	char		 said[REPLY_WORDS]; /* an error during the greeting */
};

/* link.c: queue a command, in any state.  All of it or nothing. */
bool	link_encode(struct link *, const struct slice *argv, size_t n)
	    MUST_USE;
/* The timer, anew. */
void	link_wait(struct link *, uint64_t ms);
/* To be told of bytes that come, and of room for others.  False: it failed. */
bool	link_want(struct link *, bool out);
/* The events of a link that is greeting, or up. */
void	link_talk(struct link *, unsigned events);
/* Where it goes; NULL: to a unix socket. */
const char *link_host(const struct link *);
/* link_dial.c: an attempt, from the name to TLS.  It ends with link_greet(),
 * or with link_fail(). */
void	link_dial(struct link *);
void	link_dial_init(struct link *);
/* link_greeting.c: what is said first; then, by its last reply, the link is
 * up. */
void	link_greet(struct link *);
void	link_on_greeting(struct link *, const struct reply *);
/* While it is up: is this the answer to an AUTH?  Then it is dealt with. */
bool	link_on_renewed(struct link *, const struct reply *);
/* None came in time. */
void	link_on_unanswered(struct link *);

#endif
