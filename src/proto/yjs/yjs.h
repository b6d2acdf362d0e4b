/*
 * Messages of y-websocket, one in a binary WebSocket message (y-protocols 1):
 *
 *	00 00 bytes	sync step 1: a state vector; "send me the rest"
 *	00 01 bytes	sync step 2: an update; the answer to step 1
 *	00 02 bytes	an update
 *	01 bytes	awareness: count, then (client, clock, JSON) each
 *	02 00 string	permission denied
 *	03		which awareness states are there?
 *
 * Numbers are unsigned LEB128 below 2^53, bytes and strings have their length
 * in front.  An update is opaque here.  A state vector is count, then (client,
 * clock) each: of each client what is before that clock is known.
 */
#ifndef PROTO_YJS_YJS_H
#define PROTO_YJS_YJS_H

#include "proto/codec.h"

#define YJS_NUMBER_MAX	((UINT64_C(1) << 53) - 1)
#define YJS_NUMBER_BYTES 8	/* of the largest */
#define YJS_HEAD_MAX	(2 + YJS_NUMBER_BYTES)	/* in front of an update */

enum yjs_kind {
	YJS_STEP1, YJS_STEP2, YJS_UPDATE, YJS_AWARENESS, YJS_AUTH, YJS_QUERY,
	YJS_UNKNOWN	/* of a protocol that is newer, or none */
};

struct yjs_message {
	enum yjs_kind	 kind;
	struct slice	 body;		/* vector, update, awareness list, reason;
					 * borrowed */
};

/*
 * in	one whole message
 * CODEC_BAD: it says how long it is, and is not so long; bytes behind its end
 * are ignored, as the reference does.
 */
ssize_t	yjs_decode(struct slice in, struct yjs_message *) MUST_USE;

/* The empty update, which says nothing. */
bool	yjs_is_empty(struct slice update) MUST_USE;

/* --- numbers ---------------------------------------------------------------- */

/* The first of *in, which it is taken off.  false: none, or too large. */
bool	yjs_number(struct slice *in, uint64_t *) MUST_USE;
bool	yjs_bytes(struct slice *in, struct slice *) MUST_USE;
void	yjs_number_put(struct buf *, uint64_t);
void	yjs_bytes_put(struct buf *, struct slice);

/* --- messages ---------------------------------------------------------------- */

/* STEP1, STEP2, UPDATE, AWARENESS with that body; AUTH with that reason. */
void	yjs_put(struct buf *, enum yjs_kind, struct slice body);

/* --- state vectors ------------------------------------------------------------ */

/* Whole, and nothing behind it. */
bool	yjs_vector_is_good(struct slice) MUST_USE;
/*
 * Appends to out what either knows: of each client the larger clock, in the
 * order of the clients.  Both are good, or empty.  false: it would be larger than
 * max bytes, or there is no memory; nothing is appended then.
 */
bool	yjs_vector_merge(struct buf *out, struct slice a, struct slice b,
	    size_t max) MUST_USE;

/* --- awareness ---------------------------------------------------------------- */

struct yjs_state {
	uint64_t	 client, clock;
	struct slice	 json;		/* as it is; "null": it is gone */
};
/* How many there are; *in is then before the first.  false: it makes no sense. */
bool	yjs_states(struct slice *in, uint64_t *count) MUST_USE;
bool	yjs_state_next(struct slice *in, struct yjs_state *) MUST_USE;
void	yjs_state_put(struct buf *, const struct yjs_state *);
bool	yjs_state_is_gone(const struct yjs_state *) MUST_USE;

/* --- beside an update in the log ----------------------------------------------- */

/*
 * What is known of the log, with an entry in it: with that entry it has all that
 * the vector says, in this epoch.  covers: the entry is a snapshot of all up to
 * that place; 0: it is none.
 */
struct yjs_note {
	struct slice	 epoch;
	uint64_t	 covers;
	struct slice	 vector;
};
bool	yjs_note_read(struct slice, struct yjs_note *) MUST_USE;
void	yjs_note_put(struct buf *, const struct yjs_note *);

#endif
