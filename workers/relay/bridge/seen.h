/*
 * Which publications of other hosts have come already.  One that is for
 * several channels has a number, and comes by each of them that is listened
 * to, in any order when these are at several servers: the numbers of each
 * sender that came last are remembered one by one.
 */
#ifndef RELAY_BRIDGE_SEEN_H
#define RELAY_BRIDGE_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

#define SEEN_RELAYS	256	/* senders that are remembered */
#define SEEN_WINDOW	4096	/* numbers of each, up to the largest */

struct seen;

enum seen_result {
	SEEN_NEW, SEEN_AGAIN,
	SEEN_LATE	/* so far behind that nobody knows; taken for a copy */
};

struct seen *seen_new(void) MUST_USE;	/* NULL: no memory */
void	seen_free(struct seen **);
/* number: from 1.  Remembered from now on. */
enum seen_result seen_look(struct seen *, uint64_t relay, uint64_t number)
	    MUST_USE;

#endif
