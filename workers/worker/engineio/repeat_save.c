/*
 * What was answered last, as bytes: for the worker that takes the session
 * over; see repeat.h.
 */
#include <stdlib.h>

#include "hub/move.h"
#include "shm/counters.h"
#include "worker/engineio/repeat.h"

#define REPEAT_TAG	0x5270
#define REPEAT_VERSION	1

static_assert(sizeof(struct repeat) == 136 && sizeof(struct repeat_of) == 32 &&
    offsetof(struct repeat, again) - offsetof(struct repeat, cap) == 6,
    "a new field: save it");

static void
repeat_put_of(struct buf *b, const struct repeat_of *of)
{
	state_put_u64(b, of->head);
	state_put_u64(b, of->body);
	state_put_u64(b, of->n);
	state_put_bool(b, of->done);
	state_put_bool(b, of->lost);
}

static void
repeat_get_of(struct state_in *in, struct repeat_of *of)
{
	of->head = state_get_u64(in);
	of->body = state_get_u64(in);
	of->n = state_get_u64(in);
	of->done = state_get_bool(in);
	of->lost = state_get_bool(in);
}

void
repeat_save(struct hub_move *hm, const struct repeat *r, struct buf *b)
{
	size_t at = state_open(b, REPEAT_TAG, REPEAT_VERSION);
	uint32_t i;

	/* with the key that its hashes were made with */
	state_put_u64(b, r->key.k0);
	state_put_u64(b, r->key.k1);
	state_put_slice(b, slice_of(r->opened.s, r->opened.n));
	state_put_bool(b, r->answered);
	state_put_bool(b, r->constant);
	state_put_bool(b, r->again);
	repeat_put_of(b, &r->get);
	repeat_put_of(b, &r->post);
	state_put_u32(b, r->n);
	for (i = 0; i < r->n; i++)
		hub_move_ref_put(hm, &r->v[i], b);
	state_close(b, at);
}

static bool
repeat_get_refs(struct hub_move *hm, struct state_in *in, struct repeat *r)
{
	/* as a queue has, each of them some bytes */
	uint32_t n = state_get_below(in, UINT16_MAX + 1u);

	if (in->bad || n > (size_t)(in->end - in->p))
		return (false);
	if (n == 0)
		return (true);
	r->v = calloc(n, sizeof *r->v);
	if (r->v == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	r->cap = n;
	for (; r->n < n; r->n++)
		if (!hub_move_ref_get(hm, in, &r->v[r->n]))
			return (false);
	return (true);
}

bool
repeat_load(struct hub_move *hm, struct state_in *from, struct repeat *r)
{
	struct state_in in;
	struct slice opened;
	uint16_t version;

	memset(r, 0, sizeof *r);
	if (!state_section(from, REPEAT_TAG, &version, &in) ||
	    version != REPEAT_VERSION)
		return (false);
	r->key.k0 = state_get_u64(&in);
	r->key.k1 = state_get_u64(&in);
	opened = state_get_slice(&in);
	if (opened.n > sizeof r->opened.s)
		return (false);
	r->opened.n = (uint8_t)opened.n;
	if (opened.n > 0)
		memcpy(r->opened.s, opened.p, opened.n);
	r->answered = state_get_bool(&in);
	r->constant = state_get_bool(&in);
	r->again = state_get_bool(&in);
	repeat_get_of(&in, &r->get);
	repeat_get_of(&in, &r->post);
	if (repeat_get_refs(hm, &in, r) && state_end(&in))
		return (true);
	repeat_fini(r);
	return (false);
}
