/*
 * The same request once more.
 *
 * Browsers and proxies send a request again, POST too, when a connection that
 * was kept open breaks before the response has come; yet the session may have
 * taken it, and what was in the answer would be lost, or what was in the POST
 * done twice.  A request is such a one if it is the same to the byte, comes
 * over another connection, and the first one's response has not been written
 * in full: a client that has read a response can't be asking for it again.
 *
 * What stands in the parameter "t" is the client's own business; some put the
 * time in seconds there.  But where none is, or the handshake's again, all of
 * a client's requests are the same, and nothing follows from that.
 *
 * Memory only; one a session, used by polling*.c, which knows the connections.
 */
#ifndef WORKER_ENGINEIO_REPEAT_H
#define WORKER_ENGINEIO_REPEAT_H

#include "base/hash.h"
#include "hub/queue/out.h"
#include "worker/engineio/engineio.h"

struct buf;
struct hub_move;
struct state_in;

struct repeat_of {		/* the request that came last */
	uint64_t	 head;		/* hash of its head; 0: none that could
					 * be known again */
	uint64_t	 body;		/* POST: hash of the first n bytes */
	size_t		 n;		/* ... of its body, as far as it came */
	bool		 done;		/* POST: that was all, and was taken */
	bool		 lost;		/* its connection ended before the
					 * response was written */
};

struct repeat {
	struct hash_key	 key;
	struct out_ref	*v;		/* what the GET was answered; a
					 * reference to each msg is held */
	uint32_t	 n, cap;
	bool		 answered;	/* v is the answer to `get` */
	bool		 constant;	/* its client does not change "t" */
	bool		 again;		/* the POST in hand looks like `post` */
	struct engineio_t opened;	/* "t" of the handshake */
	struct repeat_of get, post;
};

void	repeat_init(struct repeat *, const struct hash_key *,
	    const struct engineio_t *opened);
void	repeat_fini(struct repeat *);

/* To know this request by, from its line to the empty one; 0: it can't be. */
uint64_t repeat_head(struct repeat *, struct slice head,
	    const struct engineio_t *);
/* So much of the POST's body has come; all: that was all. */
void	repeat_body(struct repeat *, struct slice body, bool all);
/* Does this body begin as the POST's did; is it the same, if that was all? */
bool	repeat_is_body(const struct repeat *, struct slice body) MUST_USE;
/* The GET is answered with all that q holds: kept until repeat_forget().
 * Short of memory: not kept, counted. */
void	repeat_keep(struct repeat *, const struct out *, const struct outq *q);
/* The answer is out, or another GET came. */
void	repeat_forget(struct repeat *);
/* The answer, appended. false: it was not kept. */
bool	repeat_text(const struct repeat *, struct buf *) MUST_USE;

/* repeat_save.c: all of it, for the worker that takes the session over. */
void	repeat_save(struct hub_move *, const struct repeat *, struct buf *);
/* false: bad, or no memory; it holds nothing. */
bool	repeat_load(struct hub_move *, struct state_in *, struct repeat *)
	    MUST_USE;

#endif
