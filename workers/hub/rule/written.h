/*
 * What a rule writes into an event: constants instead of its arguments, members
 * of the first one.
 */
#ifndef HUB_RULE_WRITTEN_H
#define HUB_RULE_WRITTEN_H

#include "hub/session/refuse.h"

/* Arguments on their way. */
struct written {
	struct slice	 args;		/* elements without brackets */
	struct slice	 first;		/* of them; empty: none, or not looked
					 * for yet */
	unsigned	 nattach;	/* of those that came */
};

/*
 * As the rule has them, in the hub's scratch until the next is written.  false:
 * refused, and the sender was told.
 */
bool	written_args(struct session *, const struct inbound *,
	    const struct conf_event *, struct written *) MUST_USE;

#endif
