/*
 * What a client may do: send this event, join this room.  Nothing that a
 * client sends reaches anybody unless a rule of its namespace says so.
 */
#ifndef HUB_RULE_H
#define HUB_RULE_H

#include "hub/session.h"

/* Why an event was refused: the stable code that clients see, its counters. */
enum refused {
	REFUSED_NONE,
	REFUSED_UNKNOWN_EVENT, REFUSED_INVALID, REFUSED_FORBIDDEN,
	REFUSED_TOO_LARGE, REFUSED_NOT_MEMBER, REFUSED_BAD_REQUEST,
	REFUSED_LIMIT, REFUSED_UNAUTHORIZED, REFUSED_INTERNAL, REFUSED_RATE
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

/* Count and tell the sender. */
void	rule_refuse(struct session *, const struct inbound *, enum refused,
	    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What b holds, to whoever asked; if it holds not all, out of memory. */
void	rule_ack(struct session *, const struct inbound *, const struct buf *b);

/* Above a rate, until so much later (ms). */
void	rule_refuse_rate(struct session *, const struct inbound *,
	    uint64_t retry_ms);

/* Apply the namespace's rule to an event, or hand it to a service. */
void	rule_event(struct session *, const struct inbound *);
/* A session that is new has begun: the namespace's rule for `connect`, if it
 * has one.  auth: the object of its CONNECT; empty: none. */
void	rule_connect(struct session *, struct slice auth);

/* An acknowledgement, by its id (NULL: it has none).  One that nobody asked
 * for, or not any more, is charged as a message. */
void	rule_answer(struct session *, const uint64_t *id, struct slice args,
	    const struct slice *attachments, unsigned n);

/* May this session join the room?  REFUSED_NONE: yes. */
enum refused rule_join(const struct session *, struct slice room);

#endif
