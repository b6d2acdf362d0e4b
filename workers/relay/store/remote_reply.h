/*
 * What Redis says of rooms: answers of the scripts, and batches on channels; see
 * remote_script.h.  Anything may be in them.  Memory only.
 */
#ifndef STORE_REMOTE_REPLY_H
#define STORE_REMOTE_REPLY_H

#include "base/bug.h"
#include "base/slice.h"

struct reply;

/* Where the other room has one that two keep; epoch is empty: no other does. */
struct remote_twin {
	struct slice	 epoch;
	uint64_t	 place;
};

/* What became of a batch. */
struct remote_placed {
	struct slice	 token, epoch;
	struct slice	 rest;		/* places, of which */
	uint64_t	 refused;	/* why it has none; enum bus_store */
};
/* false: it is no such answer. */
bool	remote_placed(struct slice text, struct remote_placed *) MUST_USE;
/* The next one, which was there before if *was; place 0: it has none, as p->refused
 * says.  false: no more. */
bool	remote_placed_next(struct remote_placed *, uint64_t *place,
	    struct remote_twin *, bool *was) MUST_USE;

/* The next one was not appended: how its key is, or *full.  false: it was, or there is
 * none; nothing is taken then. */
bool	remote_placed_refused(struct remote_placed *, uint64_t *place,
	    uint64_t *version, bool *full) MUST_USE;

struct remote_page {
	struct slice	 epoch;
	uint64_t	 top, first, base, result;
	bool		 more;
	bool		 finished;	/* nothing comes behind top */
	uint64_t	 start;		/* place of the first entry */
	const struct reply *o;
	size_t		 n;		/* entries */
	/* of a room beside a journal: the journal stood there; its epoch is
	 * empty: there is nothing in it */
	size_t		 head;
	struct remote_twin journal;
};
bool	remote_page(const struct reply *, struct remote_page *) MUST_USE;
/* Of a room with keys: start says nothing; each entry has its place instead of its
 * age, and the places ascend. */
bool	remote_page_keyed(const struct reply *, struct remote_page *) MUST_USE;
/* i is below n. */
struct slice remote_page_entry(const struct remote_page *, size_t i,
	    uint64_t *age_ms);

struct remote_batch {
	struct slice	 token, epoch;
	uint64_t	 place;		/* of the first */
	struct slice	 rest;		/* entries */
};
bool	remote_batch(struct slice payload, struct remote_batch *) MUST_USE;
/* The next entry, as it is kept.  false: no more; *bad: what is left is none. */
bool	remote_batch_next(struct remote_batch *, struct slice *entry,
	    bool *bad) MUST_USE;
/* What is in an entry, without its length and place.  false: it is none. */
bool	remote_entry(struct slice entry, struct slice *inside,
	    struct remote_twin *) MUST_USE;

#endif
