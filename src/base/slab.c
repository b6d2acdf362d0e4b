/*
 * Blocks of one size.  A chunk is aligned to its own size, so the chunk of a
 * block is found by masking; chunks with a free block are on a list, a full
 * one is on none.  One empty chunk is kept, so that a connection that comes
 * and goes does not go to the system each time.
 */
#include "base/slab.h"

#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define slab_hide(p, n)	ASAN_POISON_MEMORY_REGION(p, n)
#define slab_show(p, n)	ASAN_UNPOISON_MEMORY_REGION(p, n)
/* from the heap, so that what blocks point to counts as reachable */
#define slab_map()	aligned_alloc(SLAB_CHUNK, SLAB_CHUNK)
#define slab_unmap(p)	free(p)
#else
#define slab_hide(p, n)	((void)(p), (void)(n))
#define slab_show(p, n)	((void)(p), (void)(n))
static void *slab_map(void);
static void slab_unmap(void *);
#endif

struct slab_free {
	struct slab_free *next;
};

struct slab_chunk {
	LIST_ENTRY(slab_chunk) link;	/* while it has a free block */
	struct slab_free *free;		/* blocks that were given back */
	uint32_t	 used;		/* given out now */
	uint32_t	 fresh;		/* first block never given out */
};

#if !defined(__SANITIZE_ADDRESS__)
static uint8_t *
slab_pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (p == MAP_FAILED ? NULL : p);
}

/*
 * Aligned to its size.  malloc() would have a header in the page before, a
 * page more for each chunk.  Behind one that is aligned the kernel puts the
 * next, so the first try mostly fits, and they are one mapping.
 */
static void *
slab_map(void)
{
	uint8_t *p = slab_pages(SLAB_CHUNK), *at;
	size_t before;

	if (p == NULL || ((uintptr_t)p & (SLAB_CHUNK - 1)) == 0)
		return (p);
	(void)munmap(p, SLAB_CHUNK);
	p = slab_pages(2 * SLAB_CHUNK);
	if (p == NULL)
		return (NULL);
	before = -(uintptr_t)p & (SLAB_CHUNK - 1);
	at = p + before;
	if (before > 0)
		(void)munmap(p, before);
	(void)munmap(at + SLAB_CHUNK, SLAB_CHUNK - before);
	return (at);
}

static void
slab_unmap(void *p)
{
	(void)munmap(p, SLAB_CHUNK);
}
#endif

static uint8_t *
slab_block(const struct slab *s, struct slab_chunk *c, uint32_t i)
{
	return ((uint8_t *)c + SLAB_LINE + (size_t)i * s->block);
}

void
slab_init(struct slab *s, size_t bytes, size_t align)
{
	memset(s, 0, sizeof *s);
	MUST(bytes > 0 && bytes <= SLAB_CHUNK / 4);
	MUST(align >= sizeof(struct slab_free) && align <= SLAB_LINE &&
	    (align & (align - 1)) == 0);
	MUST(sizeof(struct slab_chunk) <= SLAB_LINE);
	s->magic = SLAB_MAGIC;
	s->block = (uint32_t)((bytes + align - 1) & ~(align - 1));
	s->per_chunk = (SLAB_CHUNK - SLAB_LINE) / s->block;
	LIST_INIT(&s->partial);
}

static void
slab_chunk_free(struct slab *s, struct slab_chunk *c)
{
	MUST(c->used == 0 && s->nchunks > 0);
	LIST_REMOVE(c, link);
	s->nchunks--;
	slab_show(c, SLAB_CHUNK);
	slab_unmap(c);
}

void
slab_fini(struct slab *s)
{
	CHECK_MAGIC(s, SLAB_MAGIC);
	MUST(s->used == 0);
	while (!LIST_EMPTY(&s->partial))
		slab_chunk_free(s, LIST_FIRST(&s->partial));
	s->magic = 0;
}

static struct slab_chunk *
slab_chunk_new(struct slab *s)
{
	struct slab_chunk *c;

	c = slab_map();
	if (c == NULL)
		return (NULL);
	memset(c, 0, sizeof *c);
	slab_hide(slab_block(s, c, 0), SLAB_CHUNK - SLAB_LINE);
	LIST_INSERT_HEAD(&s->partial, c, link);
	s->nchunks++;
	return (c);
}

void *
slab_get(struct slab *s)
{
	struct slab_chunk *c;
	void *p;

	CHECK_MAGIC(s, SLAB_MAGIC);
	c = LIST_FIRST(&s->partial);
	if (c == NULL && (c = slab_chunk_new(s)) == NULL)
		return (NULL);
	if (c->free != NULL) {
		p = c->free;
		slab_show(p, s->block);
		c->free = c->free->next;
	} else {
		MUST(c->fresh < s->per_chunk);
		p = slab_block(s, c, c->fresh++);
		slab_show(p, s->block);
	}
	c->used++;
	s->used++;
	if (c->used == s->per_chunk)
		LIST_REMOVE(c, link);
	memset(p, 0, s->block);
	return (p);
}

void
slab_put(struct slab *s, void *p)
{
	struct slab_chunk *c;
	struct slab_free *f;

	CHECK_MAGIC(s, SLAB_MAGIC);
	c = (struct slab_chunk *)((uintptr_t)p & ~(uintptr_t)(SLAB_CHUNK - 1));
	MUST(c->used > 0 && s->used > 0);
	if (c->used == s->per_chunk)
		LIST_INSERT_HEAD(&s->partial, c, link);
	f = p;
	f->next = c->free;
	slab_hide(f, s->block);
	c->free = f;
	c->used--;
	s->used--;
	/* keep the only partial chunk: the next one to come needs it */
	if (c->used == 0 && (LIST_FIRST(&s->partial) != c ||
	    LIST_NEXT(c, link) != NULL))
		slab_chunk_free(s, c);
}

size_t
slab_bytes(const struct slab *s)
{
	return (s->nchunks * SLAB_CHUNK);
}
