/*
 * A slot's holdings in one table, with a private list for those that found no
 * free node: "full" is a state, not an error.  While the list is not empty the
 * slot's overflow bit is set, so that senders reach this slot whatever the
 * table says.  The two instances of the table are thin layers over this.
 */
#ifndef SHM_SPILL_H
#define SHM_SPILL_H

#include "shm/table.h"

struct spill_entry {
	struct spill_entry *next;	/* same bucket */
	uint64_t	 hash;
	uint64_t	 status;	/* presence: as in the node */
	uint32_t	 count;		/* joins minus leaves, > 0 */
	uint16_t	 ns;
	uint16_t	 klen;
	uint8_t		 key[];
};

struct spill {
	struct table	*t;		/* owned */
	struct spill_entry **bucket;	/* NULL while nothing was kept */
	uint32_t	 nbuckets;	/* a power of two */
	uint32_t	 count;		/* entries */
	uint32_t	 blind;		/* joins that not even fitted here */
	uint32_t	 moving;	/* bucket where a retry goes on */
};

/* Moves along what an entry has beyond its count. */
typedef void spill_moved(struct table *, uint32_t n,
	    const struct spill_entry *);

int	spill_init(struct spill *, struct segment *, enum table_id,
	    unsigned slot) MUST_USE;
void	spill_fini(struct spill *);
uint32_t spill_join(struct spill *, uint16_t ns, struct slice key);
void	spill_leave(struct spill *, uint32_t n, uint16_t ns, struct slice key);
/* The private entry of a key, NULL if there is none. */
struct spill_entry *spill_find(const struct spill *, uint16_t ns,
	    struct slice key);
/* Some of the private entries move to the table if it has room again. */
void	spill_retry(struct spill *, spill_moved *);
/* Overflow bits of all slots; read before the nodes' bits. */
void	spill_overflow(const struct segment *, enum table_id,
	    uint64_t bits[2]);

#endif
