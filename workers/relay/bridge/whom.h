/*
 * Whom a message of other servers is for: its lists of rooms, in which a sid
 * is a room as well, become an envelope's audience and the workers here that
 * have some of it.  What nobody here is in is left out: such lists may be
 * longer than an envelope holds.
 */
#ifndef RELAY_BRIDGE_WHOM_H
#define RELAY_BRIDGE_WHOM_H

#include "base/clock.h"
#include "proto/bus.h"

struct interest;
struct whom_joins;

struct whom {
	struct interest	*interest;	/* set by the caller, as is all up to */
	struct whom_joins *joins;	/* may be NULL */
	struct mono	 now;
	uint16_t	 ns;
	struct bus_audience *to;	/* here: of the envelope to be sent */
	/* made of the lists */
	uint64_t	 slots[2];	/* in the end: the workers */
	size_t		 nnamed;	/* rooms that were named */
	bool		 many;		/* more than an envelope holds */
};

/* Those above are set; names are borrowed as long as the envelope is. */
void	whom_begin(struct whom *);
void	whom_room(struct whom *, struct slice name);
void	whom_except(struct whom *, struct slice name);
enum whom_result {
	WHOM_SOME,
	WHOM_NOBODY,		/* here */
	WHOM_MANY		/* it cannot be said in one envelope */
};
/* No room was named: it is for all of the namespace. */
enum whom_result whom_end(struct whom *) MUST_USE;
/* May somebody here be in this room, or have this sid? */
bool	whom_has(struct whom *, struct slice name);

/*
 * Rooms into which workers were just told to put clients: until they have, the
 * directory does not say so, and what comes next is for them already.
 */
struct whom_joins *whom_joins_new(void) MUST_USE;	/* NULL: no memory */
void	whom_joins_free(struct whom_joins **);
void	whom_joins_add(struct whom_joins *, uint16_t ns, struct slice room,
	    const uint64_t slots[2], struct mono now);

#endif
