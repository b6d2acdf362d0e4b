/*
 * Sessions in Redis, where the namespace's journal is there (keep_journal.h): so
 * that a client may come back to any host, and whatever happened to the one that
 * had it.  A session is a hash,
 *
 *	PREFIX "session:" NS ":" PID	o the host that has it, s h: its client is
 *		there, a: is away, e: it is over, u whose it is, d the rest,
 *		as keep_sessions_save.c writes it, sealed
 *
 * and expires.  What changes is written at the end of the turn, many at once; the
 * host that has it goes on saying so.
 *
 *	B ──TAKE──► Redis: away, or B's: it is B's now
 *	                   A has it: ──want──► A ──OVER──► its worker ──AWAY──► A
 *	            Redis ◄── it is away ── A ──away──► B ──TAKE──► Redis
 *	            or A says nothing in time: B takes it as it is
 *
 * Who has lost one hears that (taken), or finds it out when it writes, and ends
 * it.  Hosts say so on the journal's channel:
 *
 *	"ROOSTS1 " KIND HOST PID seal	KIND w want, t taken, a away
 *	"ROOSTS1 o" HOST FRAME seal	what a back end has ordered
 *
 * Called by the other files of keep_sessions.h, and keep_far.c.
 */
#ifndef STORE_KEEP_SESSIONS_FAR_H
#define STORE_KEEP_SESSIONS_FAR_H

#include "relay/store/keep_session.h"

#define SESSIONS_MARK	"ROOSTS1 "

struct redis;

struct sessions_far *sessions_far_new(struct keep *) MUST_USE;	/* NULL: no memory */
void	sessions_far_free(struct sessions_far **);
/* It is not as it was written. */
void	sessions_far_due(struct keep *, struct stored *);
/* It is about to be dropped; nobody may have it. */
void	sessions_far_ended(struct keep *, struct stored *);
/* It is about to be dropped, for whatever reason. */
void	sessions_far_dropped(struct sessions_far *, struct stored *);
/* BUS_SESSION_TAKE.  false: sessions of this namespace are here alone. */
bool	sessions_far_take(struct keep *, const struct bus_envelope *) MUST_USE;
/* What a back end has ordered is told to the other hosts. */
void	sessions_far_order(struct keep *, struct slice nsp,
	    const struct bus_envelope *);
/* What begins with SESSIONS_MARK.  false: it makes no sense. */
bool	sessions_far_hear(struct keep *, struct slice nsp, struct slice payload)
	    MUST_USE;
/* Redis was away, or is another one: what it has is looked at. */
void	sessions_far_missed(struct keep *);
/* This link makes no calls any more. */
void	sessions_far_forget(struct keep *, const struct redis *);
/* Nothing that was asked of Redis waits for its answer. */
bool	sessions_far_is_settled(const struct keep *);
/* The end of a turn. */
void	sessions_far_turn(struct keep *);

#endif
