/* The host's budget of handshakes: by the clock, by two lanes, by several
 * processes at once. */
#include <sys/mman.h>
#include <sys/wait.h>

#include <stdatomic.h>
#include <unistd.h>

#include "check.h"
#include "shm/bucket.h"
#include "shm/bucket_storm.h"

static struct segment *seg;
static struct storm_rate rate;
static const struct mono start = { UINT64_C(7777000000) };

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 1, .presence_max = 10,
		.interest_max = 10, .rate_ways = 1024, .max_ns = 1 };

	(void)state;
	storm_rate_init(&rate, 1000);
	seg = segment_create(&p);
	return (seg == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	segment_free(&seg);
	return (0);
}

static struct mono
at_us(uint64_t us)
{
	return ((struct mono){ start.us + us });
}

static unsigned
admitted(enum storm_lane lane, unsigned tries, uint64_t us)
{
	unsigned i, n = 0;

	for (i = 0; i < tries; i++)
		n += storm_admit(seg, &rate, lane, at_us(us));
	return (n);
}

static void
without_a_limit_all_come_in(void **state)
{
	(void)state;
	storm_rate_init(&rate, 0);
	assert_int_equal(admitted(STORM_STRANGER, 100000, 0), 100000);
}

/* One kind alone has the whole of it, and not more, in any second. */
static void
one_kind_alone_has_the_whole(void **state)
{
	enum storm_lane lane;
	unsigned ms, n, first;

	(void)state;
	for (lane = 0; lane < STORM__LANES; lane++) {
		first = n = 0;
		for (ms = 0; ms < 3000; ms++) {
			n += admitted(lane, 20, ms * 1000 +
			    lane * UINT64_C(10000000));
			if (ms == 999)
				first = n;
		}
		assert_in_range(first, 1000, 1251);
		assert_in_range(n - first, 1990, 2010);
	}
}

static void
a_quarter_may_come_at_once(void **state)
{
	unsigned n;

	(void)state;
	/* less what the other kind keeps of what is its own */
	n = admitted(STORM_STRANGER, 5000, 0);
	assert_in_range(n, 150, 160);
	n += admitted(STORM_KNOWN, 5000, 0);
	assert_in_range(n, 245, 251);
	assert_int_equal(admitted(STORM_KNOWN, 5000, 0), 0);
	assert_int_equal(admitted(STORM_STRANGER, 5000, 0), 0);
}

static void
who_is_known_goes_first_and_nobody_starves(void **state)
{
	unsigned ms, known = 0, others = 0;

	(void)state;
	for (ms = 0; ms < 2000; ms++) {
		others += admitted(STORM_STRANGER, 30, ms * 1000);
		known += admitted(STORM_KNOWN, 3, ms * 1000);
	}
	assert_in_range(known + others, 2000, 2251);
	assert_in_range(known, 1450, 1700);
	assert_in_range(others, 490, 660);
}

/* Also where a handshake costs more than what may come at once. */
static void
in_a_small_budget_nobody_starves(void **state)
{
	unsigned ms, known = 0, others = 0;

	(void)state;
	storm_rate_init(&rate, 8);
	for (ms = 0; ms < 100000; ms++) {
		known += admitted(STORM_KNOWN, 2, ms * 1000);
		others += admitted(STORM_STRANGER, 2, ms * 1000);
	}
	assert_in_range(known + others, 795, 803);
	assert_in_range(known, 590, 610);
}

/* Few known ones: the others may have what these leave. */
static void
what_is_left_by_one_kind_the_other_takes(void **state)
{
	unsigned ms, known = 0, others = 0;

	(void)state;
	for (ms = 0; ms < 2000; ms++) {
		if (ms % 10 == 0)
			known += admitted(STORM_KNOWN, 1, ms * 1000);
		others += admitted(STORM_STRANGER, 30, ms * 1000);
	}
	assert_int_equal(known, 200);
	assert_in_range(known + others, 2000, 2251);
}

static void
a_small_budget_lets_one_pass_of_each(void **state)
{
	unsigned i, n = 0;

	(void)state;
	storm_rate_init(&rate, 1);
	assert_int_equal(admitted(STORM_STRANGER, 9, 0), 2);
	for (i = 1; i <= 6000; i++)
		n += admitted(STORM_STRANGER, 9, i * UINT64_C(10000));
	assert_in_range(n, 58, 61);
	storm_rate_init(&rate, 1000000);
	assert_in_range(admitted(STORM_KNOWN, 400000, UINT64_C(100000000)),
	    200000, 250001);
}

/* 3,000 that come at once are told to come 750 a second: never all of those who
 * come in one second are let in. */
static void
who_is_refused_comes_back_at_the_pace_of_the_budget(void **state)
{
	unsigned told[STORM_SPREAD_S + 1] = { 0 };
	unsigned i, s;
	bool begins;

	(void)state;
	for (i = 0; i < 3000; i++) {
		s = storm_refuse(seg, &rate, start, i, &begins);
		assert_in_range(s, 1, STORM_SPREAD_S);
		told[s]++;
		assert_int_equal(begins, i == 0);
	}
	for (s = 1; s <= 4; s++)
		assert_in_range(told[s], 749, 751);
	/* many more than the spread has room for: any time is as good */
	for (i = 0; i < 300000; i++)
		told[storm_refuse(seg, &rate, start, i, &begins)]++;
	for (s = 1; s <= STORM_SPREAD_S; s++)
		assert_in_range(told[s], 9000, 12000);
}

static void
a_storm_ends_once_when_it_was_quiet(void **state)
{
	struct storm_sum sum;
	bool begins;
	unsigned i;

	(void)state;
	assert_false(storm_ends(seg, start, &sum));
	for (i = 0; i < 7; i++)
		(void)storm_refuse(seg, &rate, at_us(i * 1000000), i, &begins);
	assert_false(storm_ends(seg, at_us(15900000), &sum));
	assert_true(storm_ends(seg, at_us(16100000), &sum));
	assert_int_equal(sum.refused, 7);
	assert_int_equal(sum.ms, 6000);
	assert_false(storm_ends(seg, at_us(16200000), &sum));
	(void)storm_refuse(seg, &rate, at_us(20000000), 1, &begins);
	assert_true(begins);
	assert_true(storm_ends(seg, at_us(40000000), &sum));
	assert_int_equal(sum.refused, 1);
}

static void
an_address_is_known_for_two_minutes(void **state)
{
	uint32_t cursor = 0;

	(void)state;
	assert_int_equal(storm_lane(seg, 5, start), STORM_STRANGER);
	storm_note(seg, 5, start);
	assert_int_equal(storm_lane(seg, 5, start), STORM_KNOWN);
	assert_int_equal(storm_lane(seg, 6, start), STORM_STRANGER);
	assert_int_equal(storm_lane(seg, 5, at_us(119000000)), STORM_KNOWN);
	assert_int_equal(storm_lane(seg, 5, at_us(121000000)),
	    STORM_STRANGER);
	storm_note(seg, 5, at_us(110000000));
	assert_int_equal(storm_lane(seg, 5, at_us(229000000)), STORM_KNOWN);
	/* what is past does not become the future when its clock wraps */
	bucket_age(seg, &cursor, at_us(240000000), 128);
	assert_int_equal(storm_lane(seg, 5, at_us(UINT64_C(1) << 43)),
	    STORM_STRANGER);
}

/* Those who were lost last stay known. */
static void
when_there_is_no_room_the_oldest_are_forgotten(void **state)
{
	unsigned i, known = 0;

	(void)state;
	for (i = 1; i <= 4096; i++)
		storm_note(seg, i, at_us(i * UINT64_C(1000)));
	for (i = 4096 - 200; i <= 4096; i++)
		known += storm_lane(seg, i, at_us(5000000)) == STORM_KNOWN;
	assert_in_range(known, 190, 201);
	for (i = 1, known = 0; i <= 1000; i++)
		known += storm_lane(seg, i, at_us(5000000)) == STORM_KNOWN;
	/* by a key that is another each time, few may have come into a set */
	assert_in_range(known, 0, 8);
}

#define RACERS	4
#define TRIES	200000

struct race {
	_Atomic uint32_t go;
	_Atomic uint32_t in;
	_Atomic uint32_t first;
	_Atomic uint32_t last;
};

static void
run(struct race *r, unsigned me)
{
	struct storm_sum sum;
	unsigned i, n = 0, first = 0;
	bool begins;

	atomic_fetch_add(&r->go, 1);
	while (atomic_load(&r->go) < RACERS)
		continue;
	for (i = 0; i < TRIES; i++) {
		/* all at the same moment */
		n += storm_admit(seg, &rate, i % 2, start);
		if (i % 16 == 0) {
			(void)storm_refuse(seg, &rate, start, i + me, &begins);
			first += begins;
		}
	}
	atomic_fetch_add(&r->in, n);
	atomic_fetch_add(&r->first, first);
	while (atomic_load(&r->go) < RACERS)
		continue;
	atomic_fetch_add(&r->last, storm_ends(seg, at_us(UINT64_C(60000000)),
	    &sum));
	_exit(0);
}

static void
racing_processes_share_one_budget(void **state)
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
			run(r, (unsigned)i);
	}
	for (i = 0; i < RACERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	/* a quarter, and who lost sixteen races in a row */
	assert_in_range(r->in, 248, 260);
	assert_true(r->last >= 1);
	/* begun once, and again for each end */
	assert_true(r->first >= 1 && r->first <= r->last + 1);
	assert_int_equal(munmap(r, sizeof *r), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(without_a_limit_all_come_in),
		T(one_kind_alone_has_the_whole),
		T(a_quarter_may_come_at_once),
		T(who_is_known_goes_first_and_nobody_starves),
		T(in_a_small_budget_nobody_starves),
		T(what_is_left_by_one_kind_the_other_takes),
		T(a_small_budget_lets_one_pass_of_each),
		T(who_is_refused_comes_back_at_the_pace_of_the_budget),
		T(a_storm_ends_once_when_it_was_quiet),
		T(an_address_is_known_for_two_minutes),
		T(when_there_is_no_room_the_oldest_are_forgotten),
		T(racing_processes_share_one_budget),
#undef T
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
