/*
 * A word for each slot and low byte of a generation; see slots_heirs.h.  The
 * whole generation of the giver stands in it, which tells its age: they only
 * grow.
 */
#include "shm/slots_heirs.h"

#include "base/state.h"
#include "shm/slots_before.h"
#include "shm/slots_int.h"

#define NAMES		256u	/* of a slot */
#define CHAIN_MAX	16u	/* in order, two generations live at once, and
				 * the dead are not in the way: two */

static _Atomic uint64_t *
heirs_of(const struct segment *seg, unsigned slot)
{
	MUST(slot < seg->hdr->nslots);
	return ((_Atomic uint64_t *)(void *)(seg->base + seg->hdr->heirs) +
	    (size_t)slot * NAMES);
}

static uint16_t
heirs_pack(unsigned slot, uint32_t generation)
{
	MUST(slot > 0 && slot < NAMES);
	return ((uint16_t)(slot << 8 | (generation & 0xff)));
}

static void
heirs_store(_Atomic uint64_t *word, uint64_t value)
{
	HOOK();
	atomic_store_explicit(word, value, memory_order_release);
	HOOK();
}

void
heirs_set(struct segment *seg, unsigned giver, uint32_t generation,
    unsigned heir, uint32_t heirs_generation)
{
	segment_check(seg);
	MUST(giver > 0 && (giver != heir || generation != heirs_generation));
	heirs_store(&heirs_of(seg, giver)[generation & 0xff],
	    (uint64_t)generation << 16 | heirs_pack(heir, heirs_generation));
	slots_before_meet(seg);
}

uint64_t
heirs_word(const struct segment *seg, unsigned slot, uint32_t generation)
{
	return (atomic_load_explicit(&heirs_of(seg, slot)[generation & 0xff],
	    memory_order_acquire));
}

void
heirs_dead(struct segment *seg, unsigned slot, uint32_t generation)
{
	uint16_t dead = heirs_pack(slot, generation);
	uint64_t w, heir;
	_Atomic uint64_t *of;
	unsigned s, i;

	segment_check(seg);
	heir = atomic_load(&heirs_of(seg, slot)[generation & 0xff]) &
	    UINT16_MAX;
	for (s = 1; s < seg->hdr->nslots; s++) {
		of = heirs_of(seg, s);
		for (i = 0; i < NAMES; i++) {
			w = atomic_load(&of[i]);
			if (w == 0 || (w & UINT16_MAX) != dead)
				continue;
			heirs_store(&of[i], heir == 0 ? 0 :
			    (w & ~(uint64_t)UINT16_MAX) | heir);
		}
	}
}

uint32_t
heirs_generation(struct segment *seg, unsigned slot, uint32_t next)
{
	_Atomic uint64_t *of = heirs_of(seg, slot);
	uint32_t g, age, best = next, most = 0;
	uint64_t w;
	unsigned i;

	segment_check(seg);
	for (i = 0; i < NAMES; i++) {
		g = next + i;
		w = atomic_load(&of[g & 0xff]);
		if (w == 0)
			return (g);
		age = next - (uint32_t)(w >> 16);
		if (age > most) {
			most = age;
			best = g;
		}
	}
	heirs_store(&of[best & 0xff], 0);
	return (best);
}

bool
heirs_find(const struct segment *seg, struct heirs_name name,
    struct heirs_name *heir)
{
	uint64_t w;

	if (name.slot == 0 || name.slot >= seg->hdr->nslots)
		return (false);
	w = atomic_load_explicit(&heirs_of(seg, name.slot)[name.generation],
	    memory_order_acquire);
	*heir = (struct heirs_name){ .slot = (uint8_t)(w >> 8),
		.generation = (uint8_t)w };
	return (w != 0);
}

bool
heirs_lives(const struct segment *seg, struct heirs_name name)
{
	const struct slot_row *row;
	enum slot_state state;

	if (name.slot == 0 || name.slot >= seg->hdr->nslots)
		return (false);
	row = segment_slot(seg, name.slot);
	state = slot_row_get(row);
	return ((state == SLOT_LIVE || state == SLOT_ASSIGNED) &&
	    (atomic_load(&row->generation) & 0xff) == name.generation);
}

bool
heirs_living(const struct segment *seg, struct heirs_name name,
    struct heirs_name *living)
{
	unsigned i;

	for (i = 0; i < CHAIN_MAX; i++) {
		if (heirs_lives(seg, name)) {
			*living = name;
			return (true);
		}
		if (!heirs_find(seg, name, &name))
			return (false);
	}
	return (false);
}

/* --- to a segment that follows ---------------------------------------------*/

void
heirs_save(const struct segment *seg, struct buf *b)
{
	size_t at = state_open(b, SHM_PASSED_HEIRS, 1);
	unsigned s, i;
	uint64_t w;

	segment_check(seg);
	for (s = 1; s < seg->hdr->nslots; s++)
		for (i = 0; i < NAMES; i++) {
			w = heirs_word(seg, s, i);
			if (w == 0)
				continue;
			state_put_u32(b, s);
			state_put_u8(b, (uint8_t)i);
			state_put_u64(b, w);
		}
	state_put_u32(b, 0);
	state_close(b, at);
}

bool
heirs_load(struct segment *seg, struct state_in *in)
{
	struct state_in body;
	uint16_t version;
	uint64_t w;
	unsigned s, i;

	segment_check(seg);
	if (!state_section(in, SHM_PASSED_HEIRS, &version, &body) ||
	    version != 1)
		return (false);
	while ((s = state_get_below(&body, seg->hdr->nslots)) != 0) {
		i = state_get_u8(&body);
		w = state_get_u64(&body);
		if ((w >> 8 & 0xff) >= seg->hdr->nslots)
			state_bad(&body);
		if (!body.bad)
			heirs_store(&heirs_of(seg, s)[i], w);
	}
	return (state_end(&body));
}
