/*
 * What the files of shm/ know of each other and nobody else does: the handles
 * on the segment and on a table, and reads of several narrow words at once.
 */
#ifndef SHM_INTERNAL_H
#define SHM_INTERNAL_H

#include <stdbool.h>

#include "base/bug.h"
#include "shm/hook.h"
#include "shm/layout.h"

struct segment {
	unsigned	 magic;
#define SEGMENT_MAGIC	0x5e63e271
	int		 fd;		/* memfd */
	int		 relay_fd;	/* eventfds */
	int		 master_fd;
	uint8_t		*base;		/* the mapping; private pointer */
	uint64_t	 size;		/* bytes */
	struct shm_header *hdr;
	struct slots_before *before;	/* slots_before.c, the master's; NULL:
					 * it follows none */
};

/* What a segment's successor is told of it: sections, each with a version. */
enum shm_passed { SHM_PASSED_SECRETS = 1, SHM_PASSED_LIMITS,
	SHM_PASSED_HEIRS, SHM_PASSED_PRESENCE, SHM_PASSED_REVOKED,
	SHM_PASSED_REVOKED_PLACE };

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

typedef uint64_t __attribute__((may_alias)) shm_wide;

/* Eight bytes of an array of a8, from a multiple of 8. */
static inline uint64_t
wide_u8(const _Atomic uint8_t *p)
{
#if SHM_TSAN
	uint64_t w = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
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
	unsigned i;

	for (i = 0; i < 4; i++)
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
