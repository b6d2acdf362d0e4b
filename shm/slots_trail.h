/*
 * What happened to clients lately: a ring of records for each slot, in the
 * segment, so that it is there when the worker is not any more.  A worker
 * writes of its clients into the ring of its slot, which goes on from whoever
 * had the slot before; the master writes of workers into that of slot 0.
 *
 * One writer a ring, with plain stores.  A record's first word says which one
 * it is, and is 0 while the rest is written: what a writer left behind that
 * died between, or overwrote while somebody read, is recognised and skipped.
 *
 * Session ids are secrets: hashes of them, half as long, stand here.
 */
#ifndef SHM_SLOTS_TRAIL_H
#define SHM_SLOTS_TRAIL_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/hash.h"
#include "base/slice.h"

struct segment;

#define TRAIL_RECORDS	4096u	/* of a slot; a power of two */
#define TRAIL_MASTER	0u	/* the master's ring: slot of the relay */

/* New ones go last. */
enum trail_event {
	TRAIL_NONE,
	TRAIL_OPENED,		/* a client came */
	TRAIL_JOINED,		/* ... a namespace */
	TRAIL_REFUSED,		/* what: with which code; ns: there, or "" at
				 * the door */
	TRAIL_RATE_LIMITED,	/* an event of it was refused for that */
	TRAIL_SLOW,		/* queued: so much waits that it is not read */
	TRAIL_CLOSED,		/* reason, code, age and traffic */
	TRAIL_MOVED,		/* to another worker, its own one stays */
	TRAIL_DIED,		/* master: worker `slot` of `generation` */
	TRAIL_GAVE,		/* master: all that this worker has is the
				 * worker's that `code` (slot) and `client`
				 * (generation) name, or will be */
	TRAIL__MAX
};

enum { TRAIL_HAS_TRAFFIC = 1, TRAIL_POLLING = 2, TRAIL_SSE = 4,
	TRAIL_SOCKJS = 8 };

/* As it stands in memory; strings are cut, n is what is kept. */
struct trail_record {
	_Atomic uint64_t seq;		/* its place in the ring's life, from 1;
					 * 0: not whole */
	uint64_t	 at_ms;		/* unix */
	uint32_t	 client;	/* its number; 0: none yet */
	uint8_t		 event;		/* enum trail_event */
	uint8_t		 reason;	/* enum reason */
	uint8_t		 flags;		/* TRAIL_HAS_... */
	uint8_t		 slot;		/* of the worker */
	uint32_t	 generation;	/* the same */
	uint16_t	 code;		/* of the Close frame */
	uint16_t	 port;
	uint32_t	 age;		/* in 10 ms */
	uint32_t	 queued;	/* bytes, UINT32_MAX: or more */
	uint8_t		 address[16];	/* IPv6 or mapped; zero: none */
	uint64_t	 sid;		/* hash of its session's id; 0 */
	uint64_t	 user_hash;	/* of one that is cut; 0 */
	uint64_t	 in, out;	/* bytes */
	uint32_t	 in_ms, out_ms;	/* since the last of them */
	uint32_t	 rtt_us;
	uint8_t		 user_n, ns_n, what_n;
	uint8_t		 pad;
	char		 user[72];
	char		 ns[40];
	char		 what[40];
};

static_assert(sizeof(struct trail_record) == 256, "layout");

/* A writer's hold on its ring. */
struct trail {
	struct trail_record *ring;
	_Atomic uint64_t *next;
	uint64_t	 place;		/* of the record that is begun */
	struct hash_key	 key;
	uint32_t	 generation;
	uint8_t		 slot;
};

void	trail_open(struct trail *, struct segment *, unsigned slot,
	    uint32_t generation);
/* A number for a client that no other one of this host has had; never 0. */
uint32_t trail_number(struct segment *);

/*
 * A record, in its place: begun, which clears all but strings, filled in by
 * these and by hand, and ended before another one is begun.  A longer user
 * keeps its hash.
 */
struct trail_record *trail_begin(struct trail *, enum trail_event,
	    uint64_t at_ms) MUST_USE;
void	trail_user(const struct trail *, struct trail_record *, struct slice);
void	trail_sid(const struct trail *, struct trail_record *, struct slice);
void	trail_ns(struct trail_record *, struct slice);
void	trail_what(struct trail_record *, struct slice);
void	trail_end(struct trail *, struct trail_record *);

/* What is kept of an id, or of the user that is too long; never 0. */
uint64_t trail_hash(const struct hash_key *, struct slice);

/* Master: a worker ended and left clients behind; all that it has goes to
 * another one. */
void	trail_worker_died(struct segment *, unsigned slot,
	    uint32_t generation, uint64_t now_ms);
void	trail_worker_gave(struct segment *, unsigned slot,
	    uint32_t generation, unsigned heir, uint32_t heirs_generation,
	    uint64_t now_ms);

/* --- who looks, in any process ------------------------------------------- */

struct trail_view {
	const void	*base;
	size_t		 size;
	uint64_t	 rings, stride;	/* offset of the first; apart */
	uint32_t	 nslots;
	struct hash_key	 key;
};

/* Maps a segment to read; -1 + errno, EPROTO: it has no trail of our form. */
int	trail_map(struct trail_view *, int fd) MUST_USE;
void	trail_unmap(struct trail_view *);
/* So many cells of a slot's ring were used: no others are to be looked at, which
 * would give them memory. */
unsigned trail_count(const struct trail_view *, unsigned slot);
/* The i-th cell of a slot's ring, copied; false: nothing whole is there. */
bool	trail_copy(const struct trail_view *, unsigned slot, unsigned i,
	    struct trail_record *) MUST_USE;
/* Is this worker the one that its slot has? */
bool	trail_lives(const struct trail_view *, unsigned slot,
	    uint32_t generation) MUST_USE;

#endif
