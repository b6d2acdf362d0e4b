/*
 * The memory that the processes of one host share: made by the master before
 * its first fork, inherited by every child, never reattached after the
 * master's death.  A memfd, allocated in full (a short machine fails here and
 * not later), sealed against resizing, close-on-exec.  See shm/layout.h.
 */
#ifndef SHM_SEGMENT_H
#define SHM_SEGMENT_H

#include "base/bug.h"
#include "base/clock.h"
#include "base/hash.h"

struct buf;
struct segment;
struct shm_header;
struct slot_row;
struct state_in;

struct segment_params {
	unsigned	 max_workers;	/* 1..64; slots are twice as many + 1 */
	uint32_t	 presence_max;	/* users tracked, 1..2^26 */
	uint32_t	 interest_max;	/* rooms and user channels, 1..2^26 */
	uint32_t	 rate_ways;	/* rate buckets, and as many known
					 * addresses; becomes 8 * 2^k */
	uint32_t	 once_ways;	/* see shm/once.h; the same, 0: 8 */
	unsigned	 max_ns;	/* namespaces, 1..65535 */
	/* longer keys are kept as prefix and digest; 0: 128. 64, 128 or 256 */
	unsigned	 presence_key_max;
	unsigned	 interest_key_max;
	bool		 status_text;	/* room for 56 bytes per user */
	uint32_t	 count_max;	/* users and addresses counted; 0: none,
					 * see shm/count.h */
	uint32_t	 revoked_max;	/* users and tokens that are revoked;
					 * becomes 64 * 2^k, 0: 16384 */
	uint32_t	 page;		/* bytes that a column is given back
					 * in; 0: this kernel's. A power of two
					 * >= 4096 */
};

/*
 * Master, before the first fork.  NULL + errno: EINVAL (a parameter is out of
 * range), ENOMEM or ENOSPC (the machine is too small), else the call's own.
 */
struct segment *segment_create(const struct segment_params *) MUST_USE;
/* How large it would be, and of how many slots; 0: there can be none. */
uint64_t segment_bytes(const struct segment_params *, unsigned *nslots);
/*
 * Master after a binary upgrade: maps a segment made by its predecessor.
 * NULL + errno: EPROTO if its layout is not the one these parameters give.
 * Takes the descriptors on success.
 */
struct segment *segment_attach(int fd, int relay_fd, int master_fd,
    const struct segment_params *) MUST_USE;
/* What it was made for, and attached with: a successor's parameters. */
const struct segment_params *segment_made(const struct segment *);
uint64_t segment_layout(const struct segment *);	/* its hash */
/* The hash that a segment of ours would have, 0: they are out of range. */
uint64_t segment_layout_for(const struct segment_params *);
/* Where the layouts are not the same, a new one goes on with the secrets of the
 * one before, and with what was counted against limits, ere anything is in it;
 * false: it is told something else. */
void	segment_save(const struct segment *, struct buf *);
bool	segment_load(struct segment *, struct state_in *) MUST_USE;
/* Unmaps and closes in this process; the memory lives while anyone maps it. */
void	segment_free(struct segment **);

int	segment_fd(const struct segment *);
/* eventfd that rings when nodes are marked while the relay sleeps. */
int	segment_relay_fd(const struct segment *);
/* eventfd that rings when a table found no free node: sweep at once. */
int	segment_master_fd(const struct segment *);
unsigned segment_nslots(const struct segment *);
uint64_t segment_start_ms(const struct segment *);
/* Secret of this daemon's life, for hash_bytes(). */
struct hash_key segment_key(const struct segment *);
struct shm_header *segment_header(const struct segment *);
struct slot_row *segment_slot(const struct segment *, unsigned slot);

/*
 * Relay, about to wait: true if nothing is marked, and from now on a mark
 * rings segment_relay_fd(); false: call table_announce() first.
 */
bool	segment_relay_sleep(struct segment *) MUST_USE;
void	segment_relay_woke(struct segment *);	/* relay, after waiting */
/* Rings one of the two eventfds above. */
void	segment_ring(int fd);

#endif
