/*
 * Which users of a namespace need not poll: `rollout' percent of them.  It is
 * a matter of the user's id and the namespace's name alone, so every host
 * says the same, at any time, and whom a share admits a larger one admits too.
 */
#ifndef HUB_SESSION_ROLLOUT_H
#define HUB_SESSION_ROLLOUT_H

#include "conf/conf.h"

struct principal;

/* For those who are out. */
#define ROLLOUT_WORDS	"not yet for you: poll"

/*
 * The user's place among all, 0..99: he is in when it is below the rollout.
 * Who is nobody has the place of his address (limit_address()), with all others
 * who come from there.
 */
unsigned rollout_place(const struct conf_namespace *, const struct principal *,
	    uint64_t address);
/* Is he in?  Counted where the rollout is below 100. */
bool	rollout_admits(const struct conf_namespace *,
	    const struct principal *, uint64_t address);

#endif
