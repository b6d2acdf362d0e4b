/*
 * A connection passed to another worker: its socket, and what was read from
 * it.  That worker serves it as if it had accepted it.  One socket per slot;
 * what it does not take at once waits here, a share for each slot.  TLS stays
 * where it is: then a tunnel is passed.  Knows nothing of what was read.
 */
#ifndef WORKER_NET_PARCEL_H
#define WORKER_NET_PARCEL_H

#include "base/bug.h"
#include "base/slice.h"

struct conn;
struct parcels;			/* of one worker */
struct worker;

struct parcels *parcels_new(struct worker *) MUST_USE;	/* NULL: no memory */
void	parcels_free(struct parcels **);

/* There is a way to this slot, which is another one than this worker's. */
bool	parcel_reaches(const struct worker *, unsigned slot) MUST_USE;
/* false, and counted: too many wait for it already, or it has not been heard
 * of for two seconds. */
bool	parcel_fits(const struct worker *, unsigned slot, size_t n) MUST_USE;
/* Pass it, with these bytes; nothing may be queued on it.  inherited: to one
 * who has taken over what this worker had.  false: it can't be done, nothing
 * has changed. */
bool	parcel_pass(struct conn *, unsigned slot, struct slice bytes,
	    bool inherited) MUST_USE;
/* What it asks for just now came so to this worker; told once. */
bool	parcel_is_inherited(struct conn *);
/* What others passed to a worker that has gone is read here, to the end. */
void	parcel_left_over(struct parcels *, int fd);
/* About ten times a second: try again what could not be sent. */
void	parcel_tick(struct parcels *);
/* Connections that wait for other workers. */
unsigned parcel_waiting(const struct parcels *);

#endif
