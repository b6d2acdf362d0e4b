/*
 * One worker's stream: bytes that come, and the queue of frames that it has
 * not taken yet.  The queue is bounded: volatile frames are dropped when it is
 * half full, the others when it is full; frames are never cut.  What comes is
 * for feed.h to look at.
 */
#ifndef LOCAL_PEER_H
#define LOCAL_PEER_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/bug.h"
#include "base/slice.h"
#include "sys/loop.h"

struct peer {
	unsigned	 magic;
#define PEER_MAGIC	0x9ee29ee2
	unsigned	 slot;		/* of the worker, 1... */
	uint32_t	 generation;	/* of the worker */
	struct loop	*loop;
	struct loop_fd	 io;		/* owned */
	struct buf	 in;		/* the start of an unfinished frame */
	struct buf	 out;		/* frames, the first perhaps cut */
	size_t		 limit;		/* bytes of out */
	uint64_t	 queued, sent;	/* bytes of out, ever */
	uint64_t	 mark;		/* exchange.c: of queued */
	bool		 dirty;		/* exchange.c: in its list */
	bool		 stuck;		/* waits to be writable */
	bool		 ended;		/* the worker says no more here */
	bool		 leaves;	/* exchange.c: it gets nothing more */
	void		*arg;		/* of the owner, as are events */
};

/* Takes the descriptor, also when it fails: NULL + errno.  The loop calls
 * on_event, which belongs to the owner. */
struct peer *peer_new(struct loop *, unsigned slot, uint32_t generation,
	    int fd, size_t limit, loop_cb *on_event) MUST_USE;
void	peer_free(struct peer **);	/* closes */

/* Copy a frame to the queue; false: dropped and counted. */
bool	peer_queue(struct peer *, struct slice frame, bool is_volatile);

enum peer_result {
	PEER_OK,
	PEER_DRY,		/* nothing more to read now */
	PEER_GONE,
	PEER_BAD		/* it spoke nonsense */
};
/*
 * Read once.  *got is all of it that has not been taken, valid until
 * peer_keep(), which is told what its whole frames took.  PEER_BAD: no memory
 * for it, so what follows makes no sense.
 */
enum peer_result peer_read(struct peer *, struct slice *got) MUST_USE;
enum peer_result peer_keep(struct peer *, struct slice got, size_t taken)
	    MUST_USE;
/* Count as lost what is cut off, or is queued for it. To be freed then. */
void	peer_lose(struct peer *);
/* Write what is queued, by one call, unless it is known to be stuck. */
enum peer_result peer_flush(struct peer *) MUST_USE;
/* The worker has shut its side, where a frame ended; it still reads.  False: it
 * did so elsewhere. */
bool	peer_end(struct peer *) MUST_USE;
/* The stream can be written again. */
enum peer_result peer_writable(struct peer *) MUST_USE;

#endif
