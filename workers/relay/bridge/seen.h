/*
 * Which publications of other hosts have come already, or come too late.  One
 * that is for several channels has a number, and comes by each of them that is
 * listened to, in any order when these are at several servers: the numbers of
 * each node that came last are remembered one by one.
 *
 * A node's epoch grows with each connection that ended with messages on their
 * way, and with each of its relays, whose numbers begin anew.  What such a
 * connection has left in Redis' buffers may come behind what the next one has
 * brought; its sender counts it as lost, and it would be out of order: it is
 * stale.
 */
#ifndef RELAY_BRIDGE_SEEN_H
#define RELAY_BRIDGE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

#define SEEN_NODES	256	/* senders that are remembered */
#define SEEN_WINDOW	4096	/* numbers of each, up to the largest */

struct seen;

enum seen_result {
	SEEN_NEW, SEEN_AGAIN,
	SEEN_LATE,	/* so far behind that nobody knows */
	SEEN_STALE	/* of an epoch that is over, or of before a cut */
};

struct seen *seen_new(void) MUST_USE;	/* NULL: no memory */
void	seen_free(struct seen **);
/* number: from 1, or 0: it has none, since it can't come twice.  Remembered
 * from now on.  epoch: the relay in its upper half. */
enum seen_result seen_look(struct seen *, uint64_t node, uint64_t epoch,
	    uint64_t number) MUST_USE;
/*
 * While another link comes, this one has come by it, and was not taken: it comes
 * by the one that serves as well, with all that the node has said before.  level:
 * it has, of all nodes that were heard; cut: what has not by now is stale.
 */
void	seen_pass(struct seen *, uint64_t node, uint64_t epoch,
	    uint64_t number);
bool	seen_is_level(const struct seen *);
void	seen_cut(struct seen *);
void	seen_forget(struct seen *);	/* none has come so */
/* The node was heard, and an older epoch is its last. */
bool	seen_is_ahead(struct seen *, uint64_t node, uint64_t epoch);

#endif
