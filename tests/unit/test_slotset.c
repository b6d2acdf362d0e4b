/* Sets of slots: each slot has a bit of its own, and no number else has. */
#include "base/slotset.h"

#include "tests/lib/check.h"

static void
each_slot_is_a_bit_of_its_own(void **state)
{
	uint64_t one[2], all[2] = { 0, 0 };
	unsigned s, other;

	(void)state;
	for (s = 1; s <= SLOTSET_MAX; s++) {
		slotset_only(one, s);
		assert_true(one[0] == (s <= 64 ? UINT64_C(1) << (s - 1) : 0));
		assert_true(one[1] == (s > 64 ? UINT64_C(1) << (s - 65) : 0));
		for (other = 0; other <= 2 * SLOTSET_MAX; other++)
			assert_int_equal(slotset_has(one, other), other == s);
		assert_false(slotset_has(all, s));
		slotset_join(all, one);
		assert_true(slotset_covers(all, one));
		assert_int_equal(slotset_covers(one, all), s == 1);
	}
	assert_true(all[0] == UINT64_MAX && all[1] == UINT64_MAX);
	for (s = 1; s <= SLOTSET_MAX; s++) {
		assert_false(slotset_empty(all));
		slotset_drop(all, s);
		assert_false(slotset_has(all, s));
	}
	assert_true(slotset_empty(all));
}

static void
what_is_no_slot_fits_in_no_set(void **state)
{
	static const uint64_t none[] = { 0, SLOTSET_MAX + 1, UINT16_MAX,
		UINT32_MAX, UINT64_MAX };
	const uint64_t all[2] = { UINT64_MAX, UINT64_MAX };
	size_t i;

	(void)state;
	assert_true(slotset_fits(1) && slotset_fits(SLOTSET_MAX));
	for (i = 0; i < nitems(none); i++) {
		assert_false(slotset_fits(none[i]));
		assert_false(slotset_has(all, (unsigned)none[i]));
	}
}

static void
slots_are_taken_from_the_lowest(void **state)
{
	static const unsigned slots[] = { 1, 2, 33, 64, 65, 127, 128 };
	uint64_t set[2] = { 0, 0 };
	size_t i;

	(void)state;
	assert_int_equal(slotset_take(set), 0);
	for (i = nitems(slots); i-- > 0;)
		slotset_add(set, slots[i]);
	for (i = 0; i < nitems(slots); i++)
		assert_int_equal(slotset_take(set), slots[i]);
	assert_int_equal(slotset_take(set), 0);
	slotset_only(set, 100);
	assert_int_equal(slotset_take(set), 100);
	assert_true(slotset_empty(set));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_slot_is_a_bit_of_its_own),
		cmocka_unit_test(what_is_no_slot_fits_in_no_set),
		cmocka_unit_test(slots_are_taken_from_the_lowest),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
