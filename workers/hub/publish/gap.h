/*
 * What this worker could not pass on, and what did not reach it: told to those
 * concerned by the event roost:gap.  Who gets it: workers and hosts for which
 * the stream to the relay had no room, once it has; and, when the stream broke
 * and there is a new one, all clients here.
 */
#ifndef HUB_PUBLISH_GAP_H
#define HUB_PUBLISH_GAP_H

#include <stdint.h>

#include "base/slice.h"

struct conf_namespace;
struct hub;
struct session;

/* Each tick: what can be told now. */
void	gap_tick(struct hub *);
/* The stream broke; there is another one. */
void	gap_lost(struct hub *);
void	gap_back(struct hub *);
/* Something of this room did not reach its members here, since about then
 * (unix). */
void	gap_in_room(struct hub *, const struct conf_namespace *,
	    struct slice room, uint64_t from_ms);
/* ... or one of them. */
void	gap_to_session(struct hub *, struct session *, struct slice room,
	    uint64_t from_ms);

#endif
