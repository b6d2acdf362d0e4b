/* Any bytes as a frame: an accepted one, encoded, is decoded to the same. */
#include "proto/bus.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
same_list(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
	size_t i;

	for (i = 0; i < n && i < m; i++)
		if (!slice_eq(a[i], b[i]))
			return (false);
	return (n == m);
}

static bool
same(const struct bus_envelope *a, const struct bus_envelope *b)
{
	return (a->kind == b->kind && a->flags == b->flags &&
	    a->slots[0] == b->slots[0] && a->slots[1] == b->slots[1] &&
	    a->from == b->from && a->generation == b->generation &&
	    a->ref == b->ref && a->count == b->count &&
	    a->sent_us == b->sent_us && slice_eq(a->nsp, b->nsp) &&
	    slice_eq(a->event, b->event) && slice_eq(a->args, b->args) &&
	    slice_eq(a->meta, b->meta) &&
	    same_list(a->rooms, a->nrooms, b->rooms, b->nrooms) &&
	    same_list(a->users, a->nusers, b->users, b->nusers) &&
	    same_list(a->sids, a->nsids, b->sids, b->nsids) &&
	    same_list(a->except, a->nexcept, b->except, b->nexcept) &&
	    same_list(a->join, a->njoin, b->join, b->njoin) &&
	    same_list(a->leave, a->nleave, b->leave, b->nleave));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct bus_envelope e, again;
	struct slice in = slice_of(data, n);
	uint64_t slots[2];
	uint16_t flags;
	struct buf b;
	ssize_t size = bus_frame(in, slots, &flags);

	MUST(size == CODEC_BAD || (size >= 0 && (size_t)size <= n));
	if (bus_decode(in, &e) <= 0)
		return (0);
	buf_init(&b);
	MUST(bus_encode(&b, &e));
	MUST(bus_decode(buf_unread(&b), &again) == (ssize_t)b.wpos);
	MUST(same(&e, &again));
	buf_fini(&b);
	return (0);
}
