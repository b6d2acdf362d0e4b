/*
 * What was sent to a client that may be cut off and come back: references to
 * bytes that the socket has taken, kept until the client has shown, by the
 * pong to a later ping, that it has them.  Bounded; what falls out unproven
 * makes the log incomplete.  Holds whole frames or packets of one wire form.
 *
 *	          proven                 pos
 *	 dropped    | kept, sent, unproven | queued (outq)
 *
 * Memory only; owned by an engine, filled by its queue (out_take.c), which also
 * knows how much is queued.
 */
#ifndef HUB_QUEUE_SENTLOG_H
#define HUB_QUEUE_SENTLOG_H

#include "base/msg.h"
#include "hub/queue/wire.h"

struct book;
struct buf;
struct out_ref;
struct pack;
struct state_in;

struct sentlog {
	unsigned	 magic;
#define SENTLOG_MAGIC	0x5e471091
	uint32_t	 refs;		/* the engine, and each parked session */
	struct out_ref	*v;		/* ring */
	uint32_t	 cap;		/* power of two, or 0 */
	uint32_t	 head, n;
	uint32_t	 partial;	/* bytes of the queue's head already sent */
	uint64_t	 ignore;	/* bytes in front that are not frames: the
					 * handshake's response */
	uint64_t	 first;		/* position of the first byte kept */
	uint64_t	 pos;		/* behind the last byte kept */
	uint64_t	 proven;	/* the client has all before this */
	uint64_t	 mark;		/* becomes proven with the next pong */
	uint64_t	 max_bytes;
	uint32_t	 max_refs;
	uint32_t	 parked;	/* sessions that it is charged for */
};

/* NULL: no memory. */
struct sentlog *sentlog_new(uint32_t max_refs, uint64_t max_bytes) MUST_USE;
struct sentlog *sentlog_ref(struct sentlog *);
void	sentlog_unref(struct sentlog **);	/* NULL is fine */
/* The client is known to have everything. */
void	sentlog_clear(struct sentlog *);

/* The queue's head was sent: takes over its reference (bytes in the turn's
 * scratch are copied).  Part of it was sent. */
void	sentlog_take(struct sentlog *, const struct msg *scratch,
	    struct out_ref *);
void	sentlog_partly(struct sentlog *, uint32_t n);

/* Behind those kept, which is all it does: the caller has what it says of
 * positions right.  false: no memory. */
bool	sentlog_append(struct sentlog *, const struct out_ref *) MUST_USE;

/* What a queue of so many bytes gets from now on is kept; those are not. */
void	sentlog_begin(struct sentlog *, uint64_t queued);
/* Position behind all of a queue of so many bytes. */
uint64_t sentlog_end(const struct sentlog *, uint64_t queued);
/* A ping was queued, which is the last of so many bytes; its pong came. */
void	sentlog_ping(struct sentlog *, uint64_t queued);
void	sentlog_pong(struct sentlog *);
/* What it takes without the messages; each of those, once for each time. */
uint64_t sentlog_size(const struct sentlog *);
void	sentlog_each(const struct sentlog *, void (*)(void *, struct msg *),
	    void *arg);
/* Nothing unproven was dropped. */
bool	sentlog_complete(const struct sentlog *);

/*
 * Packets, whatever the wire form: text, or binary (perhaps as base64).
 * each() is called for the kept ones in order; data is valid during the call.
 * Those that were sent compressed are inflated (pack, which may be NULL where
 * nothing is compressed).
 */
struct sent_packet {
	bool		 binary;
	bool		 base64;	/* binary, and data is base64 of it */
	bool		 lost;		/* it cannot be inflated: no memory, or
					 * it is no such thing; no data */
	struct slice	 data;
	uint64_t	 pos;		/* of its first byte */
};
typedef void sent_each(void *arg, const struct sent_packet *);
void	sentlog_walk(const struct sentlog *, enum wire, struct pack *,
	    sent_each *, void *arg);
/* The same for whole packets that lie elsewhere, the first one at pos. */
void	sentlog_run(struct slice run, uint64_t pos, enum wire, struct pack *,
	    sent_each *, void *arg);

/* Do these bytes consist of whole packets? */
bool	sentlog_is_whole(struct slice run, enum wire) MUST_USE;

/* sentlog_save.c: to another worker.  load: a new one, with these bounds;
 * NULL: bad, or no memory. */
void	sentlog_save(const struct sentlog *, const struct msg *scratch,
	    struct book *, struct buf *);
struct sentlog *sentlog_load(uint32_t max_refs, uint64_t max_bytes,
	    enum wire, struct book *, struct state_in *) MUST_USE;

#endif
