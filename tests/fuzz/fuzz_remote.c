/* Any bytes as what Redis says of a room: a batch on its channel, what became of
 * one, an entry. */
#include "relay/store/remote_reply.h"

#include "relay/store/store.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_batch(struct slice in)
{
	struct remote_batch b;
	struct remote_twin twin;
	struct slice entry, inside;
	size_t left;
	bool bad;

	if (!remote_batch(in, &b))
		return;
	MUST(b.place > 0 && b.epoch.n > 0 && b.epoch.n < STORE_EPOCH_MAX);
	left = b.rest.n;
	while (remote_batch_next(&b, &entry, &bad)) {
		MUST(!bad && entry.n > 4 && entry.n <= left);
		MUST(remote_entry(entry, &inside, &twin) &&
		    inside.n <= entry.n - 4 &&
		    (twin.epoch.n == 0) == (inside.n == entry.n - 4));
		left -= entry.n;
	}
	MUST(bad == (left > 0));
}

static void
fuzz_placed(struct slice in)
{
	struct remote_placed p;
	struct remote_twin twin;
	uint64_t place, version;
	bool was, full;
	size_t n = 0, left;

	if (!remote_placed(in, &p))
		return;
	MUST(p.token.n > 0 && p.epoch.n > 0);
	for (;; n++) {
		left = p.rest.n;
		if (remote_placed_refused(&p, &place, &version, &full)) {
			MUST(p.rest.n < left && (!full || place + version == 0));
			continue;
		}
		MUST(p.rest.n == left);
		if (!remote_placed_next(&p, &place, &twin, &was))
			break;
		MUST(place > 0 || twin.epoch.n == 0);
	}
	MUST(n <= in.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n), inside;
	struct remote_twin twin;

	fuzz_batch(in);
	fuzz_placed(in);
	if (remote_entry(in, &inside, &twin))
		MUST(inside.n + 4 <= n);
	return (0);
}
