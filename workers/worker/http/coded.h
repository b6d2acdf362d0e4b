/*
 * Bodies of responses in a content coding.  One stream and one buffer a
 * worker, made when they are first needed; a bound on how much one response
 * and one turn of the loop may take.  What is not coded goes out as it is.
 */
#ifndef WORKER_HTTP_CODED_H
#define WORKER_HTTP_CODED_H

#include "base/bug.h"
#include "base/slice.h"
#include "proto/coding.h"

struct coded;			/* of one worker */
struct outq;
struct request;
struct worker;

/* What one client takes, kept until its response goes out. */
struct coded_wish {
	uint8_t		 coding;	/* enum coding */
	bool		 must;		/* identity is refused */
};

#define CODED_VARY	"Vary: Accept-Encoding\r\n"

struct coded *coded_new(struct worker *) MUST_USE; /* NULL: no memory */
void	coded_free(struct coded **);

struct coded_wish coded_wish(const struct request *);
/*
 * May a body of n bytes be coded at all?  Then its response depends on
 * Accept-Encoding and says so (CODED_VARY), coded or not.
 */
bool	coded_eligible(const struct coded *, struct coded_wish, size_t n);
/*
 * The first n bytes of that queue, or these bytes, in the coding wished for:
 * *out is the worker's until the next call.  false: send them as they are.
 */
bool	coded_queue(struct coded *, struct coded_wish, const struct outq *,
	    size_t n, struct slice *out) MUST_USE;
bool	coded_bytes(struct coded *, struct coded_wish, struct slice,
	    struct slice *out) MUST_USE;
/* The head lines of a coded response, CODED_VARY included. */
const char *coded_lines(enum coding);
/* Turn's end: there is a new allowance. */
void	coded_turn_end(struct coded *);

#endif
