/*
 * What the files of inbox know of each other and nobody else does: inbox.c, who
 * hears that something waits; inbox_add.c; inbox_take.c.
 */
#ifndef RELAY_STREAM_INBOX_INT_H
#define RELAY_STREAM_INBOX_INT_H

#include <sys/queue.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/local/exchange.h"
#include "relay/stream/inbox.h"
#include "shm/counters.h"

#define INBOX_TOKEN	56u

/* Something about one user's: a question that is on its way to Redis, a page that
 * a worker has, or one that is to be looked for later. */
struct inbox_asked {
	TAILQ_ENTRY(inbox_asked) link;
	struct inbox	*inbox;
	bool		 astray;	/* nobody waits for it any more */
	struct asker	 asker;
	char		 token[INBOX_TOKEN];	/* of who takes */
	int64_t		 first, last;	/* numbers of a page */
	bool		 more;		/* there was, behind it */
	uint64_t	 due_ms;	/* monotonic; not before it is looked */
	size_t		 nsp_len, user_len;
	uint8_t		 bytes[];	/* namespace, NUL, user */
};

TAILQ_HEAD(inbox_list, inbox_asked);

struct inbox {
	unsigned	 magic;
#define INBOX_MAGIC	0x14b0c514
	struct inboxes_params p;
	struct interest	*interest;
	struct redis	*redis;		/* NULL: none */
	struct inbox_list asked;	/* Redis is to answer */
	struct inbox_list astray;	/* ... but is another one by now */
	struct inbox_list held;		/* workers are to say that they gave it */
	struct inbox_list watched;	/* is something there, later? */
	unsigned	 n;		/* of all but the astray */
	uint64_t	 life, serial;	/* of tokens: no two are the same */
	bool		 listens;
	struct buf	 channel;	/* that it listens to */
	struct buf	 key, frame, page;	/* scratch */
};

/* NULL: no memory, or too many.  It is in asked. */
struct inbox_asked *inbox_asked_new(struct inbox *,
	    const struct bus_envelope *);
/* Redis has answered: its inbox, or NULL; it is in no list. */
struct inbox *inbox_answered(struct inbox_asked *);
/* One that is in no list is in this one. */
void	inbox_enter(struct inbox *, struct inbox_list *, struct inbox_asked *);
/* ... and out of it. */
void	inbox_leave(struct inbox *, struct inbox_list *, struct inbox_asked *);

static inline struct slice
inbox_asked_nsp(const struct inbox_asked *a)
{
	return (slice_of(a->bytes, a->nsp_len));
}

static inline struct slice
inbox_asked_user(const struct inbox_asked *a)
{
	return (slice_of(a->bytes + a->nsp_len + 1, a->user_len));
}

bool	inbox_is_up(const struct inbox *);
/* The key's name, in b->key.  false: no memory. */
bool	inbox_key(struct inbox *, struct slice nsp, struct slice user);
/* Whoever has the user by now is to look. */
void	inbox_tell_all(struct inbox *, const struct inbox_asked *);

/* inbox_take.c: what is due. */
void	inbox_turn(struct inbox *);

#endif
