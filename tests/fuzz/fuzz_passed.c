/* Any bytes as what a master passes to one with another layout of the shared
 * memory: what is in it then holds together, and can be passed on. */
#include "base/state.h"
#include "shm/presence.h"
#include "shm/segment.h"
#include "shm/slots_before.h"
#include "shm/slots_heirs.h"
#include "tests/shm/verify.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define CHILDREN 3u

static const struct segment_params made = { .max_workers = 2,
	.presence_max = 40, .interest_max = 16, .rate_ways = 8, .max_ns = 4,
	.presence_key_max = 64, .interest_key_max = 64, .status_text = true };

/* Followed by all others. */
static struct segment *
first(void)
{
	struct segment *seg = segment_create(&made);
	unsigned s;

	MUST(seg != NULL && slot_assign(seg, SLOT_RELAY, 1) == 0);
	slot_live(seg, 0, 100);
	for (s = 1; s < CHILDREN; s++) {
		MUST(slot_assign(seg, SLOT_WORKER, s + 1) == (int)s);
		slot_live(seg, s, 100 + s);
	}
	return (seg);
}

static struct segment *
next(const struct segment *before)
{
	struct segment *seg = segment_create(&made);
	struct slots_rows rows;
	unsigned s;

	slots_rows(before, &rows);
	MUST(seg != NULL &&
	    slots_before_open(seg, segment_fd(before), &rows) == 0);
	for (s = 0; s < CHILDREN; s++)
		slots_before_take(seg, s);
	return (seg);
}

static void
end(struct segment **seg)
{
	slots_before_close(*seg);
	segment_free(seg);
}

/* What there was no room for is counted. */
static bool
load(struct segment *seg, struct slice bytes, uint32_t *n, uint32_t *lost)
{
	struct state_in in = state_in(bytes);

	return (segment_load(seg, &in) && heirs_load(seg, &in) &&
	    presence_load(seg, &in, n, lost) == 0 && state_end(&in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct segment *old;
	struct segment *seg, *last;
	uint32_t n, lost, users;
	struct buf b;

	if (old == NULL)
		old = first();
	seg = next(old);
	if (load(seg, slice_of(data, size), &n, &lost)) {
		MUST(verify_segment(seg) == 0);
		buf_init(&b);
		segment_save(seg, &b);
		heirs_save(seg, &b);
		presence_save(seg, &b, &users);
		MUST(!b.oom && users <= n);
		last = next(seg);
		MUST(load(last, buf_unread(&b), &n, &lost));
		MUST(n == users && lost == 0);
		MUST(verify_segment(last) == 0);
		end(&last);
		buf_fini(&b);
	}
	end(&seg);
	return (0);
}
