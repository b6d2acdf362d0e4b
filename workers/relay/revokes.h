/*
 * What is revoked, told to other hosts and learnt from them.  What is in force
 * here is in shared memory (shm/table_revoked.h); what other hosts have is:
 *
 *	set	PREFIX "revoked", by when it is over, of members
 *	channel	PREFIX "revocations": a member when it is new, and, if clients
 *		are told why, "\n" and that as JSON
 *	member	"u " or "t ", MOMENT " " UNTIL " " NAME; on the channel also "g ",
 *		MOMENT " " UNTIL " " GRACE " " NAME
 *
 * Each with a seal behind it, where there is a secret.
 *
 * Members are only added, and go when they are over; whoever reads them merges
 * them to the latest of each, so that hosts agree whatever comes first.  What
 * Redis did not take is told when it does.  Called by far.c.
 */
#ifndef RELAY_REVOKES_H
#define RELAY_REVOKES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct bus_envelope;
struct home;
struct redis;
struct revokes;
struct seal;
struct segment;

struct revokes_params {
	struct segment	*segment;
	struct redis	*redis;
	const struct seal *seal;
	const char	*prefix;	/* of names */
	const struct home *home;	/* whose configuration is in force */
	void		*arg;		/* of both: */
	/* It is new here: to every worker. */
	void		 (*to_workers)(void *arg, struct bus_envelope *);
	/* The order of this worker is known on so many other hosts, or (partly)
	 * perhaps not. */
	void		 (*ordered)(void *arg, unsigned slot, uint32_t ref,
			    uint32_t hosts, bool partly);
};

/* NULL: no memory. */
struct revokes *revokes_new(const struct revokes_params *) MUST_USE;
/* Before redis is; its calls must not come any more. */
void	revokes_free(struct revokes **);
/* Redis is there, first or again. */
void	revokes_ready(struct revokes *);
/* About once a second. */
void	revokes_beat(struct revokes *);
/* A worker has revoked; it is answered if it has asked. */
void	revokes_order(struct revokes *, const struct bus_envelope *);

#endif
