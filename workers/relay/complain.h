/*
 * What the log says of strangers in our channels, of back ends, and of a Redis
 * that refuses: each kind once a second, at most, with how many were left
 * unsaid.  Called by the roof for the parts of the bridge, which do not log.
 */
#ifndef RELAY_COMPLAIN_H
#define RELAY_COMPLAIN_H

#include "base/clock.h"
#include "base/slice.h"
#include "relay/bridge/home.h"

struct reply;

/* words: see home.h. */
void	complain_trouble(struct mono now, enum home_trouble,
	    struct slice words);
/* What other hosts shall have, in a namespace (name: a room, user or client;
 * empty: all of it), Redis did not take. */
void	complain_refused(struct mono now, struct slice nsp, struct slice name,
	    const struct reply *);

#endif
