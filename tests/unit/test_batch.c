/*
 * Users on their way to Redis: what is written is what is read there and what
 * the other nodes are told.
 */
#include "relay/people/batch.h"

#include "proto/status.h"
#include "relay/people/field.h"
#include "shm/why.h"
#include "tests/lib/check.h"

static const struct news_entry entries[] = {
	/* away on this host, busy on another one */
	{ .present = true, .code = STATUS_AWAY, .all = STATUS_BUSY,
	    .set_ms = 1764380000123, .seen_ms = 1764380000456,
	    .key = { (const uint8_t *)"a\"n", 3 } },
	{ .seen_ms = 5, .key = { (const uint8_t *)"b\xc3\xb6""b", 4 } },
	{ .room = true, .present = true,
	    .key = { (const uint8_t *)"room\0ann", 8 } },
	{ .why = REASON_kicked + 1, .key = { (const uint8_t *)"cid", 3 } },
	{ .room = true, .why = REASON_client_reset + 1,
	    .key = { (const uint8_t *)"room\0cid", 8 } },
	{ .why = 255, .key = { (const uint8_t *)"dan", 3 } },
	/* whoever is there has not gone */
	{ .room = true, .present = true, .why = REASON_kicked + 1,
	    .key = { (const uint8_t *)"room\0dan", 8 } },
	{ .present = true, .all = STATUS_INVISIBLE, .set_ms = 1764380000123,
	    .seen_ms = 1764380000456, .key = { (const uint8_t *)"eve", 3 } },
};

static struct batch *
some(void)
{
	struct batch *b = batch_new();
	size_t i;

	assert_non_null(b);
	for (i = 0; i < nitems(entries); i++)
		batch_add(b, 0x1234, &entries[i]);
	assert_false(batch_is_cut(b));
	return (b);
}

static void
what_is_written_is_what_is_read(void **state)
{
	struct slice argv[BATCH_ARGS * BATCH_MAX];
	struct news_entry e;
	struct batch *b = some();
	size_t i;

	(void)state;
	assert_int_equal(batch_args(b, argv), BATCH_ARGS * nitems(entries));
	assert_slice(argv[2],
	    "{\"user\":\"a\\\"n\",\"status\":\"busy\",\"last_seen\":"
	    "1764380000456");
	assert_int_equal(argv[4].n, 0);		/* who is gone has no value */
	assert_int_equal(argv[5].n, 0);
	assert_int_equal(argv[8].n, 0);		/* and a room is nobody */
	assert_int_equal(argv[10].n, 0);
	assert_slice(argv[11], "kicked");
	assert_slice(argv[14], "client_reset");
	assert_int_equal(argv[17].n, 0);
	assert_int_equal(argv[20].n, 0);
	assert_slice(argv[23], "{\"user\":\"eve\",\"status\":\"offline\","
	    "\"last_seen\":null,\"invisible\":true");
	for (i = 0; i < nitems(entries); i++) {
		if (!entries[i].present)
			continue;
		assert_true(field_get(argv[3 * i], argv[3 * i + 1], &e));
		assert_true(slice_eq(e.key, entries[i].key));
		assert_int_equal(e.room, entries[i].room);
		assert_true(e.present);
		assert_int_equal(e.code, entries[i].code);
		assert_true(e.set_ms == entries[i].set_ms);
		assert_true(e.seen_ms == entries[i].seen_ms);
		assert_memory_equal(argv[3 * i + 1].p, "0000000000001234",
		    FIELD_EPOCH);
	}
	batch_free(&b);
}

static void
others_are_told_the_same(void **state)
{
	struct batch *b = some();
	struct slice rest = buf_unread(&b->news);
	struct news_entry e;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(entries); i++) {
		assert_true(news_entry_next(&rest, &e));
		assert_true(slice_eq(e.key, entries[i].key));
		assert_int_equal(e.present, entries[i].present);
	}
	assert_int_equal(rest.n, 0);
	batch_empty(b);
	assert_int_equal(b->n, 0);
	assert_int_equal(buf_unread(&b->news).n, 0);
	batch_free(&b);
}

static void
other_fields_are_nobody(void **state)
{
	struct slice argv[BATCH_ARGS * BATCH_MAX], name, value;
	struct batch *b = some();
	struct news_entry e;
	size_t i;

	(void)state;
	(void)batch_args(b, argv);
	name = argv[0];
	value = argv[1];
	for (i = 0; i < value.n; i++)
		assert_false(field_get(name, slice_of(value.p, i), &e));
	for (i = 0; i < 2; i++)
		assert_false(field_get(slice_of(name.p, i), value, &e));
	assert_false(field_get(SLICE("="), value, &e));
	assert_false(field_get(SLICE("xann"), value, &e));
	assert_false(field_get(SLICE("rann"), value, &e));
	assert_false(field_get(SLICE("u\xff"), value, &e));
	batch_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_what_is_read),
		cmocka_unit_test(others_are_told_the_same),
		cmocka_unit_test(other_fields_are_nobody),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
