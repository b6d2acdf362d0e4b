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
 *	join	table.c		column, bit, reconcile; or insert
 *	claim	table_claim.c	a free node, or "full"
 *	leave	table.c		bit, reconcile, column
 *	evict	table_master.c	dead, unlink, limbo, grace, free
 *	reclaim	table_master.c	what a dead slot left in its column
 *	announce table_relay.c	seen -> ann, each change told exactly once
 */
#ifndef SHM_TABLE_H
#define SHM_TABLE_H

#include "base/slice.h"
#include "shm/internal.h"
#include "shm/slots.h"

enum table_id {
	TABLE_PRESENCE,
	TABLE_INTEREST,
	TABLE_COUNT,		/* shm/count.h: nothing is announced */
};

struct table_more {		/* what a saturated column can't count */
	uint32_t	 node;
	uint32_t	 count;
};

struct table {
	unsigned	 magic;
#define TABLE_MAGIC	0x7ab1e0a5
	enum table_id	 id;
	struct segment	*seg;
	struct shm_header *hdr;
	uint32_t	 cap, mask, stride, key_max;
	bool		 text;
	uint8_t		*node;		/* arrays of the layout */
	_Atomic uint64_t *head;
	_Atomic uint8_t	*map;
	_Atomic uint16_t *nsid;
	_Atomic uint64_t *seen, *dirty, *dsum;
	uint8_t		*col_base;
	uint64_t	 col_stride;
	unsigned	 slot;		/* own, or SLOT_NONE */
	_Atomic uint16_t *col;		/* own, or NULL */
	unsigned	 word;		/* own bit: bits[word] & bit */
	uint64_t	 bit;
	uint32_t	 cursor;	/* where to look for a free node */
	uint64_t	 full_until_us;	/* no search before; 0 = not full */
	struct table_more *more;
	unsigned	 nmore, more_cap;
	struct table_relay *relay;	/* private state of the relay, */
	struct table_master *master;	/* of the master */
};

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
/* Presence: seen at ms (unix), stored if that is a second or more newer. */
void	table_seen(struct table *, uint32_t n, uint64_t ms);
/* L and R as the bits have it now. */
unsigned table_level(const struct table *, uint32_t n);

/* --- relay ---------------------------------------------------------------- */
struct table_event {
	uint32_t	 node;
	uint16_t	 ns;
	struct slice	 key;	/* borrowed */
	bool		 whole;	/* false: key is a prefix of a long one */
	bool		 status;/* nothing else changed */
	bool		 repeat;/* perhaps told before a relay died */
	unsigned	 was;	/* ANN_L, ANN_R before */
	unsigned	 is;	/* and now */
	uint64_t	 version;
};

/*
 * True: it is on its way.  False: there is no room for it now; the node stays
 * as if nothing had changed, and table_announce_held() comes back to it.
 */
typedef bool table_emit(void *arg, const struct table_event *);

/* Relay, at start: leaves are announced after leave_delay_us. -1 + errno. */
int	table_relay_start(struct table *, uint64_t leave_delay_us) MUST_USE;
/* All nodes whose last announcement is not the truth: once, at start. */
void	table_announce_all(struct table *, struct mono now, table_emit *,
	    void *arg);
/* The marked ones, and leaves that are due: each turn.  Returns how many. */
unsigned table_announce(struct table *, struct mono now, table_emit *,
	    void *arg);
/* Those that found no room, until a few have found none again. */
void	table_announce_held(struct table *, struct mono now, table_emit *,
	    void *arg);
/* How many wait for room. */
uint32_t table_held(const struct table *);
/* When the next delayed leave is due, UINT64_MAX: none waits. */
uint64_t table_announce_due(const struct table *);
/*
 * The hosts (bit each; bit 63: more) that hold key, as Redis has it; 0: none.
 * Returns the node, 0 when nothing is mirrored.
 */
uint32_t table_mirror(struct table *, uint16_t ns, struct slice key,
	    uint64_t hosts);
/*
 * Relay, at start: its predecessor's mirrors stay.  Between begin and end the
 * relay mirrors what it finds in Redis; end drops the rest.
 */
void	table_inherit_begin(struct table *);
void	table_inherit_end(struct table *);

/* --- master --------------------------------------------------------------- */
/* What slot left, its owner being dead for sure. Idempotent. */
void	table_reclaim(struct table *, unsigned slot);
/* Mirrors of a relay that does not come back. Idempotent. */
void	table_reclaim_mirrors(struct table *);
/* One step of eviction; the step is longer while nodes are short. */
void	table_sweep(struct table *, struct mono now, bool relay_lives);
/* Empty the master's list of the unlinked, as far as nobody can see them. */
void	table_grace(struct table *);
/* Nodes unlinked and not free yet. */
uint32_t table_limbo(const struct table *);

/* internal to table*.c */
uint32_t table_enter(struct table *, uint16_t ns, struct slice key,
	    uint64_t hosts, bool *held);
void	table_release(struct table *, uint32_t n);
uint32_t table_claim_start(uint32_t cap, unsigned slot);
uint32_t table_claim(struct table *);
void	table_master_free(struct table *);
void	table_relay_free(struct table *);
uint32_t table_next(const struct table *, uint32_t n, unsigned *steps);

#endif
