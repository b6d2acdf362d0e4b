/*
 * The roll is called: who is in an audience here, which rooms there are, for
 * others than this host's own.  The relay asks (BUS_MEMBERS), and is answered
 * in pieces, one a turn and none while the stream to it is behind: whoever asks
 * for all of many holds up nobody.  Bounded in number and bytes; what is left
 * out is told (BUS_TRUNCATED) and counted.
 */
#ifndef HUB_BACKEND_ROLL_H
#define HUB_BACKEND_ROLL_H

#include <stdbool.h>

#include "base/bug.h"

#define ROLL_MAX	16		/* that wait */
#define ROLL_PIECE	(64u << 10)	/* bytes of a piece, about */
#define ROLL_SIDS_MAX	200000		/* of one roll */
#define ROLL_BYTES_MAX	(8u << 20)	/* of one answer, here */

struct bus_envelope;
struct hub;

struct roll_table;
struct roll_table *roll_table_new(void) MUST_USE;	/* NULL: no memory */
void	roll_table_free(struct hub *);

/* BUS_MEMBERS. */
void	roll_bus(struct hub *, const struct bus_envelope *);
/* The next piece, if there is something to say and it can go out. */
void	roll_turn(struct hub *);
bool	roll_is_due(const struct hub *);
/* The relay that asked is no more. */
void	roll_lost(struct hub *);

/* Some are being told who is here. */
bool	roll_any(const struct hub *);

#endif
