/*
 * Rooms that keep a history, as one worker sees them.  What is kept is the
 * relay's, which gives each publication its place before anybody gets it; here
 * are this worker's questions to it, and who waits for the answers.
 *
 *	event, body ─► keep ──BUS_KEEP──► relay ──BUS_KEPT──► keep: the ack
 *	                                   │
 *	members ◄── numbered ◄──BUS_PUBLISH┘ to all who have some
 *	                │ a hole
 *	                └► heal ─┐
 *	room:join ─────► enter ──┼──BUS_HISTORY──► relay ──BUS_PAGE──► who asked
 *	history:get ───► page ───┘
 *
 * This header is the roof's and the hand-over's; the others are for those who
 * publish, join and ask.
 */
#ifndef HUB_STORE_STORE_H
#define HUB_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct bus_envelope;
struct client;
struct hub;
struct session;

struct store_table;
struct store_table *store_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	store_table_free(struct hub *);	/* nobody waits for an answer */

/* From the bus. */
/* false: it was not the next, and goes to nobody now.  One that asks its receivers
 * (BUS_WANT_ANSWERS) is left to the caller to give to them, and to answer. */
bool	store_bus_publish(struct hub *, const struct bus_envelope *);
/* A publication of the store: its journal has come up to there. */
void	store_bus_mark(struct hub *, const struct bus_envelope *);
void	store_bus_count(struct hub *, const struct bus_envelope *);
void	store_bus_kept(struct hub *, const struct bus_envelope *);
void	store_bus_page(struct hub *, const struct bus_envelope *);
/* A publication of the relay itself: is it a gap in rooms that can be healed?
 * Those who cannot are told. */
bool	store_bus_gap(struct hub *, const struct bus_envelope *) MUST_USE;

/* The clock; those who were in these slots do not answer any more (gone.h); the
 * stream to the relay broke. */
void	store_tick(struct hub *);
void	store_gone(struct hub *, const uint64_t slots[2]);
void	store_lost(struct hub *);

/* Does this client wait for an answer, or is a room of it being healed; does
 * anybody wait? */
bool	store_waits(const struct client *);
bool	store_any(const struct hub *);
/* Is a room of this session being healed?  Its place here is not the one that
 * it has at another worker: it does not come, nor go.  ... of one of them. */
bool	store_heals(const struct session *);
bool	store_heals_any(const struct client *);

#endif
