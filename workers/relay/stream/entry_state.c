/*
 * Entries as bytes; see entry_state.h.  Called by stream_save.c, and by
 * relay/hooks.
 */
#include "relay/stream/entry_state.h"

#include <stdlib.h>

void
entry_state_put(struct buf *b, const struct entry *e)
{
	state_put_u64(b, e->epoch);
	state_put_u64(b, e->number);
	state_put_u64(b, e->since_ms);
	state_put_u8(b, (uint8_t)e->nparts);
	state_put_slice(b, slice_of(e->bytes, e->n));
}

struct entry *
entry_state_get(struct state_in *in, bool *bad)
{
	uint64_t epoch = state_get_u64(in), number = state_get_u64(in),
	    since_ms = state_get_u64(in);
	unsigned nparts = state_get_u8(in);
	struct slice bytes = state_get_slice(in);
	struct entry *e = entry_restore(bytes, nparts, bad);

	*bad |= in->bad;
	if (e != NULL) {
		e->epoch = epoch;
		e->number = number;
		e->since_ms = since_ms;
	}
	return (e);
}

bool
entry_state_put_all(struct buf *b, const struct entry *first, size_t most)
{
	const struct entry *e;
	size_t bytes = 0;
	uint32_t n = 0;

	for (e = first; e != NULL; e = STAILQ_NEXT(e, next)) {
		bytes += sizeof *e + e->n;
		if (bytes > most)
			break;
		n++;
	}
	state_put_bool(b, e != NULL);
	state_put_u32(b, n);
	for (; n > 0; n--, first = STAILQ_NEXT(first, next))
		entry_state_put(b, first);
	return (e != NULL);
}

bool
entry_state_get_all(struct state_in *in,
    void (*take)(void *arg, struct entry *), void *arg, bool *cut)
{
	bool bad = false;
	struct entry *e;
	uint32_t n;

	*cut = state_get_bool(in);
	for (n = state_get_u32(in); n > 0 && !in->bad; n--) {
		e = entry_state_get(in, &bad);
		if (bad) {
			free(e);
			return (false);
		}
		*cut |= e == NULL;
		if (e != NULL)
			take(arg, e);
	}
	return (!in->bad);
}
