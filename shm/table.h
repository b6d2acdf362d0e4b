/*
 * The crash-safe table: nodes found by (namespace, key), each saying which
 * slots hold it.  Instances are shm/presence.h, shm/interest.h, shm/count.h,
 * which are what others use; this header is for them, for the relay's
 * announcements and for the tests.
 *
 * Any process may be killed between any two accesses.  The word ann of a node
 * says what the world is told (level and version); bits say which workers
 * hold it; a slot's own column says what the slot may have touched.  Order
 * matters everywhere in table*.c: ann is read before bits, the column is
 * written before the bit and cleared after it.
 *
 * The steps, as comments in table*.c and sweep.c name them.  Each may be a
 * process's last: reclaim then repairs what it left.
 *
 *	join	J1	walk the chain; not found: I1
 *	table.c	J2	own column
 *		J3	own bit (the relay: its hosts)
 *		J4	reconcile: ann agrees with the bits, or the node is dead
 *		J5	dead: bit and column back, and J1 again
 *	insert	I1	claim a free node (table_claim.c), or "full"
 *		I2	fill it, own bit set
 *		I3	own column
 *		I4	the clock, and what will be behind it in the chain
 *		I5	head of the chain: inserted, joined and 0 -> 1 at once
 *		I6	the map says that it is linked
 *		I7	mark it for the relay
 *	leave	L1	own bit goes
 *	table.c	L2	reconcile, if that word became 0
 *		L3	own column goes
 *	evict	E1	ann: nobody holds it, told, and idle for long enough
 *	table_	E2	the bits say so too, read after ann
 *	master.c E3	ann: dead, for good
 *		E4	out of the chain
 *		E5	in limbo, with an epoch of its own
 *		E6	free, when every slot has waited since
 *	reclaim	C1	the slot says so (sweep.c)
 *	table_	C2	what it had claimed: linked after all, or free
 *	master.c C3	what it held: bit, reconcile, mark, column
 *		C4	overflow bits, columns given back, the slot is free
 *
 * The relay's announcements (table_relay.c): seen -> ann, each change told
 * exactly once.
 */
#ifndef SHM_TABLE_H
#define SHM_TABLE_H

#include "base/slice.h"
#include "shm/internal.h"
#include "shm/slots.h"

/* A handle of slot (SLOT_NONE: the master). NULL + errno. */
struct table *table_open(struct segment *, enum table_id, unsigned slot)
	    MUST_USE;
void	table_close(struct table **);

static inline struct shm_node *
table_node(const struct table *t, uint32_t n)
{
	return ((struct shm_node *)(void *)(t->node + (size_t)n * t->stride));
}

static inline _Atomic uint16_t *
table_col(const struct table *t, unsigned slot)
{
	return ((_Atomic uint16_t *)(void *)(t->col_base +
	    slot * t->col_stride));
}

/* The part of a node's key that it holds; false: it is a prefix. */
bool	table_key(const struct table *, const struct shm_node *,
	    struct slice *);
/* A node of this key that is not dead, 0: none.  Any process. */
uint32_t table_find(const struct table *, uint16_t ns, struct slice key);
/*
 * One more reason of this slot to hold key (workers).  0: no free node, or the
 * table was found damaged; nothing is held then.
 */
uint32_t table_join(struct table *, uint16_t ns, struct slice key) MUST_USE;
void	table_add(struct table *, uint32_t n, uint32_t more); /* of a held n */
void	table_leave(struct table *, uint32_t n);	/* one fewer */
bool	table_holds(const struct table *, uint32_t n);
/* Make ann agree with the bits; false: the node is dead. */
bool	table_reconcile(struct table *, uint32_t n);
void	table_mark(struct table *, uint32_t n);
/* A new version of the same level: the relay looks at it again. */
void	table_touch(struct table *, uint32_t n);
/* Presence: seen at ms (unix), stored if that is a second or more newer. */
void	table_seen(struct table *, uint32_t n, uint64_t ms);
/* Presence: why it is held once less, or will be: shm/why.h. */
void	table_ended(struct table *, uint32_t n, uint8_t why);
/* L and R as the bits have it now. */
unsigned table_level(const struct table *, uint32_t n);

/* --- for table_relay.c and table_master.c --------------------------------- */

/*
 * Hold key: an existing node, or a new one; 0 as with table_join().  A worker
 * that holds it already gets the node back unchanged and *held set; for the
 * relay hosts is set anew.
 */
uint32_t table_enter(struct table *, uint16_t ns, struct slice key,
	    uint64_t hosts, bool *held);
/* Give up a held node, whatever the column says. */
void	table_release(struct table *, uint32_t n);
/* The node behind n in its chain; 0: none; UINT32_MAX: it is damaged. */
uint32_t table_next(const struct table *, uint32_t n, unsigned *steps);

#endif
