/*
 * One entry of a stream, until Redis has it: names and values of its fields,
 * and who waits for it.  Memory only.
 */
#ifndef RELAY_STREAM_ENTRY_H
#define RELAY_STREAM_ENTRY_H

#include <sys/queue.h>

#include "base/buf.h"

struct bus_publish;

#define ENTRY_PARTS_MAX	48u	/* names and values */

/* A worker that is to be told; ref 0: nobody. */
struct asker {
	uint16_t	 slot, generation;
	uint32_t	 ref;
};

struct entry {
	STAILQ_ENTRY(entry) next;
	uint64_t	 number;	/* of who has its queue */
	uint64_t	 epoch;		/* in which it has that number */
	uint64_t	 since_ms;	/* monotonic, of relay/hooks: it came */
	struct asker	 asker;
	unsigned	 nparts;
	size_t		 n;		/* of bytes */
	uint8_t		 bytes[];	/* of each part u32 size, then it */
};

/* An epoch as it is written: 16 digits, NUL. */
#define ENTRY_EPOCH	17u
void	entry_epoch(char out[ENTRY_EPOCH], uint64_t epoch);

/* What it is made from, in scratch memory; then made. */
struct entry_parts {
	struct buf	 bytes;
	unsigned	 n;
};

void	entry_begin(struct entry_parts *, struct slice type, uint64_t ts_ms);
void	entry_put(struct entry_parts *, const char *name, struct slice value);
/* What a worker says of an event. */
void	entry_put_event(struct entry_parts *, const struct bus_publish *);
/* The same, and where its sender waits for it what a back end replies by
 * (proto/offset.h); source: of this host. */
void	entry_put_forwarded(struct entry_parts *, const struct bus_publish *,
	    const char *source);
/* NULL: no memory. */
struct entry *entry_new(struct entry_parts *) MUST_USE;

/* The bytes of one that was made elsewhere: NULL with *bad: they are none; or
 * no memory. */
struct entry *entry_restore(struct slice bytes, unsigned nparts, bool *bad)
	    MUST_USE;

/* The parts in turn: at begins with 0. */
struct slice entry_part(const struct entry *, size_t *at);
/* The value of the first field of this name; empty: there is none. */
struct slice entry_field(const struct entry *, const char *name);

#endif
