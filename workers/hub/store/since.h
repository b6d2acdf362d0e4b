/*
 * A place in a room's history as clients and back ends name it: what they have
 * seen last.
 */
#ifndef HUB_STORE_SINCE_H
#define HUB_STORE_SINCE_H

#include "hub/store/place.h"

struct since {
	bool		 given;
	uint8_t		 epoch_len;	/* 0: before there was any */
	char		 epoch[EPOCH_MAX];
	uint64_t	 offset;
};

static inline struct slice
since_epoch(const struct since *s)
{
	return (slice_of(s->epoch, s->epoch_len));
}

/* Its epoch may stand in JSON and in URLs, and there is none only before its
 * first event. */
bool	since_is_good(const struct since *) MUST_USE;
void	since_set(struct since *, struct slice epoch, uint64_t offset);
/* The member since of an object: {"epoch":"...","offset":N}, or null.  false:
 * it is something else. */
bool	since_read(struct since *, struct slice object) MUST_USE;
/* EPOCH:OFFSET */
bool	since_parse(struct since *, struct slice text) MUST_USE;

#endif
