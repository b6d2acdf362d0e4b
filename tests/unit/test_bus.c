/* Envelopes as frames: what went in comes out, and nothing else comes in. */
#include "proto/bus.h"

#include "tests/lib/check.h"

static struct bus_envelope
full_envelope(void)
{
	struct bus_envelope e;

	memset(&e, 0, sizeof e);
	e.kind = BUS_PUBLISH;
	e.flags = BUS_VOLATILE | BUS_WANT_COUNT;
	e.slots[0] = UINT64_C(0x8000000000000005);
	e.slots[1] = 1;
	e.from = 3;
	e.generation = 65535;
	e.ref = 0xdeadbeef;
	e.count = UINT64_MAX;
	e.nsp = SLICE("/chat");
	e.event = SLICE("\"say\"");
	e.args = SLICE("1,{\"a\":2}");
	e.meta = SLICE("{\"id\":1}");
	e.rooms[e.nrooms++] = SLICE("room one");
	e.rooms[e.nrooms++] = SLICE("");
	e.users[e.nusers++] = SLICE("alice\0bob");
	e.sids[e.nsids++] = SLICE("KZGaJiYwfs_kqvmBAABJ");
	e.except[e.nexcept++] = SLICE("x");
	e.except[e.nexcept++] = SLICE("y");
	e.sent_us = 1;
	return (e);
}

static void
assert_lists(const struct slice *a, size_t n, const struct slice *b, size_t m)
{
	size_t i;

	assert_int_equal(n, m);
	for (i = 0; i < n; i++)
		assert_slices(a[i], b[i]);
}

static void
assert_same(const struct bus_envelope *a, const struct bus_envelope *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_true(a->slots[0] == b->slots[0] && a->slots[1] == b->slots[1]);
	assert_int_equal(a->from, b->from);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->ref, b->ref);
	assert_true(a->count == b->count && a->sent_us == b->sent_us);
	assert_slices(a->nsp, b->nsp);
	assert_slices(a->event, b->event);
	assert_slices(a->args, b->args);
	assert_slices(a->meta, b->meta);
	assert_lists(a->rooms, a->nrooms, b->rooms, b->nrooms);
	assert_lists(a->users, a->nusers, b->users, b->nusers);
	assert_lists(a->sids, a->nsids, b->sids, b->nsids);
	assert_lists(a->except, a->nexcept, b->except, b->nexcept);
}

static void
what_is_encoded_is_decoded(void **state)
{
	struct bus_envelope e = full_envelope(), got;
	struct buf b;
	uint8_t *p;

	(void)state;
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	p = check_copy(buf_unread(&b));
	memset(&got, 0xa5, sizeof got);
	assert_int_equal(bus_decode(slice_of(p, b.wpos), &got), b.wpos);
	assert_same(&got, &e);
	free(p);
	buf_reset(&b);
	memset(&e, 0, sizeof e);
	e.kind = BUS_COUNT;
	e.from = 128;
	assert_true(bus_encode(&b, &e));
	assert_int_equal(b.wpos, BUS_HEADER);
	assert_int_equal(bus_decode(buf_unread(&b), &got), BUS_HEADER);
	assert_same(&got, &e);
	buf_fini(&b);
}

static void
a_frame_waits_until_it_is_whole(void **state)
{
	struct bus_envelope e = full_envelope(), got;
	uint64_t slots[2];
	uint16_t flags;
	struct buf b;
	size_t n, size;

	(void)state;
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	size = b.wpos;
	assert_true(bus_encode(&b, &e));
	for (n = 0; n < size; n++) {
		uint8_t *p = check_copy(slice_of(b.data, n));

		assert_int_equal(bus_frame(slice_of(p, n), slots, &flags), 0);
		assert_int_equal(bus_decode(slice_of(p, n), &got), CODEC_MORE);
		free(p);
	}
	for (; n <= b.wpos; n++)
		assert_int_equal(bus_frame(slice_of(b.data, n), slots, &flags),
		    size);
	assert_true(slots[0] == e.slots[0] && slots[1] == e.slots[1]);
	assert_int_equal(flags, e.flags);
	buf_fini(&b);
}

static void
the_header_is_laid_out_as_documented(void **state)
{
	struct bus_envelope e;
	struct buf b;

	(void)state;
	memset(&e, 0, sizeof e);
	e.kind = BUS_DISCONNECT;
	e.flags = 0x0102;
	e.slots[0] = 1;
	e.slots[1] = 2;
	e.from = 0x0304;
	e.generation = 5;
	e.ref = 6;
	e.nsp = SLICE("/");
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	assert_slice(buf_unread(&b), "\x26\0\0\0\3\2\2\1\1\0\0\0\0\0\0\0"
				     "\2\0\0\0\0\0\0\0\4\3\5\0\6\0\0\0"
				     "\1\1\0\0\0/");
	buf_fini(&b);
}

/* A header with that size and version, and a body behind it. */
static ssize_t
decode_raw(uint32_t size, uint8_t version, struct slice body)
{
	struct bus_envelope e;
	uint8_t head[BUS_HEADER] = { (uint8_t)size, (uint8_t)(size >> 8),
		(uint8_t)(size >> 16), (uint8_t)(size >> 24), BUS_PUBLISH,
		version };
	struct buf b;
	ssize_t n;

	buf_init(&b);
	buf_append(&b, head, sizeof head);
	buf_slice(&b, body);
	n = bus_decode(buf_unread(&b), &e);
	buf_fini(&b);
	return (n);
}

static void
absurd_frames_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_raw(BUS_HEADER, 2, SLICE("")), BUS_HEADER);
	assert_int_equal(decode_raw(0, 2, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(BUS_HEADER - 1, 2, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(BUS_FRAME_MAX + 1, 2, SLICE("")),
	    CODEC_BAD);
	assert_int_equal(decode_raw(UINT32_MAX, 2, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(BUS_HEADER, 1, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(36, 2, SLICE("\1\0\0\0")), CODEC_BAD);
	assert_int_equal(decode_raw(37, 2, SLICE("\1\1\0\0\0")), CODEC_BAD);
	assert_int_equal(decode_raw(37, 2, SLICE("\1\xff\xff\xff\xff")),
	    CODEC_BAD);
	assert_int_equal(decode_raw(37, 2, SLICE("\x9\0\0\0\0")), CODEC_BAD);
}

/* An answer must be able to get there: no other sender passes. */
static void
senders_are_slots(void **state)
{
	static const struct {
		enum bus_kind	 kind;
		uint16_t	 flags, from;
		bool		 good;
	} rows[] = {
		{ BUS_PUBLISH, BUS_WATCHERS, 0, true },
		{ BUS_PUBLISH, BUS_WANT_COUNT, 0, false },
		{ BUS_PUBLISH, BUS_WANT_ANSWERS, 0, false },
		{ BUS_PUBLISH, BUS_WANT_COUNT, 1, true },
		{ BUS_PUBLISH, 0, 128, true },
		{ BUS_PUBLISH, 0, 129, false },
		{ BUS_PUBLISH, 0, 65535, false },
		{ BUS_COUNT, 0, 0, false }, { BUS_COUNT, 0, 128, true },
		{ BUS_ROOMS, 0, 0, false }, { BUS_ROOMS, 0, 129, false },
		{ BUS_RECOVER_ASK, 0, 0, false },
		{ BUS_ANSWERS_END, 0, 0, false },
	};
	struct bus_envelope e, got;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		memset(&e, 0, sizeof e);
		e.kind = rows[i].kind;
		e.flags = rows[i].flags;
		e.from = rows[i].from;
		buf_reset(&b);
		assert_true(bus_encode(&b, &e));
		assert_int_equal(bus_decode(buf_unread(&b), &got),
		    rows[i].good ? (ssize_t)b.wpos : CODEC_BAD);
	}
	buf_fini(&b);
}

static void
unknown_tags_are_skipped(void **state)
{
	(void)state;
	assert_int_equal(decode_raw(45, 2, SLICE("\xc8\3\0\0\0abc\0\0\0\0\0")), 45);
}

static void
lists_and_sizes_are_limited(void **state)
{
	struct bus_envelope e = full_envelope(), got;
	size_t large = 17u << 20;
	uint8_t *big = calloc(1, large);
	struct buf b;
	size_t i;

	(void)state;
	assert_non_null(big);
	buf_init(&b);
	for (e.nrooms = 0; e.nrooms < BUS_LIST_MAX; e.nrooms++)
		e.rooms[e.nrooms] = SLICE("r");
	assert_true(bus_encode(&b, &e));
	assert_int_equal(bus_decode(buf_unread(&b), &got), b.wpos);
	assert_int_equal(got.nrooms, BUS_LIST_MAX);
	/* one room more, put in by hand */
	buf_append(&b, "\5\1\0\0\0r", 6);
	for (i = 0; i < 4; i++)
		b.data[i] = (uint8_t)(b.wpos >> (8 * i));
	assert_int_equal(bus_decode(buf_unread(&b), &got), CODEC_BAD);
	buf_reset(&b);
	e.nrooms = BUS_LIST_MAX + 1;
	assert_false(bus_encode(&b, &e));
	memset(&e, 0, sizeof e);
	e.kind = BUS_PUBLISH;
	e.args = slice_of(big, large);
	assert_true(bus_encode(&b, &e));
	assert_int_equal(bus_decode(buf_unread(&b), &got), b.wpos);
	assert_int_equal(got.args.n, large);
	buf_reset(&b);
	/* looked at before anything is copied */
	e.args.n = BUS_FRAME_MAX - BUS_HEADER - 4;
	assert_false(bus_encode(&b, &e));
	assert_int_equal(b.wpos, 0);
	assert_false(b.oom);
	free(big);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(a_frame_waits_until_it_is_whole),
		cmocka_unit_test(the_header_is_laid_out_as_documented),
		cmocka_unit_test(absurd_frames_are_refused),
		cmocka_unit_test(senders_are_slots),
		cmocka_unit_test(unknown_tags_are_skipped),
		cmocka_unit_test(lists_and_sizes_are_limited),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
