/*
 * The relay's handle on a table, for table_relay.c, which tells, and
 * table_relay_mirror.c, which mirrors.
 */
#ifndef SHM_TABLE_RELAY_INT_H
#define SHM_TABLE_RELAY_INT_H

#include "shm/table_relay.h"

struct delayed {
	uint64_t	 due_us;
	uint32_t	 node;
};

/* In seen with PEND, as it is on its way. */
struct relay_pending {
	uint64_t	 ann;
	uint32_t	 node;
};

struct relay_batch {
	struct relay_pending *v;
	uint32_t	 n, cap;
};

struct table_relay {
	unsigned	 magic;
#define TABLE_RELAY_MAGIC 0x7ab12e1a
	struct table	*t;		/* owned, of slot 0 */
	uint64_t	 delay_us;
	struct delayed	*queue;		/* ring, oldest first */
	uint32_t	 first, count, cap;
	uint8_t		*queued;	/* bit per node: is in the ring */
	uint8_t		*held;		/* bit per node: found no room */
	uint32_t	 nheld, held_at; /* how many; byte to go on from */
	uint8_t		*lapsed;	/* bit per node: the other hosts' end of it
					 * has waited already */
	uint32_t	 mirrored;	/* nodes of other hosts */
	bool		 queues;	/* emit only queues */
	uint8_t		*pending;	/* bit per node: PEND is ours */
	struct relay_batch now, before;	/* since table_announce_sent(), and
					 * before it */
};

static inline bool
relay_bit_get(const uint8_t *map, uint32_t n)
{
	return ((map[n / 8] >> (n % 8) & 1) != 0);
}

static inline void
relay_bit_set(uint8_t *map, uint32_t n, bool on)
{
	uint8_t b = (uint8_t)(1u << (n % 8));

	map[n / 8] = (uint8_t)(on ? map[n / 8] | b : map[n / 8] & ~b);
}

#endif
