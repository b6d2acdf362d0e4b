/* Ids and offsets: laid out as documented, and nobody else's. */
#include "proto/offset.h"

#include "tests/lib/check.h"

static struct offset_origin
origin(uint64_t node, unsigned slot, unsigned generation)
{
	struct offset_origin o;

	offset_origin(&o, node, slot, generation);
	return (o);
}

static void
each_has_its_form(void **state)
{
	struct offset_origin o = origin(0x123456789abcdef0, 128, 65535);
	struct offset_origin relay = origin(0xab, 0, 3);
	uint8_t out[OFFSET_MAX];
	uint8_t *end;

	(void)state;
	end = offset_id_put(out, &o, 0x1f);
	assert_slices(slice_of(out, (size_t)(end - out)),
	    SLICE("9abcdef0.128.65535.1f"));
	assert_slices(offset_make(out, &o, 10),
	    SLICE("\"9abcdef0.128.65535.oa\""));
	assert_slices(offset_make(out, &relay, 1),
	    SLICE("\"000000ab.0.3.1\""));
}

static void
the_longest_has_room(void **state)
{
	struct offset_origin o = origin(UINT64_MAX, 128, UINT32_MAX);
	uint8_t out[OFFSET_MAX + 1];

	(void)state;
	out[OFFSET_MAX] = '#';
	assert_slices(offset_make(out, &o, UINT64_MAX),
	    SLICE("\"ffffffff.128.4294967295.offffffffffffffff\""));
	(void)offset_id_put(out, &o, UINT64_MAX);
	assert_int_equal(out[OFFSET_MAX], '#');
}

static void
ours_are_those_of_our_node(void **state)
{
	static const struct slice others[] = { SLICE(""), SLICE("\""),
		SLICE("\"\""), SLICE("\"9abcdef0"), SLICE("\"9abcdef0."),
		SLICE("\"9abcdef1.1.1.o1\""), SLICE("\"9abcdef00.1.1.o1\""),
		SLICE("9abcdef0.1.1.o1\""), SLICE("\"hello, my friend\"") };
	struct offset_origin o = origin(0x9abcdef0, 1, 1);
	struct offset_origin later = origin(0x9abcdef0, 2, 7);
	uint8_t out[OFFSET_MAX];
	size_t i;

	(void)state;
	assert_true(offset_is_ours(offset_make(out, &o, 1), &o));
	assert_true(offset_is_ours(offset_make(out, &later, 1), &o));
	for (i = 0; i < nitems(others); i++)
		assert_row(!offset_is_ours(others[i], &o), others[i]);
}

#define HOST	SLICE("03f1c2a4b5968778")
#define SID	SLICE("KZGaJiYwfs_kqvmB-ABJ")

static void
what_is_put_is_read(void **state)
{
	char out[OFFSET_REF_MAX];
	struct offset_ref r;
	size_t n = offset_ref_put(out, HOST, SID, SLICE("03f1.1.2.9"));

	(void)state;
	check_slices(slice_of(out, n), SLICE("03f1c2a4b5968778."
	    "KZGaJiYwfs_kqvmB-ABJ.03f1.1.2.9"), __FILE__, __LINE__);
	assert_true(offset_ref_read(slice_of(out, n), &r));
	check_slices(r.host, HOST, __FILE__, __LINE__);
	check_slices(r.sid, SID, __FILE__, __LINE__);
	check_slices(r.id, SLICE("03f1.1.2.9"), __FILE__, __LINE__);
}

static void
what_is_none_is_neither_put_nor_read(void **state)
{
	static const char *const rows[] = { "", ".", "x",
		"03f1c2a4b5968778.KZGaJiYwfs_kqvmB-ABJ.",
		"03f1c2a4b5968778.KZGaJiYwfs_kqvmB-ABJ",
		"03f1c2a4b596877x.KZGaJiYwfs_kqvmB-ABJ.1",
		"03f1c2a4b5968778.KZGaJiYwfs/kqvmB-ABJ.1",
		"03f1c2a4b5968778.KZGaJiYwfs_kqvmB-ABJ1.1",
		"03f1c2a4b5968778.KZGaJiYwfs_kqvmB-ABJ.a b",
		"03f1c2a4b5968778:KZGaJiYwfs_kqvmB-ABJ.1",
	};
	char out[OFFSET_REF_MAX], large[OFFSET_REF_ID + 1];
	struct offset_ref r;
	uint8_t *p;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		p = check_copy(slice_str(rows[i]));
		assert_false(offset_ref_read(slice_of(p, strlen(rows[i])), &r));
		free(p);
	}
	memset(large, 'a', sizeof large);
	assert_int_equal(offset_ref_put(out, HOST, SID, slice_of(large,
	    sizeof large)), 0);
	assert_int_equal(offset_ref_put(out, HOST, SID, slice_of(large,
	    OFFSET_REF_ID)), OFFSET_REF_HOST + OFFSET_REF_SID + 2 +
	    OFFSET_REF_ID);
	assert_int_equal(offset_ref_put(out, HOST, SID, SLICE("")), 0);
	assert_int_equal(offset_ref_put(out, HOST, SLICE("short"),
	    SLICE("1")), 0);
	assert_int_equal(offset_ref_put(out, SLICE("1"), SID, SLICE("1")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read),
		cmocka_unit_test(what_is_none_is_neither_put_nor_read),
		cmocka_unit_test(each_has_its_form),
		cmocka_unit_test(the_longest_has_room),
		cmocka_unit_test(ours_are_those_of_our_node),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
