/*
 * What is revoked goes to a segment that follows, of another layout: as it is
 * when the former program leaps, by value, and what its workers are ordered
 * later, by looking into the table that they write.  See table_revoked.h.
 */
#include "shm/table_revoked_int.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/state.h"

#define TABLE_VERSION	1	/* id, when, name, as table_revoked.h has them */

struct revoked_before {
	uint8_t		*base;		/* of that segment */
	uint64_t	 bytes;
	struct revoked_table table;
	uint64_t	*had;		/* when of each, that we have; nobody
					 * frees any there */
};

/* --- there -----------------------------------------------------------------*/

static void
revoked_save_place(const struct segment *seg, struct buf *b)
{
	size_t at = state_open(b, SHM_PASSED_REVOKED_PLACE, TABLE_VERSION);

	state_put_u64(b, seg->hdr->revoked_id);
	state_put_u64(b, seg->hdr->revoked_when);
	state_put_u64(b, seg->hdr->revoked_name);
	state_put_u64(b, seg->hdr->revoked_nb);
	state_close(b, at);
}

void
revoked_save(const struct segment *seg, uint64_t now_s, struct buf *b)
{
	size_t at = state_open(b, SHM_PASSED_REVOKED, 1);
	struct revoked_entry e;
	uint32_t i = 0;

	while (revoked_next(seg, &i, now_s, &e)) {
		state_put_u8(b, (uint8_t)e.r.kind);
		state_put_slice(b, e.r.name);
		state_put_u32(b, e.r.moment);
		state_put_u32(b, e.r.until);
	}
	state_put_u8(b, 0);
	state_close(b, at);
	revoked_save_place(seg, b);
}

/* --- and here --------------------------------------------------------------*/

static bool
revoked_load_one(uint8_t kind, struct state_in *in, struct revocation *r)
{
	*r = (struct revocation){ .kind = (enum revoked_kind)kind,
		.name = state_get_slice(in) };
	r->moment = state_get_u32(in);
	r->until = state_get_u32(in);
	return (!in->bad && kind <= REVOKED_TOKEN && r->name.n != 0 &&
	    r->name.n <= REVOKED_NAME_MAX && r->until != 0);
}

int
revoked_load(struct segment *seg, uint64_t now_s, struct state_in *in,
    uint32_t *lost)
{
	struct state_in body;
	struct revocation r;
	uint16_t version;
	uint8_t kind;

	*lost = 0;
	errno = EPROTO;
	/* the one before may be of a version that knew none */
	if (in->p == in->end)
		return (0);
	if (!state_section(in, SHM_PASSED_REVOKED, &version, &body) ||
	    version != 1)
		return (-1);
	while ((kind = state_get_u8(&body)) != 0) {
		if (!revoked_load_one(kind, &body, &r))
			return (-1);
		*lost += revoked_put(seg, 0, &r, now_s) == REVOKED_FULL;
	}
	return (state_end(&body) ? 0 : -1);
}

/* --- as long as there are some of them -------------------------------------*/

/* So many words from there on are in that file; NULL: they are not. */
static _Atomic uint64_t *
revoked_there_words(const struct revoked_before *b, uint64_t at, uint64_t n)
{
	return (at % 8 == 0 && at <= b->bytes && n <= (b->bytes - at) / 8 ?
	    (_Atomic uint64_t *)(void *)(b->base + at) : NULL);
}

static bool
revoked_there_place(struct revoked_before *b, struct state_in *in)
{
	struct revoked_table *t = &b->table;
	uint64_t id = state_get_u64(in), when = state_get_u64(in);
	uint64_t name = state_get_u64(in), nb = state_get_u64(in);

	if (!state_end(in) || nb == 0 || nb > 1u << 26 ||
	    (nb & (nb - 1)) != 0)
		return (false);
	t->id = revoked_there_words(b, id, nb);
	t->when = revoked_there_words(b, when, nb);
	t->told = t->when;	/* nobody asks */
	t->name = revoked_there_words(b, name, nb * REVOKED_NAME_WORDS);
	t->mask = (uint32_t)nb - 1;
	return (t->id != NULL && t->when != NULL && t->name != NULL);
}

/* The whole file, of which no child of ours has anything. */
static bool
revoked_there_map(struct revoked_before *b, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	void *p;

	if (size <= 0)
		return (false);
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return (false);
	b->base = p;
	b->bytes = (uint64_t)size;
	return (madvise(p, b->bytes, MADV_DONTFORK) == 0);
}

int
revoked_before_open(int fd, struct state_in *in, struct revoked_before **bp)
{
	struct revoked_before *b;
	struct state_in body;
	uint16_t version;

	*bp = NULL;
	/* of a version that does not say, or has another table */
	if (in->p == in->end)
		return (0);
	errno = EPROTO;
	if (!state_section(in, SHM_PASSED_REVOKED_PLACE, &version, &body))
		return (-1);
	if (version != TABLE_VERSION)
		return (0);
	b = calloc(1, sizeof *b);
	if (b == NULL)
		return (-1);
	if (!revoked_there_map(b, fd) || !revoked_there_place(b, &body) ||
	    (b->had = calloc(b->table.mask + 1u, sizeof *b->had)) == NULL) {
		revoked_before_close(&b);
		return (-1);
	}
	*bp = b;
	return (0);
}

void
revoked_before_close(struct revoked_before **bp)
{
	struct revoked_before *b = *bp;
	int error = errno;

	*bp = NULL;
	if (b == NULL)
		return;
	if (b->base != NULL)
		(void)munmap(b->base, b->bytes);
	free(b->had);
	free(b);
	errno = error;
}

/* What stands there is in force here; false: there is no room. */
static bool
revoked_there_take(struct segment *seg, struct revoked_before *b, uint32_t at,
    uint64_t now_s, uint32_t *n)
{
	uint64_t when = atomic_load_explicit(&b->table.when[at],
	    memory_order_acquire);
	struct revoked_entry e;
	enum revoked_put put;

	/* one that is just being written comes with the next look */
	if (b->had[at] == when || !revoked_read(&b->table, at, now_s, &e))
		return (true);
	put = revoked_put(seg, 0, &e.r, now_s);
	*n += put == REVOKED_NEW;
	if (put != REVOKED_FULL)
		b->had[at] = when;
	return (put != REVOKED_FULL);
}

uint32_t
revoked_before_meet(struct segment *seg, struct revoked_before *b,
    uint64_t now_s)
{
	uint32_t at, n = 0;

	if (b == NULL)
		return (0);
	for (at = 0; at <= b->table.mask; at++)
		if (!revoked_there_take(seg, b, at, now_s, &n))
			break;
	/* who came in here meanwhile was held against less */
	if (n != 0)
		revoked_ask_look(seg);
	return (n);
}
