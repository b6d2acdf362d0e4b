/*
 * How many connections there are, exactly: of the host, of one user, from one
 * address, sessions in one namespace.  No more than the limit are ever let in,
 * however many workers try at the same moment, and what a killed worker held
 * comes back with its reclaim.
 *
 * Each slot counts its own, in words that it alone writes; a total is the sum
 * over the slots.  To enter, a slot first counts the new one, then adds up
 * all, and takes it back if that is too many.  Of several that enter at the
 * same time the last one to count sees all the others, so they can't all get
 * in.  (Two may see each other and both step back from the last place; they
 * try again a few times.)
 *
 * The host's words stand in a line per slot.  Users and addresses are nodes
 * of a table (shm/table.h) whose columns are these words.
 *
 *	died after			left behind	repaired by
 *	the word was counted up		one too many	reclaim: word = 0
 *	... and seen to be too many	the same	the same
 *	the word was counted down	nothing
 *	joining or leaving a node	shm/table.h	table_master_reclaim
 *
 * Until then a dead worker's connections count: too few are let in for a
 * moment, never too many.
 *
 * When the table has no room for a user or an address, that one is let in and
 * not counted (counter count_full).
 */
#ifndef SHM_COUNT_H
#define SHM_COUNT_H

#include "base/slice.h"
#include "shm/segment.h"

struct count;

/* The most that a slot can count of one user or address. */
#define COUNT_KEY_MAX	60000u

enum count_kind {
	COUNT_USER,
	COUNT_ADDRESS,
	COUNT_NAMESPACE,
	COUNT_POLLING,		/* sessions over polling, by address */
	COUNT_PARKED,		/* clients of a user that may come back */
	COUNT_SOCKJS,		/* a session of SockJS over HTTP: by whom */
};

/* One per process, after fork, by the owner of a worker's slot. */
struct count *count_open(struct segment *, unsigned slot) MUST_USE;
/* Whatever is still held is left, as by a dead process. */
void	count_close(struct count **);

/* One more connection of the host; false: there are limit already. */
bool	count_enter(struct count *, uint64_t limit) MUST_USE;
void	count_leave(struct count *);
/* Of all slots, as far as one can say from outside: whoever is entering
 * counts.  Any process. */
uint64_t count_total(const struct segment *);

/*
 * One more of key; false: there are limit (<= COUNT_KEY_MAX) already.  *node
 * is what to give back, 0: this one is not counted.
 */
bool	count_enter_key(struct count *, enum count_kind, struct slice key,
	    uint32_t limit, uint32_t *node) MUST_USE;
void	count_leave_key(struct count *, uint32_t node);	/* 0: nothing */
/* Who counts some of key: worker slot s is bit (s - 1) % 64 of
 * bits[(s - 1) / 64].  A count of which there is one at the most says who has
 * it. */
void	count_who(const struct count *, enum count_kind, struct slice key,
	    uint64_t bits[2]);
/* The key of a node that this slot holds, if it is a short one. */
struct slice count_key(const struct count *, uint32_t node);
/* Of all slots, for tests and the curious. */
uint32_t count_of(struct count *, enum count_kind, struct slice key);

/* Master, from sweep_reclaim(). Idempotent. */
void	count_reclaim(struct segment *, unsigned slot);

#endif
