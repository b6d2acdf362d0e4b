/*
 * Sessions that can be recovered although their worker was killed: who they are
 * and what they are in, of namespaces that have a journal (keep_journal.h).  Workers
 * tell what becomes of a session as it changes, never for what it is sent; who
 * takes one, has it alone.
 *
 *	BEGUN ─► here, at a worker ──AWAY, the worker is gone──► away ─► over
 *	             ▲      │ TAKE by another: OVER, AWAY          │
 *	             └──────┴─────────────── TAKE ◄────────────────┘
 *
 * Bounded by number and bytes: those away longest go first.  Memory only.
 *
 * Records, numbers as base/state.h has them.  In BUS_SESSION_ROOMS, each what
 * has happened: u8 kind, slice offset as in bus.h, slice name.  In
 * BUS_SESSION_TAKEN, each what it is, or was, in: u8 kind, u64 the place behind
 * which it was in it, u64 the last place in it or 0, slice name.
 */
#ifndef STORE_KEEP_SESSIONS_H
#define STORE_KEEP_SESSIONS_H

#include "relay/store/keep_int.h"

enum session_record {
	SESSION_ROOM = 'r',	/* in a room */
	SESSION_ASKED = 'a',	/* ... for which its client has asked */
	SESSION_LEFT = 'l',	/* out of it */
	SESSION_WATCH = 'w',	/* told of a user's presence */
	SESSION_UNWATCH = 'u'
};

struct sessions *sessions_new(struct keep *) MUST_USE;	/* NULL: no memory */
void	sessions_free(struct sessions **);
/* BUS_SESSION, BUS_SESSION_TAKE. */
void	sessions_told(struct keep *, const struct bus_envelope *);
void	sessions_take(struct keep *, const struct bus_envelope *);
/* BUS_DISCONNECT, BUS_ROOMS: those that are away obey, too. */
void	sessions_order(struct keep *, const struct bus_envelope *);
/* All that it had are away. */
void	sessions_worker_gone(struct keep *, unsigned slot);
/* For the relay that takes this one's place: nothing, when there are none.  load:
 * of what begins with it, if it does; rest is what follows.  Their workers have to
 * tell that they have them.  false: some make no sense. */
void	sessions_save(const struct keep *, struct buf *);
bool	sessions_load(struct keep *, struct slice saved, struct slice *rest);
/* Another configuration. */
void	sessions_conf(struct keep *);
/* The end of a turn: some that are over go. */
void	sessions_turn(struct keep *);

#endif
