/*
 * An event as it came in, and the answer to one that is refused: a stable
 * code, words for people, a counter for each reason.
 */
#ifndef HUB_SESSION_REFUSE_H
#define HUB_SESSION_REFUSE_H

#include "hub/queue/args.h"
#include "hub/session/session.h"

/* Why an event was refused: the stable code that clients see, its counters. */
enum refused {
	REFUSED_NONE,
	REFUSED_UNKNOWN_EVENT, REFUSED_INVALID, REFUSED_FORBIDDEN,
	REFUSED_TOO_LARGE, REFUSED_NOT_MEMBER, REFUSED_BAD_REQUEST,
	REFUSED_LIMIT, REFUSED_UNAUTHORIZED, REFUSED_INTERNAL, REFUSED_RATE,
	REFUSED_UNAVAILABLE, REFUSED_FINISHED, REFUSED_CONFLICT
};
const char *refused_code(enum refused);

/* One event as it came in.  All slices are borrowed. */
struct inbound {
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* elements without brackets */
	struct slice	 first;		/* the first of them; empty: none, or
					 * not looked for yet */
	const struct slice *attachments;
	unsigned	 nattach;
	struct ack	 ack;
};

static inline size_t
inbound_bytes(const struct inbound *in)
{
	return (args_bytes(in->args, in->attachments, in->nattach));
}

/* Count and tell the sender. */
void	refuse(struct session *, const struct inbound *, enum refused,
	    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The same with more members of the error: raw JSON, each with its comma before
 * it. */
void	refuse_with(struct session *, const struct inbound *, enum refused,
	    struct slice words, struct slice more);
/* Above a rate, until so much later (ms). */
void	refuse_rate(struct session *, const struct inbound *,
	    uint64_t retry_ms);
/* As a back end has said. */
struct verdict;
void	refuse_verdict(struct session *, const struct inbound *,
	    const struct verdict *);
/* There was no memory for it, which is counted. */
void	refuse_memory(struct session *, const struct inbound *);
/* The ack is what b holds; or that there was no memory for it. */
void	refuse_or_ack(struct session *, const struct inbound *,
	    const struct buf *b);

#endif
