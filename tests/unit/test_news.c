/*
 * What daemons tell each other about who is where: it comes out as it went in,
 * and nothing else comes in.
 */
#include "relay/people/news.h"

#include "proto/status.h"
#include "tests/lib/check.h"

static const struct news_entry entries[] = {
	{ .present = true, .code = STATUS_BUSY, .set_ms = 1764380000123,
	    .seen_ms = 1764380000456, .key = { (const uint8_t *)"ann", 3 } },
	{ .seen_ms = 5, .key = { (const uint8_t *)"b\xc3\xb6""b", 4 } },
	{ .room = true, .present = true,
	    .key = { (const uint8_t *)"room\0ann", 8 } },
	{ .room = true, .key = { (const uint8_t *)"r\0x", 3 } },
};

static void
put_changes(struct buf *b)
{
	struct news n = { .kind = NEWS_CHANGES, .ready = true,
		.node = 0x1122334455667788, .epoch = 42, .number = 7,
		.ns = SLICE("/chat") };
	size_t i;

	news_put(b, &n);
	for (i = 0; i < nitems(entries); i++)
		news_entry_put(b, &entries[i]);
}

static void
changes_come_out_as_they_went_in(void **state)
{
	struct news_entry e;
	struct slice rest;
	struct news n;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	put_changes(&b);
	assert_true(news_get(buf_unread(&b), &n));
	assert_int_equal(n.kind, NEWS_CHANGES);
	assert_true(n.ready);
	assert_true(n.node == 0x1122334455667788);
	assert_int_equal(n.epoch, 42);
	assert_int_equal(n.number, 7);
	assert_slice(n.ns, "/chat");
	rest = n.entries;
	for (i = 0; i < nitems(entries); i++) {
		assert_true(news_entry_next(&rest, &e));
		assert_int_equal(e.room, entries[i].room);
		assert_int_equal(e.present, entries[i].present);
		assert_int_equal(e.code, entries[i].code);
		assert_true(e.set_ms == entries[i].set_ms);
		assert_true(e.seen_ms == entries[i].seen_ms);
		assert_true(slice_eq(e.key, entries[i].key));
	}
	assert_false(news_entry_next(&rest, &e));
	buf_fini(&b);
}

static void
beats_have_nothing_behind_them(void **state)
{
	static const enum news_kind kinds[] = { NEWS_BEAT, NEWS_HELLO,
		NEWS_BYE };
	struct news n = { .node = 1, .epoch = 2, .number = 3 }, out;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(kinds); i++) {
		n.kind = kinds[i];
		news_put(&b, &n);
		assert_true(news_get(buf_unread(&b), &out));
		assert_int_equal(out.kind, kinds[i]);
		buf_byte(&b, 0);
		assert_false(news_get(buf_unread(&b), &out));
	}
	buf_fini(&b);
}

/* Wherever it is cut, it is whole entries or nothing. */
static void
what_is_cut_is_refused(void **state)
{
	struct news_entry e;
	struct slice all, rest;
	struct news n;
	struct buf b;
	unsigned whole = 0, count;
	size_t i;

	(void)state;
	buf_init(&b);
	put_changes(&b);
	all = buf_unread(&b);
	for (i = 0; i < all.n; i++) {
		if (!news_get(slice_of(all.p, i), &n))
			continue;
		whole++;
		rest = n.entries;
		for (count = 0; news_entry_next(&rest, &e); count++)
			assert_true(slice_eq(e.key, entries[count].key));
		assert_int_equal(rest.n, 0);
	}
	assert_int_equal(whole, nitems(entries)); /* none, one, two, three */
	buf_fini(&b);
}

static void
keys_that_cannot_be_are_refused(void **state)
{
	static const struct news_entry bad[] = {
		{ .key = { (const uint8_t *)"", 0 } },
		{ .key = { (const uint8_t *)"a\0b", 3 } },
		{ .key = { (const uint8_t *)"\xff", 1 } },
		{ .key = { (const uint8_t *)"\xc3", 1 } },
		{ .code = STATUS__MAX, .key = { (const uint8_t *)"a", 1 } },
		{ .set_ms = UINT64_MAX, .key = { (const uint8_t *)"a", 1 } },
		{ .room = true, .key = { (const uint8_t *)"a", 1 } },
		{ .room = true, .key = { (const uint8_t *)"\0a", 2 } },
		{ .room = true, .key = { (const uint8_t *)"r\0", 2 } },
		{ .room = true, .key = { (const uint8_t *)"r\0a\0b", 5 } },
		{ .room = true, .key = { (const uint8_t *)"\xff\0a", 3 } },
	};
	struct news n;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(bad); i++) {
		assert_false(news_entry_good(&bad[i]));
		put_changes(&b);
		news_entry_put(&b, &bad[i]);
		assert_false(news_get(buf_unread(&b), &n));
	}
	buf_fini(&b);
}

/* The same bytes each time. */
static uint32_t
chance(void)
{
	static uint32_t x = 53;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return (x);
}

/* By chance: what is taken is good throughout. */
static void
any_bytes_do_no_harm(void **state)
{
	struct news_entry e;
	struct slice rest;
	struct news n;
	struct buf b;
	unsigned i, k;

	(void)state;
	buf_init(&b);
	for (i = 0; i < 20000; i++) {
		put_changes(&b);
		for (k = 0; k < 3; k++)
			b.data[chance() % b.wpos] = (uint8_t)chance();
		if (!news_get(buf_unread(&b), &n) || n.kind != NEWS_CHANGES)
			continue;
		rest = n.entries;
		while (news_entry_next(&rest, &e))
			assert_true(news_entry_good(&e));
		assert_int_equal(rest.n, 0);
	}
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_come_out_as_they_went_in),
		cmocka_unit_test(beats_have_nothing_behind_them),
		cmocka_unit_test(what_is_cut_is_refused),
		cmocka_unit_test(keys_that_cannot_be_are_refused),
		cmocka_unit_test(any_bytes_do_no_harm),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
