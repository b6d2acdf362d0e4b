/*
 * The inside of stream/, between its files: what a worker has of it.
 */
#ifndef HUB_STREAM_STREAM_INT_H
#define HUB_STREAM_STREAM_INT_H

#include <sys/queue.h>

#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/stream/stream.h"
#include "proto/bus.h"

#define STREAM_TIMEOUT_MS	2000	/* for the relay's answer */
#define STREAM_WAITS_MAX	16384	/* questions without an answer */

/* What becomes of it is its kind's. */
struct question {
	struct wait	 wait;
	/* It is over, and frees itself; e: the answer, or NULL: there is none. */
	void		(*over)(struct hub *, struct question *,
			    const struct bus_envelope *e);
};

struct inbox_take;
TAILQ_HEAD(inbox_takes, inbox_take);

struct streams_table {
	struct waits	 waits;
	struct waits	 awaits;	/* await.c: replies of back ends */
	/* inbox_take.c */
	struct hashtab	 takes;		/* by user; those that ask are in no
					 * list */
	struct inbox_takes given;	/* the relay is to be told */
	struct inbox_takes slow;	/* their clients are to read first */
	struct inbox_takes later;	/* there was no answer */
	bool		 said;		/* the relay was told in this turn */
};

/* inbox_take.c: of what a table is made; its end; the clock. */
uint64_t inbox_hash_of(const void *hub, const struct hashtab_link *);
void	inbox_free(struct hub *);
void	inbox_tick(struct hub *);
/* ... queues were written; an answer that nobody waits for any more. */
void	inbox_written(struct hub *);
void	inbox_unwanted(struct hub *, const struct bus_envelope *);

/* await.c: the clock; the end. */
void	await_tick(struct hub *);
void	await_free(struct hub *);

/* question.c: sends e to the relay, and waits.  false: it was not sent. */
bool	question_ask(struct hub *, struct bus_envelope *, struct question *)
	    MUST_USE;
/* The same, for an answer that may take so long. */
bool	question_ask_for(struct hub *, struct bus_envelope *,
	    struct question *, uint64_t ms) MUST_USE;
/* One of this kind (FORWARD_ASKS...) was asked. */
void	verdict_count(uint64_t kind);
/* BUS_STREAMED: false: too late.  The clock; the stream broke. */
bool	question_answered(struct hub *, const struct bus_envelope *) MUST_USE;
void	question_tick(struct hub *);
void	question_lost(struct hub *);

#endif
