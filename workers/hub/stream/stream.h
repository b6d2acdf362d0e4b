/*
 * Streams in Redis, as one worker sees them: what back ends read there.  The
 * relay writes it; here are this worker's questions to it, and who waits for
 * the answers.
 *
 *	event ─► rule ─► forward ──BUS_FORWARD──► relay ──► Redis
 *	                    ▲                       │
 *	             the ack└────BUS_STREAMED───────┘
 *
 * This header is the roof's; the others are for those who send.
 */
#ifndef HUB_STREAM_STREAM_H
#define HUB_STREAM_STREAM_H

#include "base/bug.h"

struct bus_envelope;
struct hub;

struct streams_table;
struct streams_table *streams_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	streams_table_free(struct hub *);

/* BUS_STREAMED. */
void	streams_bus(struct hub *, const struct bus_envelope *);
/* The clock; the stream to the relay broke. */
void	streams_tick(struct hub *);
void	streams_lost(struct hub *);
/* What clients had in their queues is written, as far as it goes. */
void	streams_written(struct hub *);
/* Something for the relay was said after that. */
bool	streams_busy(const struct hub *);

#endif
