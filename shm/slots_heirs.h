/*
 * Heirs: who has the sessions of a worker that gave all of them away.  The id
 * of a session over polling names the slot and the generation (its low byte)
 * of the worker that opened it, for as long as it lives; so whoever gets a
 * request for it finds its worker here, when that is another one by now.
 *
 * The master writes, workers read; a word each, no two need to agree.  Where
 * the master stops between two, a way is longer than it need be, no more.
 */
#ifndef SHM_SLOTS_HEIRS_H
#define SHM_SLOTS_HEIRS_H

#include "shm/segment.h"

struct buf;
struct state_in;

/* A worker's name, as ids have it. */
struct heirs_name {
	uint8_t		 slot;
	uint8_t		 generation;	/* low byte */
};

/*
 * Master, before both are told: what the giver has is the heir's, or will be.
 * The giver may have had another heir, that died.
 */
void	heirs_set(struct segment *, unsigned giver, uint32_t generation,
	    unsigned heir, uint32_t heirs_generation);
/*
 * Master, after waitpid() and before the slot is given away again: whose heir
 * this one was has its heir in its place, or none.
 */
void	heirs_dead(struct segment *, unsigned slot, uint32_t generation);
/*
 * Master, before slot_assign() of this slot (slot_next()): a generation, next
 * or a little later, whose name nobody in the slot has had who is still asked
 * for.  If there is none left, the eldest of these is forgotten.
 */
uint32_t heirs_generation(struct segment *, unsigned slot, uint32_t next)
	    MUST_USE;

/* Any process.  The one heir of this worker; false: none. */
bool	heirs_find(const struct segment *, struct heirs_name,
	    struct heirs_name *heir) MUST_USE;
/* It is in its slot. */
bool	heirs_lives(const struct segment *, struct heirs_name) MUST_USE;
/* Who lives of it, its heir, that one's heir...; false: nobody. */
bool	heirs_living(const struct segment *, struct heirs_name,
	    struct heirs_name *living) MUST_USE;
/* What stands there for this worker; 0: nothing. */
uint64_t heirs_word(const struct segment *, unsigned slot, uint32_t generation);

/* Master: all of it, for a segment that follows; false: it is told something
 * else. */
void	heirs_save(const struct segment *, struct buf *);
bool	heirs_load(struct segment *, struct state_in *) MUST_USE;

#endif
