/*
 * What the files of shm/ know of each other and nobody else does: the handle
 * on the segment, and reads of several narrow words at once.
 */
#ifndef SHM_INTERNAL_H
#define SHM_INTERNAL_H

#include "shm/hook.h"
#include "shm/layout.h"
#include "shm/segment.h"

struct table;

struct segment {
	unsigned	 magic;
#define SEGMENT_MAGIC	0x5e63e271
	int		 fd;		/* memfd */
	int		 relay_fd;	/* eventfds */
	int		 master_fd;
	uint8_t		*base;		/* the mapping; private pointer */
	uint64_t	 size;		/* bytes */
	struct shm_header *hdr;
	struct table	*sweeper[SHM_TABLES]; /* master's handles, made when needed */
	uint64_t	 relay_dead_us;	/* since when; 0 = it lives */
	uint32_t	 rate_cursor;	/* next set to age */
};

/* The layout of a table; the third one came after the first two. */
static inline struct shm_table *
segment_table(const struct segment *seg, unsigned id)
{
	return (id < 2 ? &seg->hdr->table[id] : &seg->hdr->count);
}

static inline void
segment_check(const struct segment *seg)
{
	CHECK_MAGIC(seg, SEGMENT_MAGIC);
	MUST(seg->hdr->magic == SHM_MAGIC && seg->hdr->size == seg->size);
}

/*
 * Stores before it are seen by all before loads after it.  ThreadSanitizer
 * does not know fences; on x86, where it runs, the atomic operations around
 * the calls are as strong.
 */
static inline void
shm_fence(void)
{
#if !SHM_TSAN
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Rings an eventfd that another process waits on. */
void	segment_ring(int fd);

typedef uint64_t __attribute__((may_alias)) shm_wide;

/* Eight bytes of an array of a8, from a multiple of 8. */
static inline uint64_t
wide_u8(const _Atomic uint8_t *p)
{
#if SHM_TSAN
	uint64_t w = 0;

	for (unsigned i = 0; i < 8; i++)
		w |= (uint64_t)atomic_load_explicit(&p[i],
		    memory_order_relaxed) << (8 * i);
	return (w);
#else
	return (__atomic_load_n((const shm_wide *)(uintptr_t)p,
	    __ATOMIC_RELAXED));
#endif
}

/* Four words of an array of a16, from a multiple of 4. */
static inline uint64_t
wide_u16(const _Atomic uint16_t *p)
{
#if SHM_TSAN
	uint64_t w = 0;

	for (unsigned i = 0; i < 4; i++)
		w |= (uint64_t)atomic_load_explicit(&p[i],
		    memory_order_relaxed) << (16 * i);
	return (w);
#else
	return (__atomic_load_n((const shm_wide *)(uintptr_t)p,
	    __ATOMIC_RELAXED));
#endif
}

/* The high bit of each byte of w that is 0; exact for the lowest such byte. */
static inline uint64_t
zero_bytes(uint64_t w)
{
	return ((w - 0x0101010101010101) & ~w & 0x8080808080808080);
}

#endif
