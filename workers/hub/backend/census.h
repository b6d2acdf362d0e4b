/*
 * A page of who is here: rooms of a namespace, members of a room, sessions of a
 * user, in the order of their names (a session's is its sid), from behind one of
 * them on.  Since a page begins behind a name, and not at a place, who is there
 * throughout is on exactly one page, whatever comes and goes meanwhile.
 *
 * Any worker of this host asks (BUS_MEMBERS), or the relay for another host,
 * and is answered in pieces as by roll.h: some of the table of rooms is looked
 * at in a turn, and nothing is said while the stream is behind.  A worker asks
 * itself without a stream.  Bounded in number.
 */
#ifndef HUB_BACKEND_CENSUS_H
#define HUB_BACKEND_CENSUS_H

#include <stdbool.h>

#include "base/bug.h"

#define CENSUS_MAX	64		/* that wait */
#define CENSUS_PIECE	(64u << 10)	/* bytes of a piece, about */
#define CENSUS_CHAINS	512		/* of the table of rooms, in a turn */

struct bus_envelope;
struct hub;

struct census_table;
struct census_table *census_table_new(void) MUST_USE;	/* NULL: no memory */
void	census_table_free(struct hub *);

/* BUS_MEMBERS that asks for a page; from may be this worker itself, whose part
 * ask_here() is told. */
void	census_bus(struct hub *, const struct bus_envelope *);
/* Some more of it. */
void	census_turn(struct hub *);
bool	census_is_due(const struct hub *);
/* Somebody is being told who is here: nobody goes to another worker, who would be
 * on no page. */
bool	census_any(const struct hub *);
/* The relay is no more: for other hosts, and other workers, nobody waits. */
void	census_lost(struct hub *);

#endif
