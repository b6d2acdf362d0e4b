/* SipHash-1-3: published values, and that the key matters. */
#include "base/hash.h"

#include "base/bug.h"
#include "tests/lib/check.h"

static const struct hash_key key = { UINT64_C(0x0706050403020100),
	UINT64_C(0x0f0e0d0c0b0a0908) };

/* Bytes 0, 1, 2 ... under the key 0 ... 15, computed independently. */
static void
values_are_those_of_the_definition(void **state)
{
	static const struct {
		size_t n;
		uint64_t want;
	} rows[] = {
		{ 0, UINT64_C(0xabac0158050fc4dc) },
		{ 1, UINT64_C(0xc9f49bf37d57ca93) },
		{ 7, UINT64_C(0xd3927d989bb11140) },
		{ 8, UINT64_C(0x369095118d299a8e) },
		{ 9, UINT64_C(0x25a48eb36c063de4) },
		{ 15, UINT64_C(0xd320d86d2a519956) },
		{ 16, UINT64_C(0xcc4fdd1a7d908b66) },
		{ 31, UINT64_C(0x2370dd1f8c21d1bc) },
		{ 63, UINT64_C(0x9d199062b7bbb3a8) }
	};
	uint8_t bytes[63];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	for (i = 0; i < nitems(rows); i++)
		assert_true(hash_bytes(&key, slice_of(bytes, rows[i].n)) ==
		    rows[i].want);
}

static void
the_key_changes_everything(void **state)
{
	struct hash_key other = { key.k0 ^ 1, key.k1 };

	(void)state;
	assert_true(hash_bytes(&key, SLICE("room")) !=
	    hash_bytes(&other, SLICE("room")));
	assert_true(hash_bytes(&key, SLICE("")) !=
	    hash_bytes(&other, SLICE("")));
}

static void
length_counts_even_for_zero_bytes(void **state)
{
	uint8_t zeros[32] = { 0 };
	uint64_t seen[sizeof zeros + 1];
	size_t i, j;

	(void)state;
	for (i = 0; i <= sizeof zeros; i++) {
		seen[i] = hash_bytes(&key, slice_of(zeros, i));
		for (j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
	}
}

/* Short names must not crowd into few of a power-of-two table's places. */
static void
names_spread_over_a_table(void **state)
{
	unsigned places[256] = { 0 }, i;
	char name[32];

	(void)state;
	for (i = 0; i < 256 * 64; i++) {
		int n = snprintf(name, sizeof name, "room:%u", i);

		places[hash_bytes(&key, slice_of(name, (size_t)n)) & 255]++;
	}
	for (i = 0; i < nitems(places); i++)
		assert_in_range(places[i], 20, 120);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_those_of_the_definition),
		cmocka_unit_test(the_key_changes_everything),
		cmocka_unit_test(length_counts_even_for_zero_bytes),
		cmocka_unit_test(names_spread_over_a_table),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
