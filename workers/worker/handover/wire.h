/*
 * What two workers say to each other while live connections go from one, the
 * giver, to the other, the heir: packets over a SEQPACKET socket that the
 * master has made for the two.  Called by give.c and take.c.
 *
 *	giver			heir
 *	HELLO		◄──►	HELLO		which versions each can read
 *	PREPARE		───►			when you have time
 *			◄───	GO		I stand still since then
 *	STATE		───►			+ what it is, + its sockets
 *			◄───	LOADED		which of them I have
 *	COMMIT		───►			they are yours
 *			◄───	TAKEN		they are mine
 *	ABORT		◄──►	ABORT		of this batch nothing is yours
 *
 * Until TAKEN the giver has all that it had, and goes on with it should the
 * heir die; from LOADED on so has the heir, should the giver die without ABORT.
 */
#ifndef WORKER_HANDOVER_WIRE_H
#define WORKER_HANDOVER_WIRE_H

#include "base/buf.h"
#include "base/bug.h"
#include "base/slice.h"

#define WIRE_VERSION_MIN 1	/* of what a batch consists of */
#define WIRE_VERSION_MAX 1
#define WIRE_FDS_MAX	32u	/* sockets in one batch */
#define WIRE_ITEMS_MAX	64u	/* bits of LOADED */
#define WIRE_STATE_MAX	(1u << 30)	/* bytes */

/* The state: so many of these sections, each u8 kind, u8 descriptors, ... */
#define WIRE_ITEM	0x5449

enum wire_type {
	WIRE_HELLO = 1, WIRE_PREPARE, WIRE_GO, WIRE_STATE, WIRE_LOADED,
	WIRE_COMMIT, WIRE_TAKEN, WIRE_ABORT
};

struct wire_msg {
	enum wire_type	 type;		/* perhaps unknown */
	uint64_t	 batch;
	uint64_t	 bits;		/* LOADED, COMMIT: of its items; HELLO:
					 * versions, lowest << 32 | highest; GO:
					 * when, monotonic, us */
	uint32_t	 items;		/* STATE */
	uint32_t	 bytes;		/* STATE: of the memory in fds[0] */
	uint32_t	 nfds;		/* STATE: so many were sent, that one
					 * among them; fewer may have come */
	unsigned	 got;		/* of them */
	int		 fds[1 + WIRE_FDS_MAX];	/* the receiver owns them */
};

void	wire_init(struct wire_msg *, enum wire_type, uint64_t batch);
/* 1 sent; 0 not now, the socket is full; -1 + errno (EPIPE: the other end is
 * gone; ETOOMANYREFS, EMFILE: too many descriptors are under way).  The
 * descriptors are passed along, not closed. */
int	wire_send(int sock, const struct wire_msg *) MUST_USE;
/* 1 got one; 0 nothing now; -2 the other end is gone, or speaks nonsense (to
 * which there is no answer); -1 not now, memory is short. */
int	wire_recv(int sock, struct wire_msg *) MUST_USE;
void	wire_close(struct wire_msg *);	/* its descriptors */

/* The state of a batch in memory of its own: -1 + errno. */
int	wire_state_put(struct slice) MUST_USE;
/* Read back, appended; false: it is not of that size, or no memory. */
bool	wire_state_get(int fd, uint32_t bytes, struct buf *) MUST_USE;

#endif
