/*
 * Redis refuses for a while what it would do at another time: it is out of
 * memory, loads its data, is busy with a script, has no master or no slot just
 * now.  Who asked asks again, or not: here it is counted and told, one line
 * when it begins and one when it has not happened for a while.
 */
#ifndef RELAY_REDIS_REFUSAL_H
#define RELAY_REDIS_REFUSAL_H

#include <stdbool.h>

#include "base/clock.h"
#include "relay/redis/reply.h"

#define REFUSAL_OVER_MS	10000	/* without another one */

struct refusal {			/* zeroed: none */
	bool		 on;
	struct mono	 since, last;
};

/* An error of this kind?  READONLY is none: that ends the connection. */
bool	refusal_is(const struct reply *);
/* There was one; name: of the server, for the log. */
void	refusal_note(struct refusal *, const struct reply *, const char *name,
	    struct mono now);
/* Now and then. */
void	refusal_beat(struct refusal *, const char *name, struct mono now);
/* Of a server that is not used any more. */
void	refusal_end(struct refusal *);

#endif
