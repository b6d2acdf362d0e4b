/* How long messages take: all are counted, each from its arrival. */
#include "check.h"
#include "hub/queue/latency.h"
#include "shm/counters.h"

static struct latency l;

static uint64_t
cell(unsigned i)
{
	return (counters_column[CELL_HISTOGRAM +
	    HISTOGRAM_delivery_us * HISTOGRAM_CELLS + i]);
}

static uint64_t
counted(uint64_t us)
{
	return (cell(histogram_bucket(us)));
}

static uint64_t
sum(void)
{
	return (cell(HISTOGRAM_CELLS - 1));
}

static void
each_message_is_counted_from_its_arrival(void **state)
{
	(void)state;
	latency_queued(&l, (struct mono){ 1000 });
	latency_queued(&l, (struct mono){ 1000 });
	latency_queued(&l, (struct mono){ 400 });	/* of another worker */
	latency_queued(&l, (struct mono){ 1000 });
	assert_int_equal(sum(), 0);
	latency_written(&l, (struct mono){ 1010 });
	assert_int_equal(counted(10), 3);
	assert_int_equal(counted(610), 1);
	assert_int_equal(sum(), 3 * 10 + 610);
	latency_written(&l, (struct mono){ 2000 });
	assert_int_equal(sum(), 3 * 10 + 610);
}

static void
none_is_left_out_however_many_there_are(void **state)
{
	uint64_t before = sum();
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++)
		latency_queued(&l, (struct mono){ 5000 + i % 100 });
	latency_written(&l, (struct mono){ 7000 });
	assert_in_range(sum() - before, 1000 * 1900, 1000 * 2000);
	/* clocks of two processes may be a little apart */
	before = counted(0);
	latency_queued(&l, (struct mono){ 8000 });
	latency_written(&l, (struct mono){ 7990 });
	assert_int_equal(counted(0) - before, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_is_counted_from_its_arrival),
		cmocka_unit_test(none_is_left_out_however_many_there_are),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
