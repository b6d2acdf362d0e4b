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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_form),
		cmocka_unit_test(the_longest_has_room),
		cmocka_unit_test(ours_are_those_of_our_node),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
