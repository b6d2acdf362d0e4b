/*
 * What goes out: a queue of references per connection, and batches shared by
 * the receivers of one room.  Memory only; who owns the socket takes the
 * bytes at the end of the loop turn.
 *
 *	room ──► batch (one msg, grows during the turn) ◄── ref ── outq of each
 *	direct ► scratch (one msg for all single receivers) ◄─ ref ┘  member
 *
 * A reference at the tail of a queue may be open: it reaches to the end of
 * its batch, whatever is appended there until the turn ends.  So the second
 * and later messages to a room in one turn cost one copy into the batch, not
 * one step per receiver.  As soon as something else is queued for a receiver,
 * or it is the excepted sender, its reference is closed and it becomes
 * detached; the batch's next message attaches it again.  Order per receiver
 * is therefore the order of the calls.
 *
 * Beside the queue of a slow receiver may wait events that tell how something
 * stands, as where a pointer is: of each thing the newest, which takes the place
 * of an older one.  They go behind the queue when the socket has taken that.
 *
 *	 queue:  [ partly sent | ... ]      the socket is full
 *	beside:  a, b, c                    each one message, the newest
 */
#ifndef HUB_QUEUE_OUT_H
#define HUB_QUEUE_OUT_H

#include "base/hashtab.h"
#include "base/msg.h"
#include "hub/queue/wire.h"

#define OUT_OPEN	UINT32_MAX	/* ref.end: to the end of the batch */

struct out_ref {
	struct msg	*m;		/* one reference held */
	uint32_t	 off;		/* first byte not yet sent */
	uint32_t	 end;		/* or OUT_OPEN */
};

struct batch;

struct late;
struct out_ring;
struct pack;
struct sent_packet;
struct sentlog;

struct outq {			/* embed in the connection; zeroed to start */
	struct out_ring	*more;		/* what is behind `one`, or NULL */
	struct out_ref	 one;		/* the head of the queue */
	struct batch	*open;		/* whose open reference is the tail */
	struct sentlog	*log;		/* keeps what was sent; NULL: nobody */
	uint32_t	 bytes;		/* in closed references */
	uint16_t	 n;		/* references queued, `one` included */
	bool		 dirty : 1;	/* in the turn's list */
	bool		 blocked : 1;	/* the socket did not take all */
	bool		 dead : 1;	/* take nothing more */
	bool		 lossy : 1;	/* something could not be queued: the
					 * owner ends it */
	bool		 parked : 1;	/* not flushed: what is queued waits for
					 * a client that may come back */
	bool		 late : 1;	/* something waits beside it */
};

/* All queues of one worker. */
struct out {
	unsigned	 magic;
#define OUT_MAGIC	0x0c70c701
	struct outq	**dirty;	/* queues to flush this turn */
	size_t		 ndirty, dirty_cap;
	struct msg	*scratch;	/* direct messages of this turn */
	struct batch	*batches;	/* used this turn */
	struct batch	*free_batches;
	struct out_ring	*free_rings;	/* of RING_MIN entries */
	unsigned	 nfree_rings;
	uint32_t	 nblocked;	/* queues with blocked set */
	uint32_t	 nlate;		/* ... with late set, in: */
	struct hashtab	 late;		/* out_conflate.c */
	struct late	*free_late;
	unsigned	 nfree_late;
	struct pack	*pack;		/* what it compresses with; NULL:
					 * nothing.  Not owned */
};

void	out_init(struct out *);
void	out_fini(struct out *);

/* --- one receiver -------------------------------------------------------- */

/*
 * Room for n bytes that go to q alone, behind all that is queued; the caller
 * fills them before it does anything else.  NULL: no memory, or q is dead.
 */
uint8_t	*out_direct(struct out *, struct outq *q, size_t n) MUST_USE;
/* The same for bytes that are ready. false: not queued. */
bool	out_bytes(struct out *, struct outq *, struct slice);
/* Queue bytes of a msg (a reference is taken). false: no memory or dead. */
bool	out_push(struct out *, struct outq *, struct msg *, uint32_t off,
	    uint32_t end);

/* --- many receivers ------------------------------------------------------ */

/* A fresh batch for this turn, or NULL. */
struct batch *batch_open(struct out *) MUST_USE;
/* q gets what is appended from now on. false: no memory or dead. */
bool	batch_attach(struct out *, struct batch *, struct outq *q);
/* q does not get the next message, but those after it. */
void	batch_except(struct batch *, struct outq *q);
/* q joins those that the next message attaches. */
void	batch_wait(struct batch *, struct outq *q);
/*
 * Room for n bytes at the batch's end.  Attaches the waiting ones first, but
 * for except; *excepted tells whether it was among them.  NULL: no memory.
 */
uint8_t	*batch_append(struct out *, struct batch *, size_t n,
	    const struct outq *except, bool *excepted) MUST_USE;
/* Bytes so far; a caller opens a new batch instead of growing for ever. */
uint32_t batch_size(const struct batch *);
#define BATCH_MAX	(256u << 10)

/* --- the newest, for those who are slow ------------------------------------ */

#define OUT_LATE_KEYS	256u	/* beside one queue; then the oldest goes */

enum outq_conflated {
	OUTQ_CONFLATED_NOT,	/* no memory, or dead */
	OUTQ_CONFLATED_NEW,
	OUTQ_CONFLATED_INSTEAD	/* of one that nobody needs any more */
};
/*
 * This msg, of which a reference is taken, waits beside q as the newest by this
 * id: a hash of all that makes it the same thing.  Where more than max_bytes or
 * OUT_LATE_KEYS wait the oldest go, which is counted (dropped_keys), as are
 * those replaced (events_conflated).
 */
enum outq_conflated outq_conflate(struct out *, struct outq *, uint64_t id,
	    struct msg *, uint64_t max_bytes) MUST_USE;
/* What waits beside q is queued, in the order in which the things came: at the
 * end of a turn by itself when the socket is not full. */
void	outq_late_flush(struct out *, struct outq *);

/* --- the owner of the socket --------------------------------------------- */

/*
 * The i-th reference as one of the caller's own: it holds the msg, and its end
 * is set; bytes in this turn's scratch are copied.  false: there is none, or
 * no memory.
 */
bool	outq_share(const struct out *, const struct outq *, uint32_t i,
	    struct out_ref *) MUST_USE;
/* The next contiguous run of bytes; false: nothing queued. Valid until the
 * next call that touches q. */
bool	outq_peek(const struct outq *, struct slice *) MUST_USE;
/* The i-th run; false: there are no more. */
bool	outq_run(const struct outq *, uint32_t i, struct slice *) MUST_USE;
/* The i-th reference's msg; there must be one. */
struct msg *outq_msg(const struct outq *, uint32_t i);
/* Up to max runs for writev; returns how many. */
struct iovec;
unsigned outq_iov(const struct outq *, struct iovec *, unsigned max);
/* n bytes were taken by the socket. */
void	outq_sent(struct out *, struct outq *, size_t n);
/* The socket did not take all: what is left must survive the turn. */
void	outq_block(struct out *, struct outq *);
void	outq_unblock(struct out *, struct outq *);
/* Bytes queued, open references included. */
uint64_t outq_bytes(const struct outq *);
/* ... but for the first reference: what waits behind the event that goes out,
 * which may be of any size. */
uint64_t outq_behind(const struct outq *);
/*
 * The first n bytes of from, behind what is queued on to, by reference; from
 * has them no more.  At the end of a turn, when nothing is appended to batches
 * any more, or just before from's owner goes to another queue.  false: no
 * memory, or to is dead; what was not moved stays.
 */
bool	outq_move(struct out *, struct outq *from, struct outq *to, size_t n)
	    MUST_USE;
/* Have q flushed as this turn ends, though nothing is added to it.  false: no
 * memory, it is flushed with what is added next. */
bool	outq_touch(struct out *, struct outq *q);
/* Before taking bytes in the middle of a turn: an open reference is closed,
 * and attached again by the batch's next message. */
void	outq_settle(struct outq *);
/* What is queued from now on is kept in this log. */
void	outq_log(struct outq *, struct sentlog *);
/* Position in its log behind all that is queued. */
uint64_t outq_pos(const struct outq *);
/* What is queued counts as sent in the queue's log, which lets go of it. */
void	outq_log_rest(struct out *, struct outq *);
/* Its packets, as sentlog.h has them; positions begin with 0. */
void	outq_walk(const struct outq *, enum wire, struct pack *,
	    void (*each)(void *arg, const struct sent_packet *), void *arg);
/* Drop all that is queued; with dead set nothing is queued any more.  The
 * memory of q must stay valid until out_turn_end(). */
void	outq_kill(struct out *, struct outq *);

/*
 * To another worker (out_save.c), between turns.  load: on one that is zeroed;
 * its log is not attached.  *partial: so much of the first reference was sent,
 * as the log knows (0: there was none).  false: bad, or no memory; it is dead.
 */
struct book;
struct buf;
struct state_in;
void	outq_save(const struct out *, const struct outq *, struct book *,
	    struct buf *);
bool	outq_load(struct out *, struct outq *, struct book *,
	    struct state_in *, uint32_t *partial) MUST_USE;
/* Read, and of nobody. */
bool	outq_skip(struct book *, struct state_in *) MUST_USE;
/* Does it hold whole packets, apart from so many bytes in front? */
bool	outq_is_whole(const struct outq *, enum wire, uint32_t partial,
	    uint64_t ignore) MUST_USE;

/*
 * End of the turn: call flush(arg, q) for each dirty queue (it may queue
 * more for other connections: they are flushed too), then forget batches.
 */
void	out_turn_end(struct out *, void (*flush)(void *arg, struct outq *q),
	    void *arg);

#endif
