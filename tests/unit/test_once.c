/* Names claimed once: by one worker, by several at the same moment. */
#include <sys/mman.h>
#include <sys/wait.h>

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "shm/counters.h"
#include "shm/once.h"

#define WAYS	1024

static struct segment *seg;
static const struct mono start = { UINT64_C(7777000000) };

static int
make(uint32_t ways)
{
	struct segment_params p = { .max_workers = 1, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .once_ways = ways,
		.max_ns = 1 };

	seg = segment_create(&p);
	return (seg == NULL ? -1 : 0);
}

static int
setup(void **state)
{
	(void)state;
	return (make(WAYS));
}

/* So many that of NAMES none is forgotten before the slowest comes by. */
static int
setup_large(void **state)
{
	(void)state;
	return (make(1u << 20));
}

static int
teardown(void **state)
{
	(void)state;
	segment_free(&seg);
	return (0);
}

static enum once
claim(const char *name, uint64_t s)
{
	return (once_claim(seg, slice_str(name), mono_add_ms(start,
	    s * 1000)));
}

static void
a_name_is_claimed_once_for_five_minutes(void **state)
{
	(void)state;
	assert_int_equal(claim("a", 0), ONCE_FIRST);
	assert_int_equal(claim("a", 0), ONCE_AGAIN);
	assert_int_equal(claim("b", 1), ONCE_FIRST);
	assert_int_equal(claim("a", 299), ONCE_AGAIN);
	assert_int_equal(claim("a", 300), ONCE_AGAIN);
	assert_int_equal(claim("a", 360), ONCE_FIRST);
	assert_int_equal(claim("a", 361), ONCE_AGAIN);
}

static void
a_refused_claim_does_not_prolong_the_time(void **state)
{
	unsigned s;

	(void)state;
	assert_int_equal(claim("a", 0), ONCE_FIRST);
	for (s = 10; s <= 300; s += 10)
		assert_int_equal(claim("a", s), ONCE_AGAIN);
	assert_int_equal(claim("a", 360), ONCE_FIRST);
}

static void
a_clock_that_is_a_turn_behind_still_knows(void **state)
{
	(void)state;
	assert_int_equal(claim("a", 16), ONCE_FIRST);
	assert_int_equal(claim("a", 0), ONCE_AGAIN);
}

static void
a_table_in_use_forgets_the_oldest_and_counts_it(void **state)
{
	char name[24];
	unsigned i, known = 0;
	uint64_t forgotten;

	(void)state;
	for (i = 0; i < 4 * WAYS; i++) {
		(void)snprintf(name, sizeof name, "n%u", i);
		assert_int_equal(claim(name, i / 16), ONCE_FIRST);
	}
	forgotten = counter_get(COUNTER_api_ids_forgotten);
	assert_true(forgotten >= 3 * WAYS);
	/* of the last two seconds, none: 48 names do not share one set of 8 */
	for (i = 4 * WAYS - 32; i < 4 * WAYS; i++) {
		(void)snprintf(name, sizeof name, "n%u", i);
		known += claim(name, 4 * WAYS / 16) == ONCE_AGAIN;
	}
	assert_int_equal(known, 32);
}

/* What is overwritten in a set that fills within one second is spread. */
static void
a_burst_of_one_second_forgets_some_of_all(void **state)
{
	char name[24];
	unsigned i, known = 0;

	(void)state;
	for (i = 0; i < 4 * WAYS; i++) {
		(void)snprintf(name, sizeof name, "n%u", i);
		assert_int_equal(claim(name, 7), ONCE_FIRST);
	}
	/* a name is known after WAYS more with a chance of about 1/e; claims of
	 * the unknown forget others, so the latest are asked first */
	for (i = 4 * WAYS; i-- > 3 * WAYS;) {
		(void)snprintf(name, sizeof name, "n%u", i);
		known += claim(name, 7) == ONCE_AGAIN;
	}
	assert_in_range(known, WAYS / 3, WAYS);
}

static void
names_that_are_long_past_make_room_without_being_counted(void **state)
{
	uint64_t before = counter_get(COUNTER_api_ids_forgotten);
	char name[24];
	unsigned i, round;

	(void)state;
	for (round = 0; round < 20; round++)
		for (i = 0; i < WAYS / 4; i++) {
			(void)snprintf(name, sizeof name, "r%u.%u", round, i);
			assert_int_equal(claim(name, round * 400), ONCE_FIRST);
		}
	/* a quarter full: sets of eight hardly ever see nine */
	assert_true(counter_get(COUNTER_api_ids_forgotten) - before < 20);
}

#define RACERS	4
#define NAMES	20000

struct race {
	_Atomic uint32_t go;
	_Atomic uint32_t won[NAMES];
};

static void
run(struct race *r)
{
	char name[24];
	unsigned i;

	atomic_fetch_add(&r->go, 1);
	while (atomic_load(&r->go) < RACERS)
		continue;
	for (i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof name, "x%u", i);
		if (claim(name, i / 500) == ONCE_FIRST)
			atomic_fetch_add(&r->won[i], 1);
	}
	_exit(0);
}

static void
of_racing_processes_exactly_one_wins_each_name(void **state)
{
	struct race *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[RACERS];
	int i, status;

	(void)state;
	assert_ptr_not_equal(r, MAP_FAILED);
	for (i = 0; i < RACERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			run(r);
	}
	for (i = 0; i < RACERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (i = 0; i < NAMES; i++)
		assert_int_equal(r->won[i], 1);
	assert_int_equal(munmap(r, sizeof *r), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_name_is_claimed_once_for_five_minutes),
		T(a_refused_claim_does_not_prolong_the_time),
		T(a_clock_that_is_a_turn_behind_still_knows),
		T(a_table_in_use_forgets_the_oldest_and_counts_it),
		T(a_burst_of_one_second_forgets_some_of_all),
		T(names_that_are_long_past_make_room_without_being_counted),
		cmocka_unit_test_setup_teardown(
		    of_racing_processes_exactly_one_wins_each_name,
		    setup_large, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
