/*
 * One request by HTTP: a POST to a target, and what becomes of it within its
 * time.  No redirect is followed, no proxy asked, no cookie kept; TLS is
 * verified; of the answer no more is read than there may be.
 */
#ifndef RELAY_HOOKS_POST_H
#define RELAY_HOOKS_POST_H

#include <sys/queue.h>

#include "base/buf.h"
#include "relay/hooks/target.h"
#include "sys/timer.h"

struct post_calls;

struct post_request {
	const char	*const *headers; /* "Name: value", copied */
	unsigned	 nheaders;
	struct slice	 body;		/* stays until done() */
	uint64_t	 timeout_ms;	/* for all of it, the name's address too */
	size_t		 answer_max;	/* bytes */
};

struct post_result {
	unsigned	 status;	/* of HTTP; 0: it did not get as far */
	const char	*why;		/* there is no answer, or not all of it:
					 * why, static words; NULL: there is */
	bool		 large;		/* ... because it is too large */
	uint64_t	 retry_after_ms; /* it says so; 0: not */
	struct slice	 body;
};

struct post {			/* embed; zeroed */
	struct target	*target;	/* NULL: it is not under way */
	const struct post_calls *calls; /* of its target */
	void		*easy;		/* libcurl's; NULL: not yet */
	void		*headers, *resolve; /* its lists */
	struct post_request request;
	struct buf	 answer;
	size_t		 head;		/* bytes of the answer's headers */
	bool		 refused;	/* the address is none to connect to */
	bool		 large;
	bool		 runs;		/* else it waits for addresses */
	struct timer	 over;
	TAILQ_ENTRY(post) next;		/* of its target */
	/* It is over, and may be started again. */
	void		(*done)(struct post *, const struct post_result *);
};

/* False: no memory; done() is not called. */
bool	post_start(struct post *, struct target *, const struct post_request *)
	    MUST_USE;
/* done() will not be called any more. */
void	post_stop(struct post *);

#endif
