/*
 * What the files of the stats file share: a handle on it and where its parts
 * are.  Private to stats*.c.
 */
#ifndef SHM_STATS_INT_H
#define SHM_STATS_INT_H

#include <sys/types.h>

#include "shm/stats.h"

#define STATS_SLOTS_MAX	256u
#define STATS_NS_BLOCKS	(COUNTERS_NS_MAX + 1)

struct stats {
	unsigned	 magic;
#define STATS_HANDLE	0x57a75f11
	uint8_t		*base;
	uint64_t	 size;
	struct stats_header *hdr;
	char		*path;		/* NULL: anonymous */
	dev_t		 dev;
	ino_t		 ino;
	bool		 writer;
	/* stats_file.c, the master only */
	int		 fd;		/* of the file; -1: none */
	uint32_t	 ndesc;		/* that the file has */
	struct mono	 look;		/* at the path, again */
	int		 error;		/* why it is not written; 0: it is */
	bool		 used[STATS_SLOTS_MAX];
	uint64_t	 bus_unread;	/* counted as lost with a relay so far */
	uint64_t	 str_used;
	uint64_t	 named[STATS_NS_BLOCKS / 64 + 1]; /* bit per block */
	uint32_t	 ns_name[NS__MAX];	/* strings of the rows */
	uint32_t	 ns_help[NS__MAX];
};

/* NULL without memory; stats_close() it. */
struct stats *stats_handle_new(bool writer);

/* Write everything to a new file and put it at st->path; -1 + errno: what was
 * there stays. */
int	stats_file_make(struct stats *) MUST_USE;
void	stats_file_close(struct stats *);

static inline struct stats_desc *
desc_at(const struct stats *st, uint32_t i)
{
	return ((struct stats_desc *)(void *)(st->base + st->hdr->desc_off +
	    (uint64_t)i * st->hdr->desc_stride));
}

static inline struct stats_slot *
slot_at(const struct stats *st, unsigned i)
{
	MUST(i < st->hdr->nslots);
	return ((struct stats_slot *)(void *)(st->base + st->hdr->slot_off +
	    (uint64_t)i * st->hdr->slot_stride));
}

static inline uint64_t *
column_at(const struct stats *st, unsigned i)
{
	return ((uint64_t *)(void *)(st->base + st->hdr->col_off +
	    (uint64_t)i * st->hdr->col_stride));
}

static inline uint64_t
cell(const struct stats *st, unsigned col, uint32_t i)
{
	return (__atomic_load_n(column_at(st, col) + i, __ATOMIC_RELAXED));
}

#endif
