/*
 * Publications that the stream to the relay had no room for, until those
 * elsewhere are told; see gap.h.
 */
#ifndef HUB_PUBLISH_LOST_H
#define HUB_PUBLISH_LOST_H

#include "gaps/gaps.h"

struct bus_envelope;
struct hub;

struct lost_table {
	struct gaps	 out;		/* for others */
	uint64_t	 since_ms;	/* unix: no relay; 0: there is one */
	struct buf	 words;		/* of a gap */
};

struct lost_table *lost_table_new(struct hub *) MUST_USE; /* NULL: no memory */
void	lost_table_free(struct hub *);
/* This envelope was not taken by the stream. */
void	lost_note(struct hub *, const struct bus_envelope *);

#endif
