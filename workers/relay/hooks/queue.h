/*
 * The queue of one namespace's entries on their way to a hook: each has a
 * number, which follows that of the one before in its epoch; what is dropped
 * has one as well.  What is sent is the beginning of it, and stays until it was
 * taken.  What another relay has left is of that one's epoch, and stands first.
 * Memory only.
 */
#ifndef RELAY_HOOKS_QUEUE_H
#define RELAY_HOOKS_QUEUE_H

#include <sys/queue.h>

#include "relay/stream/entry.h"

STAILQ_HEAD(hook_entries, entry);

struct hook_queue {
	struct hook_entries list;
	uint64_t	 epoch;		/* of those that come, */
	uint64_t	 number;	/* and the last one given */
	size_t		 bytes;
	unsigned	 n;
};

struct hook_bounds {
	unsigned	 entries;
	uint64_t	 bytes;
};

void	hook_queue_init(struct hook_queue *);
void	hook_queue_fini(struct hook_queue *);
/* There is room for an entry of so many bytes. */
bool	hook_queue_has_room(const struct hook_queue *,
	    const struct hook_bounds *, size_t bytes);
/* It takes the entry, which has the next number and came now (monotonic). */
void	hook_queue_add(struct hook_queue *, struct entry *, uint64_t now_ms);
/* The same with the number, epoch and moment that it has. */
void	hook_queue_restore(struct hook_queue *, struct entry *);
/* One less that anybody will get. */
void	hook_queue_skip(struct hook_queue *);
/* How many of the first, all of one epoch, go at once: within these bounds, or
 * one. */
unsigned hook_queue_share(const struct hook_queue *,
	    const struct hook_bounds *);
/* The first one, which is the caller's now; NULL: none. */
struct entry *hook_queue_take(struct hook_queue *);

#endif
