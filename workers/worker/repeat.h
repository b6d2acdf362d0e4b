/*
 * The same request once more: what a session over polling answered last.
 *
 * Browsers and proxies send a request again, POST too, when a connection that
 * was kept open breaks before the response has come; yet the session may have
 * answered it, and what was in the answer would be lost, or what was in the
 * POST done twice.  Engine.IO's clients give each request another parameter
 * "t", so the same "t" is the same request.  Those that don't change it (it
 * stays as it was at the handshake) or have none are told nothing again.
 *
 * Memory only; one a session, used by polling*.c.
 */
#ifndef WORKER_REPEAT_H
#define WORKER_REPEAT_H

#include "hub/out.h"
#include "worker/engineio.h"

struct buf;

struct repeat {
	struct out_ref	*v;		/* what the last GET was answered; a
					 * reference to each msg is held */
	uint32_t	 n, cap;
	bool		 answered;	/* v is the answer to `get` */
	bool		 posted;	/* the POST that came last was done */
	bool		 constant;	/* its client does not change "t" */
	struct engineio_t opened;	/* of the handshake */
	struct engineio_t get;		/* of the GET that came last */
	struct engineio_t post;		/* of the POST */
};

void	repeat_init(struct repeat *, const struct engineio_t *opened);
void	repeat_fini(struct repeat *);

/* Is it `last` once more? */
bool	repeat_is(struct repeat *, const struct engineio_t *last,
	    const struct engineio_t *now) MUST_USE;
/* The GET that came last is answered with all that q holds: kept until
 * repeat_forget().  Short of memory: not kept, counted. */
void	repeat_keep(struct repeat *, const struct out *, const struct outq *q);
/* Another GET came, so the answer has arrived. */
void	repeat_forget(struct repeat *);
/* The answer, appended. false: it was not kept. */
bool	repeat_text(const struct repeat *, struct buf *) MUST_USE;

#endif
