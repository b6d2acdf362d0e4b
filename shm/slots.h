/*
 * Slots: one per role instance, 0 = relay, 1..2 * max_workers = workers.  A
 * slot is the unit of single-writer columns, of liveness, of addressing and
 * of reclaim.
 *
 *	FREE -> ASSIGNED -> LIVE -> DEAD -> RECLAIM -> FREE
 *	  slot_assign   slot_live  slot_dead  sweep_reclaim
 *
 * "master" and "owner" say who may call; reading is for everybody.
 */
#ifndef SHM_SLOTS_H
#define SHM_SLOTS_H

#include "shm/layout.h"
#include "shm/segment.h"

enum slot_state {
	SLOT_FREE,
	SLOT_ASSIGNED,	/* chosen by the master, child not yet confirmed */
	SLOT_LIVE,
	SLOT_DEAD,	/* waitpid() returned it */
	SLOT_RECLAIM,	/* being cleaned */
};

enum slot_role {
	SLOT_RELAY,
	SLOT_WORKER,
};

/* What its owner is doing, for who finds that it stands still. */
enum slot_doing {
	SLOT_STARTING,
	SLOT_WAITING,
	SLOT_RESUMING,	/* what was left of the turn before */
	SLOT_READING,	/* a connection, or what else has an event */
	SLOT_ACCEPTING,
	SLOT_BUS_READING, /* a frame of the stream between worker and relay */
	SLOT_CONTROL,	/* an order of the master */
	SLOT_TIMER,
	SLOT_TICK,	/* what is done every now and then */
	SLOT_ENDING,	/* the turn: what it has brought is written */
	SLOT_BUS_WRITING,
	SLOT_MOVING,	/* it gives connections away, or takes some */
};

#define SLOT_NONE	UINT32_MAX	/* a handle of the master, no column */

/* Which one slot_assign() will choose; -1 if there is none. */
int	slot_next(const struct segment *, unsigned role) MUST_USE;
/*
 * Master, before fork: a free slot for this role (the relay's is always 0),
 * with its note, heartbeat and turns cleared; -1 if there is none.
 */
int	slot_assign(struct segment *, unsigned role, uint32_t generation)
	    MUST_USE;
/* Master: it will end, and others are there; nothing new is to be given to
 * it.  Until it is assigned again. */
void	slot_leave(struct segment *, unsigned slot);
bool	slot_leaves(const struct segment *, unsigned slot);
void	slot_live(struct segment *, unsigned slot, uint32_t pid); /* master */
void	slot_dead(struct segment *, unsigned slot);		  /* master */
/* Master: an ASSIGNED slot whose fork failed goes back to FREE. */
void	slot_unassign(struct segment *, unsigned slot);

/* Owner: a plain store. */
static inline void
slot_does(struct slot_row *row, enum slot_doing what)
{
	atomic_store_explicit(&row->doing, (uint32_t)what,
	    memory_order_relaxed);
}
/* In words. */
const char *slot_doing(const struct segment *, unsigned slot);

void	slot_heartbeat(struct segment *, unsigned slot, uint64_t now_us);
/* Owner; async-signal-safe, no allocation; cut at 127 bytes. */
void	slot_panic_note(struct segment *, unsigned slot, const char *);

enum slot_state slot_state(const struct segment *, unsigned slot);
unsigned slot_role(const struct segment *, unsigned slot);
uint32_t slot_pid(const struct segment *, unsigned slot);
uint32_t slot_generation(const struct segment *, unsigned slot);
uint64_t slot_heartbeat_us(const struct segment *, unsigned slot);
/* Its owner has not come round for ms; false before its first turn. */
bool	slot_silent(const struct segment *, unsigned slot, struct mono now,
	    uint64_t ms);
uint64_t slot_turns(const struct segment *, unsigned slot);
/* Copies the note, always NUL-terminated; false if there is none. */
bool	slot_panic(const struct segment *, unsigned slot, char out[128]);
const char *slot_state_name(enum slot_state);

/*
 * Owner, around the one call that waits: between enter and leave it holds no
 * reference into a table except nodes it has joined.  A process that skips
 * these delays the reuse of nodes, nothing else; one that calls enter while
 * it still uses a node it has not joined reads another key's node.
 */
void	slots_quiesce_enter(struct segment *, unsigned slot); /* before wait */
void	slots_quiesce_leave(struct segment *, unsigned slot); /* after wait  */

#endif
