/*
 * What waits in Redis for users who are nowhere.  Workers add to it (BUS_QUEUE)
 * and take it (BUS_INBOX); all hosts hear when something is added, and ask
 * those workers for it to be taken that have the user.
 *
 *	PREFIXinbox:NS#USER	hash: "h" and "t", the first and the last of
 *				what waits; "b", bytes of it; each number to
 *				when it was added (unix ms), a blank and a frame
 *				(BUS_PUBLISH); "l" and "u", by whom some of it
 *				is taken, and until when (unix ms) nobody else
 *				gets any
 *	PREFIXinbox		channel: NS with its slash, NUL, USER
 *
 * NS in the key is without its slash, and has no "#".  A worker gets a page, and
 * says when it was written to clients (INBOX_TAKEN), or that there is nobody any
 * more (INBOX_BACK): then it goes, or waits as before.  If nothing is said for as
 * long as nobody else gets any, since somebody died in between, it is given once
 * more, with the same ids.  Whatever others have had in the meantime is looked
 * for when they no longer may.
 */
#ifndef RELAY_STREAM_INBOX_H
#define RELAY_STREAM_INBOX_H

#include "relay/redis/redis.h"
#include "relay/stream/entry.h"

struct bus_envelope;
struct conf;
struct exchange;
struct inbox;
struct segment;

struct inboxes_params {
	const struct conf *conf;
	struct exchange	*exchange;
	struct segment	*segment;
	uint64_t	 node_id;
	void		*arg;
	/* To who has asked: result as enum bus_store, frames as of BUS_STREAMED,
	 * more wait.  False: there is nobody any more. */
	bool		 (*answer)(void *arg, const struct asker *,
			    unsigned result, struct slice frames, bool more);
};

struct inbox *inboxes_new(const struct inboxes_params *) MUST_USE;
					/* NULL: no memory */
void	inboxes_free(struct inbox **);	/* after all of Redis */
void	inboxes_conf(struct inbox *, const struct conf *);
/* Another Redis from now on, NULL: none; alone: of those before nothing is heard
 * any more.  Each turn. */
void	inboxes_redis(struct inbox *, struct redis *, const char *prefix,
	    bool changed, bool alone);
/* BUS_QUEUE; BUS_INBOX. */
void	inboxes_queue(struct inbox *, struct bus_envelope *);
void	inboxes_take(struct inbox *, const struct bus_envelope *);
/* What it had not said that it gave is others'. */
void	inboxes_worker_gone(struct inbox *, unsigned slot);
/* Workers and Redis owe us nothing, or it is away. */
bool	inboxes_is_settled(const struct inbox *);

#endif
