/*
 * One slot has one owner, and the other side a copy of its row; see
 * slots_before.h.  All stores are the master's, but for what an owner says of
 * itself in its own row.
 */
#include "shm/slots_before.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/slots_heirs.h"
#include "shm/slots_int.h"

#define NAMES	256u	/* of a slot: its heirs */

struct slots_before {
	uint8_t		*base;		/* what is in common of that segment */
	uint64_t	 bytes;
	struct slot_row	*row;
	_Atomic uint64_t *heirs, *overflow;
	bool		 theirs[SHM_SLOTS_MAX];
};

/* --- where ------------------------------------------------------------------*/

void
slots_rows(const struct segment *seg, struct slots_rows *r)
{
	segment_check(seg);
	*r = (struct slots_rows){ .rows = seg->hdr->slots,
		.heirs = seg->hdr->heirs,
		.overflow = offsetof(struct shm_header, overflow) +
		    TABLE_INTEREST * sizeof seg->hdr->overflow[0],
		.row_bytes = sizeof(struct slot_row),
		.nslots = seg->hdr->nslots };
}

/* What is needed of it from the beginning; 0: that is no place. */
static uint64_t
before_bytes(const struct slots_rows *r)
{
	const uint64_t most = UINT64_C(1) << 40;
	uint64_t rows, heirs, overflow;

	if (r->nslots > SHM_SLOTS_MAX || r->rows > most || r->heirs > most ||
	    r->overflow > most ||
	    ((r->rows | r->heirs | r->overflow) & 7) != 0)
		return (0);
	rows = r->rows + (uint64_t)r->nslots * sizeof(struct slot_row);
	heirs = r->heirs + (uint64_t)r->nslots * NAMES * 8;
	overflow = r->overflow + 2 * sizeof(uint64_t);
	if (rows < heirs)
		rows = heirs;
	return (rows < overflow ? overflow : rows);
}

bool
slots_rows_known(const struct slots_rows *r, const struct segment_params *p)
{
	return (r->row_bytes == sizeof(struct slot_row) &&
	    r->nslots == 2 * p->max_workers + 1 && before_bytes(r) != 0);
}

int
slots_before_open(struct segment *seg, int fd, const struct slots_rows *r)
{
	struct slots_before *b;
	uint64_t bytes = before_bytes(r);
	void *p;

	segment_check(seg);
	MUST(seg->before == NULL);
	if (bytes == 0 || r->nslots != seg->hdr->nslots ||
	    r->row_bytes != sizeof(struct slot_row) ||
	    lseek(fd, 0, SEEK_END) < (off_t)bytes) {
		errno = EPROTO;
		return (-1);
	}
	b = calloc(1, sizeof *b);
	if (b == NULL)
		return (-1);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* no child of ours keeps all that memory */
	if (p == MAP_FAILED || madvise(p, bytes, MADV_DONTFORK) == -1) {
		if (p != MAP_FAILED)
			(void)munmap(p, bytes);
		free(b);
		return (-1);
	}
	b->base = p;
	b->bytes = bytes;
	b->row = (struct slot_row *)(void *)(b->base + r->rows);
	b->heirs = (_Atomic uint64_t *)(void *)(b->base + r->heirs);
	b->overflow = (_Atomic uint64_t *)(void *)(b->base + r->overflow);
	seg->before = b;
	return (0);
}

void
slots_before_close(struct segment *seg)
{
	struct slots_before *b = seg->before;

	seg->before = NULL;
	if (b == NULL)
		return;
	(void)munmap(b->base, b->bytes);
	free(b);
}

bool
slots_before(const struct segment *seg)
{
	return (seg->before != NULL);
}

bool
slots_before_has(const struct segment *seg, unsigned slot)
{
	return (seg->before != NULL && slot < SHM_SLOTS_MAX &&
	    seg->before->theirs[slot]);
}

bool
slots_before_any(const struct segment *seg)
{
	unsigned s;

	for (s = 0; s < seg->hdr->nslots; s++)
		if (slots_before_has(seg, s))
			return (true);
	return (false);
}

/* --- both are as one --------------------------------------------------------*/

/* All that is published goes to that slot too, as nobody can tell by what the
 * other side has joined. */
static void
before_hears_all(_Atomic uint64_t *overflow, unsigned slot, bool on)
{
	_Atomic uint64_t *word = &overflow[(slot - 1) / 64];
	uint64_t bit = (uint64_t)1 << ((slot - 1) % 64);

	if (on)
		atomic_fetch_or(word, bit);
	else
		atomic_fetch_and(word, ~bit);
}

static void
before_copy_life(struct slot_row *to, const struct slot_row *from)
{
	atomic_store(&to->heartbeat_us, atomic_load(&from->heartbeat_us));
	atomic_store(&to->turns, atomic_load(&from->turns));
	atomic_store(&to->doing, atomic_load(&from->doing));
	memcpy(to->panic, from->panic, sizeof to->panic);
}

static void
before_copy_name(struct slot_row *to, const struct slot_row *from)
{
	atomic_store(&to->pid, atomic_load(&from->pid));
	atomic_store(&to->generation, atomic_load(&from->generation));
	atomic_store(&to->role, atomic_load(&from->role));
	atomic_store(&to->leaves, atomic_load(&from->leaves));
}

static void
before_set_state(struct slot_row *row, enum slot_state state)
{
	atomic_store_explicit(&row->state, (uint32_t)state,
	    memory_order_release);
}

/* Whom one of theirs gives to. */
static void
before_copy_heir(struct segment *seg, unsigned slot)
{
	struct slots_before *b = seg->before;
	uint32_t generation = atomic_load(&b->row[slot].generation) & 0xff;
	struct heirs_name heir, name = { .slot = (uint8_t)slot,
		.generation = (uint8_t)generation };

	if (slot > 0 && heirs_find(seg, name, &heir))
		atomic_store_explicit(&b->heirs[slot * NAMES + generation],
		    heirs_word(seg, slot, generation), memory_order_release);
}

static void
before_meet_theirs(struct segment *seg, unsigned slot)
{
	struct slot_row *row = segment_slot(seg, slot);
	struct slots_before *b = seg->before;
	struct slot_row *there = &b->row[slot];

	if (slot_row_get(row) != SLOT_LIVE ||
	    atomic_load(&row->generation) != atomic_load(&there->generation)) {
		/* if that program comes back, it cleans up there */
		b->theirs[slot] = false;
		before_set_state(there, SLOT_DEAD);
		return;
	}
	before_copy_life(row, there);
	atomic_store(&there->leaves, atomic_load(&row->leaves));
	before_copy_heir(seg, slot);
}

static void
before_meet_ours(struct segment *seg, unsigned slot)
{
	const struct slot_row *row = segment_slot(seg, slot);
	struct slots_before *b = seg->before;
	struct slot_row *there = &b->row[slot];
	enum slot_state state = slot_row_get(row);
	bool lives = state == SLOT_LIVE || state == SLOT_ASSIGNED;

	if (!lives) {
		if (slot_row_get(there) == SLOT_FREE)
			return;
		state = SLOT_DEAD;
	} else {
		before_copy_name(there, row);
		before_copy_life(there, row);
	}
	before_set_state(there, state);
	if (slot > 0)
		before_hears_all(b->overflow, slot, lives);
}

void
slots_before_meet(struct segment *seg)
{
	unsigned s;

	if (seg->before == NULL)
		return;
	for (s = 0; s < seg->hdr->nslots; s++)
		if (seg->before->theirs[s])
			before_meet_theirs(seg, s);
		else
			before_meet_ours(seg, s);
}

void
slots_before_take(struct segment *seg, unsigned slot)
{
	struct slot_row *row = segment_slot(seg, slot);
	struct slots_before *b = seg->before;

	MUST(b != NULL && slot_row_get(row) == SLOT_FREE);
	b->theirs[slot] = true;
	before_copy_name(row, &b->row[slot]);
	before_copy_life(row, &b->row[slot]);
	atomic_store(&row->qs, 0);	/* it never looks in here */
	before_set_state(row, SLOT_LIVE);
	if (slot > 0)
		before_hears_all(seg->hdr->overflow[TABLE_INTEREST], slot,
		    true);
}
