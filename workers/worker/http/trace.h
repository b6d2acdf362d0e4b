/*
 * The name of a request, by which it is found in the logs of all that it passed
 * through: X-Request-ID, or the trace of traceparent (W3C Trace Context), as a
 * trusted proxy brought it, or else one made here.
 */
#ifndef WORKER_HTTP_TRACE_H
#define WORKER_HTTP_TRACE_H

#include <stdbool.h>

struct request;

#define TRACE_ID_MAX	64	/* bytes of an id that is kept */

struct trace {
	char		 id[TRACE_ID_MAX + 1];	/* "": it has none */
	bool		 kept;		/* a proxy's; else it was made */
};

/* Once it is known who asks: rq->trace. */
void	trace_find(struct request *);
/* What a proxy brought, {"request_id","traceparent"}, as JSON, appended; nothing:
 * it brought none. */
struct buf;
void	trace_put(const struct request *, struct buf *);
/* The line of a response, with CRLF; "": none. */
#define TRACE_LINE_MAX	(TRACE_ID_MAX + sizeof "X-Request-ID: \r\n")
const char *trace_line(const struct trace *, char out[TRACE_LINE_MAX]);

#endif
