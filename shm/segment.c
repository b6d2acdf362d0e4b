/*
 * Making and mapping the segment.  Sizes become offsets in one function,
 * segment_plan(), used by create and attach alike, so that "the same layout" is
 * one hash.
 */
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/state.h"
#include "shm/internal.h"

#define TABLE_MAX	(1u << 26)
#define SEALS		(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* In this process. */
struct segment_own {
	struct segment	 seg;		/* first */
	struct segment_params made;	/* what it was asked for */
};

/* Where the next part goes. */
struct place {
	uint64_t	 at;
	uint64_t	 page;
};

static uint64_t
segment_pages(const struct place *to, uint64_t n)
{
	return ((n + to->page - 1) / to->page * to->page);
}

/* Room for bytes; returns where it is. */
static uint64_t
segment_take(struct place *to, uint64_t bytes)
{
	uint64_t off = to->at;

	to->at = segment_pages(to, off + bytes);
	return (off);
}

/* What the kernel can give back alone. */
static uint64_t
segment_page(const struct segment_params *p)
{
	long page = sysconf(_SC_PAGESIZE);

	if (p->page != 0)
		return (p->page);
	return (page > SHM_PAGE ? (uint64_t)page : SHM_PAGE);
}

static uint32_t
segment_power_of_two(uint32_t least)
{
	uint32_t n = 1;

	while (n < least)
		n *= 2;
	return (n);
}

static void
segment_plan_table(struct shm_table *l, uint32_t max, unsigned key_max,
    bool text, struct place *to)
{
	uint64_t words;

	*l = (struct shm_table){ .key_max = key_max, .text = text };
	l->cap = (uint32_t)(((uint64_t)max * 5 + 3) / 4) + 2;
	l->nb = segment_power_of_two(l->cap);
	l->stride = 64 + key_max + (text ? 64 : 0);
	words = l->cap / 64 + 1;
	l->node = segment_take(to, (uint64_t)l->cap * l->stride);
	l->head = segment_take(to, (uint64_t)l->nb * 8);
	l->map = segment_take(to, (uint64_t)l->cap + 8);
	l->nsid = segment_take(to, (uint64_t)l->cap * 2 + 8);
	l->seen = segment_take(to, (uint64_t)l->cap * 8);
	l->dirty = segment_take(to, words * 8);
	l->dsum = segment_take(to, (words / 64 + 1) * 8);
	l->col_stride = segment_pages(to, (uint64_t)l->cap * 2 + 8);
}

static bool
segment_key_max_ok(unsigned n)
{
	return (n == 0 || n == 64 || n == 128 || n == 256);
}

static bool
segment_params_ok(const struct segment_params *p)
{
	return (p->max_workers >= 1 && p->max_workers <= SHM_WORKERS_MAX &&
	    p->presence_max >= 1 && p->presence_max <= TABLE_MAX &&
	    p->interest_max >= 1 && p->interest_max <= TABLE_MAX &&
	    p->rate_ways >= 1 && p->rate_ways <= 1u << 28 &&
	    p->once_ways <= 1u << 28 &&
	    p->max_ns >= 1 && p->max_ns <= SHM_NS_MAX &&
	    p->count_max <= TABLE_MAX && p->revoked_max <= 1u << 24 &&
	    (p->page == 0 || (p->page >= SHM_PAGE && p->page <= 1u << 24 &&
	    (p->page & (p->page - 1)) == 0)) &&
	    segment_key_max_ok(p->presence_key_max) &&
	    segment_key_max_ok(p->interest_key_max));
}

/* That hold so many ways: a power of two. */
static uint32_t
segment_sets(uint32_t ways)
{
	return (segment_power_of_two((ways + SHM_WAYS - 1) / SHM_WAYS));
}

static void
segment_plan_revoked(struct shm_header *h, const struct segment_params *p,
    struct place *to)
{
	uint32_t max = p->revoked_max == 0 ? 16384 : p->revoked_max;

	h->revoked_nb = segment_power_of_two(2 * (max < 64 ? 64 : max));
	h->revoked_id = segment_take(to, h->revoked_nb * 8);
	h->revoked_when = segment_take(to, h->revoked_nb * 8);
	h->revoked_told = segment_take(to, h->revoked_nb * 8);
}

/* Columns go last: they are not allocated, slots in use touch theirs. */
static void
segment_plan(struct shm_header *h, const struct segment_params *p,
    uint64_t *columns)
{
	struct hash_key k = { 1, 2 };
	struct place to = { .page = segment_page(p) };
	unsigned i;

	*h = (struct shm_header){ .magic = SHM_MAGIC };
	(void)segment_take(&to, sizeof *h);
	h->nslots = 2 * p->max_workers + 1;
	h->max_ns = p->max_ns;
	h->slots = segment_take(&to, h->nslots * sizeof(struct slot_row));
	h->heirs = segment_take(&to, (uint64_t)h->nslots * 256 * 8);
	h->rate_over = segment_take(&to, SHM_CLASSES_MAX * 8);
	h->rate_nsets = segment_sets(p->rate_ways);
	h->rate_set = segment_take(&to, (uint64_t)h->rate_nsets * SHM_WAYS * 8);
	h->once_nsets = segment_sets(p->once_ways);
	h->once_set = segment_take(&to, h->once_nsets * SHM_WAYS * 8);
	h->storm = segment_take(&to, sizeof(struct shm_storm));
	h->known_set = segment_take(&to,
	    (uint64_t)h->rate_nsets * SHM_WAYS * 8);
	segment_plan_table(&h->table[TABLE_PRESENCE], p->presence_max,
	    p->presence_key_max == 0 ? 128 : p->presence_key_max,
	    p->status_text, &to);
	segment_plan_table(&h->table[TABLE_INTEREST], p->interest_max,
	    p->interest_key_max == 0 ? 128 : p->interest_key_max, false,
	    &to);
	h->trail_begun = segment_take(&to, h->nslots * UINT64_C(64));
	h->count_host = segment_take(&to, h->nslots * sizeof(struct shm_held));
	segment_plan_table(&h->count, p->count_max == 0 ? 1 : p->count_max, 64,
	    false, &to);
	segment_plan_revoked(h, p, &to);
	*columns = to.at;
	for (i = 0; i < 2; i++)
		h->table[i].col = segment_take(&to,
		    h->nslots * h->table[i].col_stride);
	h->count.col = segment_take(&to, h->nslots * h->count.col_stride);
	h->revoked_name = segment_take(&to, h->revoked_nb * 33 * 8);
	h->trail_bytes = SHM_TRAIL_BYTES;
	h->trail_stride = segment_pages(&to, SHM_TRAIL_BYTES);
	h->trail = segment_take(&to, h->nslots * h->trail_stride);
	h->size = to.at;
	h->layout_hash = hash_bytes(&k, slice_of(h, sizeof *h)) ^
	    sizeof(struct shm_node) << 32 ^ sizeof(struct slot_row) ^
	    (uint64_t)SHM_EDITION << 16;
}

uint64_t
segment_bytes(const struct segment_params *p, unsigned *nslots)
{
	struct shm_header h;
	uint64_t columns;

	*nslots = 1;
	if (!segment_params_ok(p))
		return (0);
	segment_plan(&h, p, &columns);
	*nslots = h.nslots;
	return (h.size);
}

/* What is not zero at the start of a segment's life. */
static int
segment_start(struct segment *seg, const struct shm_header *h)
{
	uint64_t secret[2];
	unsigned i, n;

	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return (-1);
	memcpy(seg->base, h, sizeof *h);
	seg->hdr->sip_k0 = secret[0];
	seg->hdr->sip_k1 = secret[1];
	seg->hdr->start_ms = wall_now().ms;
	/* clients of a segment before may come with their numbers */
	atomic_store(&seg->hdr->clients,
	    (uint32_t)(seg->hdr->start_ms * 2654435761u));
	atomic_store(&seg->hdr->epoch, 1);
	for (i = 0; i < SHM_TABLES; i++) {
		const struct shm_table *l = segment_table(seg, i);
		uint8_t *map = seg->base + l->map;

		map[0] = UINT8_MAX; /* never used, nor what is behind cap */
		for (n = l->cap; n % 8 != 0; n++)
			map[n] = UINT8_MAX;
	}
	return (0);
}

static int
segment_map(struct segment *seg, uint64_t size)
{
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, seg->fd, 0);
	if (p == MAP_FAILED)
		return (-1);
	seg->base = p;
	seg->size = size;
	seg->hdr = p;
	return (0);
}

static int
segment_make_memory(struct segment *seg, const struct shm_header *h,
    uint64_t columns)
{
	seg->fd = memfd_create("roostd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (seg->fd == -1 || ftruncate(seg->fd, (off_t)h->size) == -1 ||
	    fallocate(seg->fd, 0, 0, (off_t)columns) == -1 ||
	    fcntl(seg->fd, F_ADD_SEALS, SEALS) == -1 ||
	    segment_map(seg, h->size) == -1)
		return (-1);
	return (segment_start(seg, h));
}

static struct segment *
segment_new(const struct segment_params *p)
{
	struct segment_own *own = calloc(1, sizeof *own);
	struct segment *seg;

	if (own == NULL)
		return (NULL);
	own->made = *p;
	seg = &own->seg;
	seg->magic = SEGMENT_MAGIC;
	seg->fd = seg->relay_fd = seg->master_fd = -1;
	return (seg);
}

struct segment *
segment_create(const struct segment_params *p)
{
	struct shm_header h;
	struct segment *seg;
	uint64_t columns;
	int error;

	if (!segment_params_ok(p)) {
		errno = EINVAL;
		return (NULL);
	}
	segment_plan(&h, p, &columns);
	seg = segment_new(p);
	if (seg == NULL)
		return (NULL);
	seg->relay_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	seg->master_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (seg->relay_fd == -1 || seg->master_fd == -1 ||
	    segment_make_memory(seg, &h, columns) == -1) {
		error = errno;
		segment_free(&seg);
		errno = error;
		return (NULL);
	}
	return (seg);
}

static bool
segment_same_layout(int fd, const struct shm_header *want)
{
	struct shm_header h;

	if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		return (false);
	return (h.magic == want->magic && h.size == want->size &&
	    h.layout_hash == want->layout_hash &&
	    lseek(fd, 0, SEEK_END) == (off_t)want->size);
}

struct segment *
segment_attach(int fd, int relay_fd, int master_fd,
    const struct segment_params *p)
{
	struct shm_header h;
	struct segment *seg;
	uint64_t columns;

	if (!segment_params_ok(p)) {
		errno = EINVAL;
		return (NULL);
	}
	segment_plan(&h, p, &columns);
	if (!segment_same_layout(fd, &h)) {
		errno = EPROTO;
		return (NULL);
	}
	seg = segment_new(p);
	if (seg == NULL)
		return (NULL);
	seg->fd = fd;
	if (segment_map(seg, h.size) == -1) {
		free(seg);
		return (NULL);
	}
	seg->relay_fd = relay_fd;
	seg->master_fd = master_fd;
	return (seg);
}

const struct segment_params *
segment_made(const struct segment *seg)
{
	return (&((const struct segment_own *)(const void *)seg)->made);
}

uint64_t
segment_layout(const struct segment *seg)
{
	return (seg->hdr->layout_hash);
}

uint64_t
segment_layout_for(const struct segment_params *p)
{
	struct shm_header h;
	uint64_t columns;

	if (!segment_params_ok(p))
		return (0);
	segment_plan(&h, p, &columns);
	return (h.layout_hash);
}

static void
segment_close_fd(int fd)
{
	if (fd != -1)
		(void)close(fd);
}

void
segment_free(struct segment **segp)
{
	struct segment *seg = *segp;

	*segp = NULL;
	if (seg == NULL)
		return;
	CHECK_MAGIC(seg, SEGMENT_MAGIC);
	if (seg->base != NULL)
		(void)munmap(seg->base, seg->size);
	segment_close_fd(seg->fd);
	segment_close_fd(seg->relay_fd);
	segment_close_fd(seg->master_fd);
	seg->magic = 0;
	free(seg);
}

int
segment_fd(const struct segment *seg)
{
	return (seg->fd);
}

int
segment_relay_fd(const struct segment *seg)
{
	return (seg->relay_fd);
}

int
segment_master_fd(const struct segment *seg)
{
	return (seg->master_fd);
}

unsigned
segment_nslots(const struct segment *seg)
{
	return (seg->hdr->nslots);
}

uint64_t
segment_start_ms(const struct segment *seg)
{
	return (seg->hdr->start_ms);
}

struct hash_key
segment_key(const struct segment *seg)
{
	return ((struct hash_key){ seg->hdr->sip_k0, seg->hdr->sip_k1 });
}

/* --- to one that follows ---------------------------------------------------*/

/* Words that mean the same wherever they are. */
struct words {
	uint8_t		*p;
	size_t		 n;	/* bytes */
};

#define SEGMENT_LIMITS	5	/* buckets, ids, handshakes, addresses */

static void
segment_limits(const struct segment *seg, struct words w[SEGMENT_LIMITS])
{
	const struct shm_header *h = seg->hdr;

	w[0] = (struct words){ seg->base + h->rate_over, SHM_CLASSES_MAX * 8 };
	w[1] = (struct words){ seg->base + h->rate_set,
		(size_t)h->rate_nsets * SHM_WAYS * 8 };
	w[2] = (struct words){ seg->base + h->once_set,
		(size_t)h->once_nsets * SHM_WAYS * 8 };
	w[3] = (struct words){ seg->base + h->storm,
		sizeof(struct shm_storm) };
	w[4] = (struct words){ seg->base + h->known_set,
		(size_t)h->rate_nsets * SHM_WAYS * 8 };
}

static void
segment_save_limits(const struct segment *seg, struct buf *b)
{
	size_t at = state_open(b, SHM_PASSED_LIMITS, 1);
	struct words w[SEGMENT_LIMITS];
	unsigned i;

	segment_limits(seg, w);
	for (i = 0; i < nitems(w); i++)
		state_put_slice(b, slice_of(w[i].p, w[i].n));
	state_close(b, at);
}

/* What is of another size begins anew. */
static bool
segment_load_limits(struct segment *seg, struct state_in *in)
{
	struct words w[SEGMENT_LIMITS];
	struct state_in body;
	struct slice s;
	uint16_t version;
	unsigned i;

	if (!state_section(in, SHM_PASSED_LIMITS, &version, &body) ||
	    version != 1)
		return (false);
	segment_limits(seg, w);
	for (i = 0; i < nitems(w); i++) {
		s = state_get_slice(&body);
		if (s.n == w[i].n && s.n != 0)
			memcpy(w[i].p, s.p, s.n);
	}
	return (state_end(&body));
}

void
segment_save(const struct segment *seg, struct buf *b)
{
	size_t at = state_open(b, SHM_PASSED_SECRETS, 1);

	segment_check(seg);
	state_put_u64(b, seg->hdr->sip_k0);
	state_put_u64(b, seg->hdr->sip_k1);
	state_put_u64(b, seg->hdr->start_ms);
	state_close(b, at);
	segment_save_limits(seg, b);
}

bool
segment_load(struct segment *seg, struct state_in *in)
{
	struct state_in body;
	uint16_t version;

	segment_check(seg);
	if (!state_section(in, SHM_PASSED_SECRETS, &version, &body) ||
	    version != 1)
		return (false);
	seg->hdr->sip_k0 = state_get_u64(&body);
	seg->hdr->sip_k1 = state_get_u64(&body);
	seg->hdr->start_ms = state_get_u64(&body);
	return (state_end(&body) && segment_load_limits(seg, in));
}

struct shm_header *
segment_header(const struct segment *seg)
{
	return (seg->hdr);
}

struct slot_row *
segment_slot(const struct segment *seg, unsigned slot)
{
	MUST(slot < seg->hdr->nslots);
	return ((struct slot_row *)(void *)(seg->base + seg->hdr->slots) +
	    slot);
}

void
segment_ring(int fd)
{
	uint64_t one = 1;
	ssize_t n;

	/* a full counter rings as well as one more would */
	n = write(fd, &one, sizeof one);
	(void)n;
}

bool
segment_relay_sleep(struct segment *seg)
{
	const struct shm_table *l;
	_Atomic uint64_t *dsum;
	unsigned i;
	uint32_t w;

	atomic_store_explicit(&seg->hdr->relay_asleep, 1,
	    memory_order_seq_cst);
	for (i = 0; i < 2; i++) {
		l = &seg->hdr->table[i];
		dsum = (_Atomic uint64_t *)(void *)(seg->base + l->dsum);
		for (w = 0; w < l->cap / 4096 + 1; w++)
			if (atomic_load_explicit(&dsum[w],
			    memory_order_seq_cst) != 0) {
				segment_relay_woke(seg);
				return (false);
			}
	}
	return (true);
}

void
segment_relay_woke(struct segment *seg)
{
	uint64_t count;
	ssize_t n;

	atomic_store_explicit(&seg->hdr->relay_asleep, 0,
	    memory_order_seq_cst);
	n = read(seg->relay_fd, &count, sizeof count);
	(void)n;
}
