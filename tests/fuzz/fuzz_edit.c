/* Any bytes as the frame that a worker wants kept instead of another one: without
 * its place it is as it was published, and with it again as it came. */
#include "relay/store/edit.h"

#include "relay/store/number.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
fuzz_same(struct slice a, struct slice b)
{
	return (a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
}

static void
fuzz_number(struct bus_envelope *e, const struct bus_envelope *was)
{
	static struct bus_envelope again;
	struct store_append a = { .e = e };
	struct number_place at = { was->publish.epoch, was->publish.kept };
	struct buf meta, frame;

	a.asker.flags = e->flags;
	buf_init(&meta);
	buf_init(&frame);
	MUST(number_frame(&a, &at, NULL, &meta, &frame));
	MUST(bus_whole(buf_unread(&frame), &again));
	MUST(again.flags == was->flags);
	MUST(fuzz_same(again.publish.epoch, was->publish.epoch));
	MUST(again.publish.kept == was->publish.kept);
	MUST(fuzz_same(again.publish.args, was->publish.args));
	MUST(fuzz_same(again.publish.event, was->publish.event));
	/* a comma more or less where it was no object of ours */
	MUST(again.publish.meta.n <= was->publish.meta.n + 1 &&
	    again.publish.meta.n + 1 >= was->publish.meta.n);
	buf_fini(&meta);
	buf_fini(&frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct bus_envelope e, was;
	struct slice in = slice_of(data, n);
	struct buf meta;

	if (!edit_read(in, NULL, &e))
		return (0);
	MUST(edit_read(in, NULL, &was));
	(void)edit_result(&e, SLICE("e"), 1, 5);
	buf_init(&meta);
	if (edit_unnumber(&e, &meta)) {
		MUST(e.publish.epoch.n == 0 && e.publish.kept == 0);
		MUST(e.publish.meta.n <= was.publish.meta.n);
		fuzz_number(&e, &was);
	}
	buf_fini(&meta);
	return (0);
}
