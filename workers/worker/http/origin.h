/*
 * Pages of other origins that use HTTP: the lines that let them read what is
 * answered, and whether they may ask at all.
 */
#ifndef WORKER_HTTP_ORIGIN_H
#define WORKER_HTTP_ORIGIN_H

#include <stdbool.h>

#include "base/bug.h"

struct request;

/* Lines of CORS for each response to this request, into rq->lines.  true: it was
 * a preflight, or there was no memory for them, and it is answered. */
bool	origin_lines(struct request *) MUST_USE;
/* The page may ask: WebSockets know no CORS, only allowed_origins opens them;
 * whatever else is asked for, cors.origins does, too. */
bool	origin_allowed(const struct request *) MUST_USE;
/* The same; false: it is refused, in the words of the API. */
bool	origin_asks(struct request *) MUST_USE;

#endif
