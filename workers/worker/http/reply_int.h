/*
 * What responses have in common, however their bodies are sent.  Private to
 * reply.c and chunked.c.
 */
#ifndef WORKER_HTTP_REPLY_INT_H
#define WORKER_HTTP_REPLY_INT_H

#include "worker/http/request.h"

/* The response is queued: what becomes of the connection. */
void	reply_sent(struct conn *, int status, bool keep);
/* Its client sends more, or might. */
bool	reply_goes_on(const struct request *);
/* Its connection need not end with this response. */
bool	reply_may_stay(const struct request *);
/* *both: one string of both, that lives until the next response; false: no
 * memory. */
bool	reply_lines(struct worker *, const char *a, const char *b,
	    const char **both) MUST_USE;
/* The head that stands in the worker's text gets the request's name. */
void	reply_name(struct worker *, const struct trace *);

#endif
