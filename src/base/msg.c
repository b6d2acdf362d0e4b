/*
 * Reference-counted bytes; see msg.h.  Small messages are recycled through a
 * free list, for a worker makes one per published event.
 */
#include "base/msg.h"

#include <stdlib.h>

#define SMALL_CAP	4096	/* data of this size is kept for reuse */
#define FREE_MAX	64	/* that many at most */

static struct msg *free_list[FREE_MAX];
static unsigned nfree;
static uint64_t nallocated;

uint64_t
msg_allocated(void)
{
	return (nallocated);
}

/* From the heap, with exactly cap bytes. */
static struct msg *
msg_alloc(size_t cap)
{
	struct msg *m = malloc(sizeof *m);

	if (m == NULL)
		return (NULL);
	m->data = malloc(cap);
	if (m->data == NULL) {
		free(m);
		return (NULL);
	}
	nallocated++;
	m->cap = (uint32_t)cap;
	m->magic = MSG_MAGIC;
	m->refs = 1;
	m->len = 0;
	m->kept = 0;
	return (m);
}

struct msg *
msg_new(size_t cap)
{
	struct msg *m;

	if (cap > UINT32_MAX / 2)
		return (NULL);
	if (cap > SMALL_CAP || nfree == 0)
		return (msg_alloc(cap < SMALL_CAP ? SMALL_CAP : cap));
	m = free_list[--nfree];
	m->magic = MSG_MAGIC;
	m->refs = 1;
	m->len = 0;
	m->kept = 0;
	return (m);
}

struct msg *
msg_copy(struct slice s)
{
	struct msg *m;

	if (s.n == 0 || s.n > UINT32_MAX / 2)
		return (msg_new(s.n));
	m = msg_alloc(s.n);
	if (m == NULL)
		return (NULL);
	memcpy(m->data, s.p, s.n);
	m->len = (uint32_t)s.n;
	return (m);
}

uint8_t *
msg_room(struct msg *m, size_t n)
{
	size_t cap;
	uint8_t *p;

	CHECK_MAGIC(m, MSG_MAGIC);
	if (m->cap - m->len >= n)
		return (m->data + m->len);
	if (n > UINT32_MAX / 2 - m->len)
		return (NULL);
	for (cap = m->cap; cap - m->len < n;)
		cap *= 2;
	p = realloc(m->data, cap);
	if (p == NULL)
		return (NULL);
	m->data = p;
	m->cap = (uint32_t)cap;
	return (m->data + m->len);
}

void
msg_shrink(struct msg *m)
{
	uint8_t *p;

	CHECK_MAGIC(m, MSG_MAGIC);
	if (m->len == 0 || m->cap - m->len < m->cap / 4)
		return;
	p = realloc(m->data, m->len);
	if (p == NULL)
		return;
	m->data = p;
	m->cap = m->len;
}

void
msg_unref(struct msg **mp)
{
	struct msg *m = *mp;

	CHECK_MAGIC(m, MSG_MAGIC);
	MUST(m->refs > 0);
	*mp = NULL;
	if (--m->refs > 0)
		return;
	m->magic = 0;
	if (m->cap == SMALL_CAP && nfree < FREE_MAX) {
		free_list[nfree++] = m;
		return;
	}
	free(m->data);
	free(m);
}
