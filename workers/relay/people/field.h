/*
 * A user, or a user in a room, as a field of a node's hash in Redis: "u" and
 * the user, or "r", room, NUL and user, to a value: the node's epoch in digits,
 * u8 status, u64 set at, u64 last seen, as in the messages of news.h.  Pure.
 */
#ifndef RELAY_PEOPLE_FIELD_H
#define RELAY_PEOPLE_FIELD_H

#include "relay/people/news.h"

#define FIELD_EPOCH	16u	/* digits */

void	field_put_name(struct buf *, const struct news_entry *);
void	field_put_value(struct buf *, uint64_t epoch,
	    const struct news_entry *);
/* False: neither a user nor a room. */
bool	field_get(struct slice name, struct slice value, struct news_entry *)
	    MUST_USE;

#endif
