/*
 * The other hosts: the relay's connection to Redis and what is built over it.
 * The roof's half that is there only with `redis {}`; relay.c opens it, hands
 * it each change of the tables and gives it the end of each turn.
 */
#ifndef RELAY_FAR_H
#define RELAY_FAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct exchange;
struct far;
struct heritage;
struct loop;
struct table_event;
struct table_relay;

/* Without Redis in the configuration *fp is NULL, and every other function
 * takes NULL and does nothing.  -1: no memory. */
int	far_open(struct far **fp, const struct heritage *, struct loop *,
	    struct exchange *) MUST_USE;
/* Before the peers of the exchange are gone, or after: it asks nobody. */
void	far_close(struct far **);
/* Of the interest table. */
void	far_interest(struct far *, const struct table_event *);
/* Files that the configuration names may have changed. */
void	far_reread(struct far *);
/* This worker is no more. */
void	far_worker_gone(struct far *, unsigned slot);
/* About once a second. */
void	far_beat(struct far *);
/* What this host has published since then may not have reached the others. */
void	far_gap_all(struct far *, uint64_t from_ms);
/*
 * Of the presence table.  What a predecessor has mirrored of other hosts stays
 * until it can be compared; or goes, where nothing is mirrored.
 */
void	far_mirror(struct far *, struct table_relay *presence);
void	far_presence(struct far *, const struct table_event *);
/* The end of a turn: what is to be written is written; busy: the next turn is
 * not to wait. */
void	far_flush(struct far *);
bool	far_busy(const struct far *);

#endif
