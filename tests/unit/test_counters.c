/* Counters: cells, rows and the buckets of a distribution. */
#include "check.h"
#include "shm/counters.h"

static uint64_t column[COUNTERS_CELLS];

static int
setup(void **state)
{
	(void)state;
	memset(column, 0, sizeof column);
	counters_attach(column);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	counters_attach(NULL);
	return (0);
}

static void
counting_works_without_a_column(void **state)
{
	uint64_t before;

	(void)state;
	counters_attach(NULL);
	before = counter_get(COUNTER_messages_in);
	counter_add(COUNTER_messages_in, 3);
	assert_int_equal(counter_get(COUNTER_messages_in), before + 3);
	assert_int_equal(column[COUNTER_messages_in], 0);
}

static void
each_kind_counts_in_its_own_cell(void **state)
{
	unsigned i, used = 0;

	(void)state;
	counter_add(COUNTER_bytes_in, 10);
	counter_add(COUNTER_rooms, 5);
	counter_sub(COUNTER_rooms, 2);
	counter_set(COUNTER_relay_peers, 1);
	counter_reason(REASON_ws_utf8);
	counter_auth_failed(AUTH_FAILED_expired);
	counter_auth_failed(0);
	counter_auth_failed(AUTH_FAILED__MAX);
	histogram_add(HISTOGRAM_rtt_us, 100);
	counter_ns_add(0, NS_events_in, 7);
	counter_ns_add(255, NS_events_in, 8);
	counter_ns_add(256, NS_events_in, 9);
	counter_ns_add(65535, NS_events_in, 9);
	assert_int_equal(counter_get(COUNTER_rooms), 3);
	assert_int_equal(column[CELL_REASON + REASON_ws_utf8], 1);
	assert_int_equal(counter_ns_get(0, NS_events_in), 7);
	assert_int_equal(counter_ns_get(255, NS_events_in), 8);
	assert_int_equal(counter_ns_get(300, NS_events_in), 18);
	counter_ns_set(0, NS_users, 4);
	counter_ns_sub(0, NS_users, 1);
	assert_int_equal(counter_ns_get(0, NS_users), 3);
	for (i = 0; i < COUNTERS_CELLS; i++)
		used += column[i] != 0;
	assert_int_equal(used, 11);
}

static void
rows_cover_each_cell_once(void **state)
{
	static uint8_t seen[CELL_NS];
	struct counters_row r;
	unsigned i, j;

	(void)state;
	for (i = 0; counters_row(i, &r); i++) {
		assert_true(r.name[0] != '\0' && r.help[0] != '\0');
		assert_true(strspn(r.name,
		    "abcdefghijklmnopqrstuvwxyz0123456789_") ==
		    strlen(r.name));
		assert_true(r.cell + r.ncells <= CELL_NS);
		for (j = 0; j < r.ncells; j++)
			assert_int_equal(seen[r.cell + j]++, 0);
	}
	for (i = 0; i < CELL_NS; i++)
		if (i != CELL_AUTHFAIL) /* "no failure" is not exported */
			assert_int_equal(seen[i], 1);
	for (i = 0; counters_ns_row(i, &r); i++)
		assert_int_equal(r.cell, i);
	assert_int_equal(i, NS__MAX);
}

/* Rows of a family stand together, have distinct labels and one type. */
static void
families_stand_together(void **state)
{
	struct counters_row a, b;
	unsigned i, j;
	bool apart;

	(void)state;
	for (i = 0; counters_row(i, &a); i++)
		for (apart = false, j = i + 1; counters_row(j, &b); j++) {
			if (strcmp(a.name, b.name) != 0) {
				apart = true;
				continue;
			}
			assert_false(apart);
			assert_int_equal(a.type, b.type);
			assert_string_not_equal(a.labels, b.labels);
		}
}

static void
buckets_are_narrow_and_in_order(void **state)
{
	uint64_t v;
	unsigned i;

	(void)state;
	for (i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		assert_true(histogram_lower(i) < histogram_lower(i + 1));
		assert_int_equal(histogram_bucket(histogram_lower(i)), i);
		assert_int_equal(
		    histogram_bucket(histogram_lower(i + 1) - 1), i);
		if (i >= 16)
			assert_true((histogram_lower(i + 1) -
			    histogram_lower(i)) * 8 <= histogram_lower(i));
	}
	for (v = 1; v != 0; v <<= 1)
		assert_true(histogram_bucket(v) < HISTOGRAM_BUCKETS);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	histogram_add(HISTOGRAM_rtt_us, 5);
	histogram_add(HISTOGRAM_rtt_us, 1000);
	i = CELL_HISTOGRAM + HISTOGRAM_rtt_us * HISTOGRAM_CELLS;
	assert_int_equal(column[i + 5], 1);
	assert_int_equal(column[i + histogram_bucket(1000)], 1);
	assert_int_equal(column[i + HISTOGRAM_CELLS - 1], 1005);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(counting_works_without_a_column),
		T(each_kind_counts_in_its_own_cell),
		T(rows_cover_each_cell_once),
		T(families_stand_together),
		T(buckets_are_narrow_and_in_order),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
