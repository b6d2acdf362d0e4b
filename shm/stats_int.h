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
	int		 memory_fd;	/* writer: the memfd; -1: none */
	struct stats_before *before;	/* stats_before.c; NULL: none */
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
/* Is this header what we can read?  0, or EPROTO, EAGAIN, EFBIG. */
int	stats_verify(const struct stats *);
/* Offset of a copy of a text; 0, the empty one, when there is no room. */
uint32_t stats_intern(struct stats *, const char *);
void	stats_plan(struct stats_header *, const struct stats_params *);
/* Map st->memory_fd; -1 + errno. */
int	stats_map_memory(struct stats *, uint64_t bytes);

/*
 * stats_before.c: memory of a predecessor that counted something else, in
 * which its children still count.  What they count is added to the master's
 * column, by name.
 */
struct stats_before *stats_before_new(struct stats *old, struct stats *);
void	stats_before_free(struct stats_before **);	/* old, too */
/* Bring it up to date; once all children have gone it is freed. */
void	stats_before_carry(struct stats *);
/* Is this slot still that of a child which counts there? */
bool	stats_before_has(const struct stats *, unsigned slot);
uint64_t stats_before_value(const struct stats *, unsigned slot,
	    const char *name);
void	stats_before_dead(struct stats *, unsigned slot);
uint64_t stats_before_slot_free(struct stats *, unsigned slot);

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
