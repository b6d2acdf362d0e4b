/*
 * Blocks of one size for things that come and go by the hundred thousand
 * (connections, sessions): a free list through chunks that are given back to
 * the system when nothing in them is used.  One owner, one thread.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"

#define SLAB_LINE	64u		/* a cache line: the largest alignment */
#define SLAB_CHUNK	(64u << 10)	/* bytes, and alignment, of a chunk */

struct slab_chunk;

struct slab {
	unsigned	 magic;
#define SLAB_MAGIC	0x51ab51ab
	uint32_t	 block;		/* bytes, a multiple of the alignment */
	uint32_t	 per_chunk;
	size_t		 used;		/* blocks given out */
	size_t		 nchunks;
	LIST_HEAD(, slab_chunk) partial; /* chunks with a free block */
};

/* bytes: of one block, at most a quarter of a chunk; align: a power of two, 8
 * to SLAB_LINE. */
void	slab_init(struct slab *, size_t bytes, size_t align);
void	slab_fini(struct slab *);		/* nothing may be in use */
/* A zeroed block, or NULL + errno. */
void	*slab_get(struct slab *) MUST_USE;
void	slab_put(struct slab *, void *);
/* Memory held, in bytes. */
size_t	slab_bytes(const struct slab *);

#endif
