/*
 * Responses to requests, of which each gets exactly one: now, or later over a
 * connection that is held meanwhile.  What becomes of the connection is
 * decided here.
 */
#ifndef WORKER_HTTP_REPLY_H
#define WORKER_HTTP_REPLY_H

#include "base/slice.h"
#include "worker/http/coded.h"
#include "worker/net/conn.h"

struct outq;
struct request;

/* --- now ----------------------------------------------------------------- */

/* type may be NULL; extra: header lines, each with CRLF, or NULL. */
void	reply_send(struct request *, int status, const char *type,
	    struct slice body, const char *extra);
/* The same with what stands in the worker's `body`; 503 when that is cut, for
 * want of memory. */
void	reply_body(struct request *, int status, const char *type,
	    const char *extra);
/* 503 for want of memory. */
void	reply_no_memory(struct request *);
/* reply_send() in the coding that the client likes, if that is worth while. */
void	reply_coded(struct request *, int status, const char *type,
	    struct slice body, const char *extra);
/* {"error":{"code","message"}} */
void	reply_error(struct request *, int status, const char *code,
	    const char *message);
/* The same for a method that the route does not serve. */
void	reply_method(struct request *);
/* 429, with the time from which on it is allowed (0: nobody knows). */
void	reply_too_many(struct request *, const char *code,
	    const char *message, uint64_t retry_ms);
/* 503: not now, but in so many seconds. */
void	reply_busy(struct request *, const char *message, unsigned seconds);
/* To a request that cannot be told apart from what follows it. */
void	reply_bad(struct conn *, int status, const char *why);

/* --- without an end ------------------------------------------------------ */

/* 200, and what is queued from now on is the body, to the connection's end, which
 * is its end; HEAD: that is all. */
void	reply_stream(struct request *, const char *type, const char *extra);

/* --- later --------------------------------------------------------------- */

/* It is answered later; what follows it on the connection waits.  For whom:
 * CONN_HELD, CONN_ASKING, CONN_POLL, CONN_AWAITS. */
void	reply_hold(struct request *, enum conn_state);
/* The connection ends with this response. */
void	reply_held_last(struct conn *);
/* Now: n bytes of that queue are the body, in a coding if that may be. */
void	reply_held_queue(struct conn *, int status, const char *type,
	    const char *lines, struct coded_wish, struct outq *, size_t n);
/* Now, with 200: n bytes of that queue, with something around them. */
void	reply_held_within(struct conn *, const char *type, const char *lines,
	    struct slice before, struct outq *, size_t n, struct slice behind);
/* Now: these bytes are the body, of which the answer to a HEAD says no more than
 * their number. */
void	reply_held_bytes(struct conn *, int status, const char *type,
	    const char *lines, struct slice body, bool to_head);

/* One more response of this status, which others have written. */
void	reply_count(int status);

#endif
