/*
 * Rings of what happened to clients; see slots_trail.h.
 */
#include "shm/slots_trail.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shm/internal.h"
#include "shm/segment.h"
#include "shm/slots.h"

#define TRAIL_WORDS	(sizeof(struct trail_record) / 8)

static_assert(SHM_TRAIL_BYTES == TRAIL_RECORDS * sizeof(struct trail_record),
    "layout");

/* How many records were begun in each ring, a line a slot. */
static inline _Atomic uint64_t *
trail_begun(const struct shm_header *h, const void *base, unsigned slot)
{
	const uint8_t *p = (const uint8_t *)base + h->trail_begun +
	    slot * UINT64_C(64);

	return ((_Atomic uint64_t *)(uintptr_t)p);
}

void
trail_open(struct trail *t, struct segment *seg, unsigned slot,
    uint32_t generation)
{
	uint8_t *ring = seg->base + seg->hdr->trail +
	    slot * seg->hdr->trail_stride;

	segment_check(seg);
	MUST(slot < seg->hdr->nslots);
	*t = (struct trail){ .slot = (uint8_t)slot, .generation = generation,
		.key = segment_key(seg),
		.next = trail_begun(seg->hdr, seg->base, slot),
		.ring = (struct trail_record *)(void *)ring };
}

uint32_t
trail_number(struct segment *seg)
{
	uint32_t n;

	do
		n = (uint32_t)atomic_fetch_add_explicit(&seg->hdr->clients, 1,
		    memory_order_relaxed) + 1;
	while (n == 0);
	return (n);
}

/* --- write --------------------------------------------------------------- */

struct trail_record *
trail_begin(struct trail *t, enum trail_event event, uint64_t at_ms)
{
	struct trail_record *r;

	/* counted first: who goes on after us does not look for our place */
	t->place = atomic_load_explicit(t->next, memory_order_relaxed) + 1;
	atomic_store_explicit(t->next, t->place, memory_order_relaxed);
	r = &t->ring[(t->place - 1) % TRAIL_RECORDS];
	HOOK();
	atomic_store_explicit(&r->seq, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	HOOK();
	memset(&r->at_ms, 0, offsetof(struct trail_record, user) -
	    offsetof(struct trail_record, at_ms));
	HOOK();
	r->at_ms = at_ms;
	r->event = (uint8_t)event;
	r->slot = t->slot;
	r->generation = t->generation;
	return (r);
}

void
trail_end(struct trail *t, struct trail_record *r)
{
	HOOK();
	atomic_store_explicit(&r->seq, t->place, memory_order_release);
}

static inline uint8_t
trail_cut(char *to, size_t cap, struct slice s)
{
	size_t n = s.n < cap ? s.n : cap;

	HOOK();
	if (n > 0)
		memcpy(to, s.p, n);
	HOOK();
	return ((uint8_t)n);
}

/*
 * Half as many bits as an id has: it cannot be had from them.  No more is asked,
 * as who reads them may read all that a worker knows.
 */
uint64_t
trail_hash(const struct hash_key *k, struct slice s)
{
	uint64_t h = k->k0 ^ s.n, w = 0;
	const uint8_t *p = s.p;
	size_t i;

	for (i = 0; i + 8 < s.n; i += 8) {
		memcpy(&w, p + i, 8);
		h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
		h = (h << 29 | h >> 35) ^ k->k1;
	}
	if (s.n >= 8)			/* the last eight, some of them again */
		memcpy(&w, p + s.n - 8, 8);
	else if (s.n > 0)
		memcpy(&w, p, s.n);
	h = (h ^ w) * UINT64_C(0xd6e8feb86659fd93);
	return ((h ^ h >> 32) | 1);
}

void
trail_user(const struct trail *t, struct trail_record *r, struct slice user)
{
	r->user_n = trail_cut(r->user, sizeof r->user, user);
	if (user.n > sizeof r->user)
		r->user_hash = trail_hash(&t->key, user);
}

void
trail_sid(const struct trail *t, struct trail_record *r, struct slice sid)
{
	if (sid.n > 0)
		r->sid = trail_hash(&t->key, sid);
}

void
trail_ns(struct trail_record *r, struct slice ns)
{
	r->ns_n = trail_cut(r->ns, sizeof r->ns, ns);
}

void
trail_what(struct trail_record *r, struct slice what)
{
	r->what_n = trail_cut(r->what, sizeof r->what, what);
}

/* The master has no ring of its own to hold, and seldom anything to write. */
void
trail_worker_died(struct segment *seg, unsigned slot, uint32_t generation,
    uint64_t now_ms)
{
	struct trail_record *r;
	struct trail t;

	trail_open(&t, seg, TRAIL_MASTER, generation);
	r = trail_begin(&t, TRAIL_DIED, now_ms);
	r->slot = (uint8_t)slot;
	trail_end(&t, r);
}

void
trail_worker_gave(struct segment *seg, unsigned slot, uint32_t generation,
    unsigned heir, uint32_t heirs_generation, uint64_t now_ms)
{
	struct trail_record *r;
	struct trail t;

	trail_open(&t, seg, TRAIL_MASTER, generation);
	r = trail_begin(&t, TRAIL_GAVE, now_ms);
	r->slot = (uint8_t)slot;
	r->code = (uint16_t)heir;
	r->client = heirs_generation;
	trail_end(&t, r);
}

/* --- read ---------------------------------------------------------------- */

static bool
trail_header_fits(const struct shm_header *h, off_t size)
{
	return (h->magic == SHM_MAGIC && h->size == (uint64_t)size &&
	    h->trail_bytes == SHM_TRAIL_BYTES && h->nslots > 0 &&
	    h->nslots <= SHM_SLOTS_MAX && h->trail_stride >= SHM_TRAIL_BYTES &&
	    h->trail_stride <= h->size / h->nslots && h->trail <= h->size &&
	    h->size - h->trail >= h->nslots * h->trail_stride &&
	    h->trail_begun <= h->size - h->nslots * UINT64_C(64) &&
	    h->slots <= h->size - h->nslots * sizeof(struct slot_row));
}

int
trail_map(struct trail_view *v, int fd)
{
	struct shm_header h;
	struct stat st;
	void *p;

	*v = (struct trail_view){ .base = NULL };
	if (fstat(fd, &st) == -1)
		return (-1);
	if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
	    !trail_header_fits(&h, st.st_size)) {
		errno = EPROTO;
		return (-1);
	}
	p = mmap(NULL, h.size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return (-1);
	*v = (struct trail_view){ .base = p, .size = h.size,
		.rings = h.trail, .stride = h.trail_stride,
		.nslots = h.nslots, .key = { h.sip_k0, h.sip_k1 } };
	return (0);
}

void
trail_unmap(struct trail_view *v)
{
	if (v->base != NULL)
		(void)munmap((void *)(uintptr_t)v->base, v->size);
	v->base = NULL;
}

/* A writer is told from a liar by nothing: what is out of range is none. */
static bool
trail_sane(const struct trail_record *r)
{
	return (r->event > TRAIL_NONE && r->event < TRAIL__MAX &&
	    r->user_n <= sizeof r->user && r->ns_n <= sizeof r->ns &&
	    r->what_n <= sizeof r->what);
}

unsigned
trail_count(const struct trail_view *v, unsigned slot)
{
	uint64_t n;

	MUST(slot < v->nslots);
	n = atomic_load_explicit(trail_begun(v->base, v->base, slot),
	    memory_order_relaxed);
	return (n < TRAIL_RECORDS ? (unsigned)n : TRAIL_RECORDS);
}

bool
trail_copy(const struct trail_view *v, unsigned slot, unsigned i,
    struct trail_record *r)
{
	const uint8_t *ring = (const uint8_t *)v->base + v->rings +
	    slot * v->stride;
	const _Atomic uint64_t *w = (const _Atomic uint64_t *)(const void *)
	    (ring + i * sizeof(struct trail_record));
	uint64_t words[TRAIL_WORDS];
	size_t k;

	MUST(slot < v->nslots && i < TRAIL_RECORDS);
	words[0] = atomic_load_explicit(&w[0], memory_order_acquire);
	if (words[0] == 0 || (words[0] - 1) % TRAIL_RECORDS != i)
		return (false);
	for (k = 1; k < TRAIL_WORDS; k++)
		words[k] = atomic_load_explicit(&w[k], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&w[0], memory_order_relaxed) != words[0])
		return (false);
	memcpy(r, words, sizeof *r);
	return (trail_sane(r));
}

bool
trail_lives(const struct trail_view *v, unsigned slot, uint32_t generation)
{
	const struct shm_header *h = v->base;
	const struct slot_row *row;

	if (slot == 0 || slot >= v->nslots)
		return (false);
	row = (const struct slot_row *)(const void *)
	    ((const uint8_t *)v->base + h->slots) + slot;
	return (atomic_load_explicit(&row->state, memory_order_acquire) ==
	    SLOT_LIVE && atomic_load_explicit(&row->generation,
	    memory_order_relaxed) == generation);
}
