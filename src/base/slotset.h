/*
 * Sets of slots in two words: slot s, 1 to SLOTSET_MAX, is bit (s - 1) % 64 of
 * word (s - 1) / 64.  Envelopes (proto/bus.h) and directories (shm/interest.h)
 * name workers so.  The relay, slot 0, is in no set.
 */
#ifndef BASE_SLOTSET_H
#define BASE_SLOTSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

#define SLOTSET_MAX	128
#define SLOTSET_WORDS	2

/* Can it be in a set? */
static inline bool
slotset_fits(uint64_t slot)
{
	return (slot >= 1 && slot <= SLOTSET_MAX);
}

static inline unsigned
slotset_word(unsigned slot)
{
	return ((slot - 1) / 64);
}

static inline uint64_t
slotset_bit(unsigned slot)
{
	return (UINT64_C(1) << ((slot - 1) % 64));
}

/* A number that is no slot is in no set. */
static inline bool
slotset_has(const uint64_t set[SLOTSET_WORDS], unsigned slot)
{
	return (slotset_fits(slot) &&
	    (set[slotset_word(slot)] & slotset_bit(slot)) != 0);
}

static inline void
slotset_add(uint64_t set[SLOTSET_WORDS], unsigned slot)
{
	MUST(slotset_fits(slot));
	set[slotset_word(slot)] |= slotset_bit(slot);
}

static inline void
slotset_drop(uint64_t set[SLOTSET_WORDS], unsigned slot)
{
	MUST(slotset_fits(slot));
	set[slotset_word(slot)] &= ~slotset_bit(slot);
}

static inline void
slotset_clear(uint64_t set[SLOTSET_WORDS])
{
	set[0] = set[1] = 0;
}

static inline void
slotset_copy(uint64_t to[SLOTSET_WORDS], const uint64_t from[SLOTSET_WORDS])
{
	to[0] = from[0];
	to[1] = from[1];
}

/* That slot and no other. */
static inline void
slotset_only(uint64_t set[SLOTSET_WORDS], unsigned slot)
{
	slotset_clear(set);
	slotset_add(set, slot);
}

static inline void
slotset_join(uint64_t to[SLOTSET_WORDS], const uint64_t more[SLOTSET_WORDS])
{
	to[0] |= more[0];
	to[1] |= more[1];
}

static inline bool
slotset_empty(const uint64_t set[SLOTSET_WORDS])
{
	return ((set[0] | set[1]) == 0);
}

/* All of these are in it. */
static inline bool
slotset_covers(const uint64_t set[SLOTSET_WORDS],
    const uint64_t these[SLOTSET_WORDS])
{
	return ((these[0] & ~set[0]) == 0 && (these[1] & ~set[1]) == 0);
}

/* The lowest slot, which is taken out; 0: it is empty. */
static inline unsigned
slotset_take(uint64_t set[SLOTSET_WORDS])
{
	unsigned w = set[0] == 0, bit;

	if (set[w] == 0)
		return (0);
	bit = (unsigned)__builtin_ctzll(set[w]);
	set[w] &= set[w] - 1;
	return (w * 64 + bit + 1);
}

#endif
