/* Rate buckets: GCRA by the book, floods, and the clock's edges. */
#include "check.h"
#include "shm/bucket.h"
#include "shm/counters.h"
#include "shm/hook.h"
#include "shm/layout.h"

static void (*rival)(void);	/* another process, at each hook */

void
shm_hook(void)
{
	void (*f)(void) = rival;

	rival = NULL;	/* it is not interrupted itself */
	if (f != NULL)
		f();
	rival = f;
}

static struct segment *seg;
static uint32_t cursor;		/* of bucket_age() */
static struct bucket_rate rate;		/* 10 per second, 5 at once */
static const struct mono start = { 5000000000 };

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 1, .presence_max = 10,
		.interest_max = 10, .rate_ways = 1024, .max_ns = 1 };

	(void)state;
	seg = segment_create(&p);
	if (seg == NULL || !bucket_rate_init(&rate, 3, 10, 1000000, 5))
		return (-1);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	segment_free(&seg);
	return (0);
}

static struct mono
after_ms(uint64_t ms)
{
	return (mono_add_ms(start, ms));
}

static enum bucket_verdict
ask(const char *key, uint64_t ms)
{
	return (bucket_check(seg, &rate, slice_str(key), 1, after_ms(ms),
	    NULL));
}

static void
a_burst_passes_and_then_the_rate(void **state)
{
	uint64_t retry = 1;
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(ask("ann", 0), BUCKET_ALLOW);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 1, start,
	    &retry), BUCKET_DENY);
	assert_int_equal(retry, 100000);
	assert_int_equal(ask("bob", 0), BUCKET_ALLOW);
	assert_int_equal(ask("ann", 99), BUCKET_DENY);
	assert_int_equal(ask("ann", 100), BUCKET_ALLOW);
	assert_int_equal(ask("ann", 100), BUCKET_DENY);
	/* long idle: the burst again, and no more */
	for (i = 0; i < 5; i++)
		assert_int_equal(ask("ann", 60000), BUCKET_ALLOW);
	assert_int_equal(ask("ann", 60000), BUCKET_DENY);
}

static void
a_refusal_charges_nothing(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++)
		(void)ask("ann", 0);
	assert_int_equal(ask("ann", 100), BUCKET_ALLOW);
}

static void
the_cost_counts(void **state)
{
	uint64_t retry;

	(void)state;
	assert_int_equal(bucket_check(seg, &rate, SLICE("a"), 3, start,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(bucket_check(seg, &rate, SLICE("a"), 3, start,
	    &retry), BUCKET_DENY);
	assert_int_equal(retry, 100000);
	assert_int_equal(bucket_check(seg, &rate, SLICE("a"), 2, start,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(retry, 0);
	assert_int_equal(bucket_check(seg, &rate, SLICE("b"), 6, start,
	    &retry), BUCKET_DENY);
	assert_true(retry == UINT64_MAX);
	assert_int_equal(bucket_check(seg, &rate, SLICE("b"), 0, start,
	    &retry), BUCKET_ALLOW);
}

static void
classes_do_not_share_keys(void **state)
{
	struct bucket_rate other;
	unsigned i;

	(void)state;
	assert_true(bucket_rate_init(&other, 4, 10, 1000000, 1));
	for (i = 0; i < 6; i++)
		(void)ask("ann", 0);
	assert_int_equal(bucket_check(seg, &other, SLICE("ann"), 1, start,
	    NULL), BUCKET_ALLOW);
}

static void
rates_beyond_a_word_are_refused(void **state)
{
	struct bucket_rate r;

	(void)state;
	assert_false(bucket_rate_init(&r, 64, 1, 1000000, 1));
	assert_false(bucket_rate_init(&r, 0, 0, 1000000, 1));
	assert_false(bucket_rate_init(&r, 0, 1000000, 1000000, 1));
	assert_true(bucket_rate_init(&r, 0, 250000, 1000000, 1));
	assert_int_equal(r.ticks, 1);
	assert_false(bucket_rate_init(&r, 0, 1, 86400000000, 102));
	assert_true(bucket_rate_init(&r, 0, 1, 86400000000, 101));
	assert_true(bucket_rate_init(&r, 0, 200, 60000000, 0));
	assert_int_equal(r.limit, r.ticks);
	/* one debt more would have the sign of none */
	assert_false(bucket_rate_init(&r, 0, 1, UINT64_C(4) << 41, 1));
	assert_true(bucket_rate_init(&r, 0, 1, (UINT64_C(4) << 41) - 4, 1));
}

static void
the_clock_may_wrap(void **state)
{
	/* 2^42 ticks of 4 us: a wrap in the middle of a burst */
	uint64_t wrap = ((uint64_t)1 << 42) * 4;
	struct mono before = { wrap - 100000 }, later = { wrap + 100000 };
	unsigned i, ok = 0;

	(void)state;
	for (i = 0; i < 8; i++)
		ok += bucket_check(seg, &rate, SLICE("ann"), 1, before,
		    NULL) == BUCKET_ALLOW;
	assert_int_equal(ok, 5);
	for (i = 0; i < 8; i++)
		ok += bucket_check(seg, &rate, SLICE("ann"), 1, later,
		    NULL) == BUCKET_ALLOW;
	assert_int_equal(ok, 7);
}

static void
a_flood_of_strangers_does_not_free_the_limited(void **state)
{
	char key[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++)
		(void)ask("abuser", 0);
	for (i = 0; i < 100000; i++) {
		snprintf(key, sizeof key, "k%u", i);
		(void)ask(key, 0);
	}
	assert_int_equal(ask("abuser", 0), BUCKET_DENY);
	assert_int_equal(ask("abuser", 1000), BUCKET_ALLOW);
}

static void
a_full_set_is_limited_as_a_class(void **state)
{
	char key[16];
	unsigned i, j, allowed = 0;
	uint64_t retry = 0;

	(void)state;
	/* 1024 ways whose owners are all deep in debt */
	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof key, "k%u", i);
		for (j = 0; j < 5; j++)
			(void)ask(key, 0);
	}
	/* the class's bucket: a hundred times five, and it is spent */
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "new%u", i);
		allowed += bucket_check(seg, &rate, slice_str(key), 1, start,
		    &retry) == BUCKET_ALLOW;
	}
	assert_true(allowed < 100);
	assert_true(counter_get(COUNTER_rate_set_full) > 0);
	assert_true(retry > 0 && retry < 2000);
}

/* As many words as there are, in all sets: the low bits choose the set. */
static void
keys_are_spread_over_all_sets(void **state)
{
	const struct shm_header *h = segment_header(seg);
	const uint64_t *word = (const uint64_t *)(const void *)
	    ((const uint8_t *)h + h->rate_set);
	unsigned i, k, used, least = SHM_WAYS;
	char key[16];

	(void)state;
	assert_int_equal(h->rate_nsets, 128);
	for (i = 0; i < 8192; i++) {	/* 64 a set: none is left empty */
		snprintf(key, sizeof key, "key%u", i);
		(void)ask(key, 0);
	}
	for (i = 0; i < 128; i++) {
		for (k = used = 0; k < SHM_WAYS; k++)
			used += word[i * SHM_WAYS + k] != 0;
		least = used < least ? used : least;
	}
	assert_true(least > 0);
	/* none behind the last */
	for (k = 0; k < SHM_WAYS; k++)
		assert_true(word[128 * SHM_WAYS + k] == 0 ||
		    h->rate_set + 128 * SHM_WAYS * 8 == h->once_set);
}

/* All ways of all sets, with more debt than others may displace. */
static void
fill_all_ways(void)
{
	struct bucket_rate big;
	char key[16];
	unsigned i;

	assert_true(bucket_rate_init(&big, 9, 1, 60000000, 10));
	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof key, "big%u", i);
		(void)bucket_check(seg, &big, slice_str(key), 10, start, NULL);
	}
}

/* How many of these keys are; one in half a million may share the tag of a
 * word that owes, so the first that is refused says nothing. */
static unsigned
allowed(const struct bucket_rate *r, unsigned most)
{
	char key[16];
	unsigned i, n;

	for (i = n = 0; i < most; i++) {
		snprintf(key, sizeof key, "s%u", i);
		n += bucket_check(seg, r, slice_str(key), 1, start, NULL) ==
		    BUCKET_ALLOW;
	}
	return (n);
}

static void
each_class_has_an_overflow_of_its_own(void **state)
{
	struct bucket_rate other;
	uint64_t retry;

	(void)state;
	assert_true(bucket_rate_init(&other, 63, 10, 1000000, 5));
	fill_all_ways();
	/* a hundred times five */
	assert_int_equal(allowed(&rate, 2000), 500);
	assert_int_equal(allowed(&rate, 2000), 0);
	assert_int_equal(allowed(&other, 2000), 500);
	assert_int_equal(bucket_check(seg, &rate, SLICE("x"), 1, start,
	    &retry), BUCKET_DENY);
	/* and a hundred times the rate: 1 ms each */
	assert_int_equal(retry, 1001);
	assert_int_equal(bucket_check(seg, &rate, SLICE("x"), 1, after_ms(1),
	    &retry), BUCKET_ALLOW);
	assert_int_equal(bucket_check(seg, &rate, SLICE("x"), 1, after_ms(1),
	    &retry), BUCKET_DENY);
	/* peeking at a key that has no word: it would be allowed */
	assert_int_equal(bucket_peek(seg, &rate, SLICE("x"), 5, start,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(retry, 0);
}

/* A newcomer takes a way whose debt is at most half of what it may owe. */
static void
who_owes_little_is_displaced(void **state)
{
	struct bucket_rate half, more, one;
	char key[16];
	unsigned i;

	(void)state;
	assert_true(bucket_rate_init(&one, 1, 10, 1000000, 2));
	assert_true(bucket_rate_init(&half, 2, 10, 1000000, 10));
	assert_true(bucket_rate_init(&more, 5, 10, 1000000, 10));
	for (i = 0; i < 20000; i++) {
		/* five units of debt everywhere */
		snprintf(key, sizeof key, "h%u", i);
		(void)bucket_check(seg, &half, slice_str(key), 5, start, NULL);
	}
	/* five is half of ten: displaced, not overflowed */
	i = (unsigned)counter_get(COUNTER_rate_set_full);
	assert_int_equal(bucket_check(seg, &more, SLICE("new"), 1, start,
	    NULL), BUCKET_ALLOW);
	assert_int_equal(counter_get(COUNTER_rate_set_full), i);
	/* and more than half of two */
	assert_int_equal(bucket_check(seg, &one, SLICE("new"), 1, start,
	    NULL), BUCKET_ALLOW);
	assert_int_equal(counter_get(COUNTER_rate_set_full), i + 1);
}

static void
nothing_costs_nothing_even_at_the_limit(void **state)
{
	uint64_t retry = 1;
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++)
		(void)ask("ann", 0);
	assert_int_equal(bucket_check(seg, &rate, SLICE("ann"), 0, start,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(retry, 0);
	retry = 1;
	assert_int_equal(bucket_peek(seg, &rate, SLICE("ann"), 0, start,
	    &retry), BUCKET_ALLOW);
	assert_int_equal(retry, 0);
	/* ... and changes nothing */
	assert_int_equal(ask("ann", 99), BUCKET_DENY);
	assert_int_equal(ask("ann", 100), BUCKET_ALLOW);
}

/* The finest rate there is: a tick each, and not one is given away. */
static void
a_single_tick_counts(void **state)
{
	struct bucket_rate fine;
	uint64_t retry;

	(void)state;
	assert_true(bucket_rate_init(&fine, 1, 250000, 1000000, 1));
	assert_int_equal(fine.ticks, 1);
	assert_int_equal(bucket_check(seg, &fine, SLICE("ann"), 1, start,
	    NULL), BUCKET_ALLOW);
	assert_int_equal(bucket_peek(seg, &fine, SLICE("ann"), 1, start,
	    &retry), BUCKET_DENY);
	assert_int_equal(retry, 4);
	assert_int_equal(bucket_check(seg, &fine, SLICE("ann"), 1, start,
	    &retry), BUCKET_DENY);
	/* the whole burst at once: when all is paid, not never */
	assert_int_equal(retry, 4);
	assert_int_equal(bucket_check(seg, &fine, SLICE("ann"), 1,
	    (struct mono){ start.us + 4 }, &retry), BUCKET_ALLOW);
	assert_int_equal(retry, 0);
}

/* A second after its debt was paid, and not before. */
static void
a_word_is_emptied_a_second_after_its_debt(void **state)
{
	const struct shm_header *h = segment_header(seg);
	const uint64_t *word = (const uint64_t *)(const void *)
	    ((const uint8_t *)h + h->rate_set);
	uint64_t left[] = { 1099996, 1100000 };
	unsigned i, k, used;

	(void)state;
	(void)ask("ann", 0);			/* a debt of 100 ms */
	for (k = 0; k < 2; k++) {
		bucket_age(seg, &cursor, (struct mono){ start.us + left[k] },
		    h->rate_nsets);
		for (i = used = 0; i < h->rate_nsets * SHM_WAYS; i++)
			used += word[i] != 0;
		assert_int_equal(used, k == 0);
	}
}

/* What stands there is as old as can be, and not a rate. */
static void
what_stands_behind_the_last_set_is_left_alone(void **state)
{
	const struct shm_header *h = segment_header(seg);
	uint64_t *behind = (uint64_t *)(void *)((uint8_t *)
	    segment_header(seg) + h->rate_set) + h->rate_nsets * SHM_WAYS;

	(void)state;
	*behind = UINT64_C(1) << 42 | 1;
	bucket_age(seg, &cursor, after_ms(0), h->rate_nsets * 2);
	assert_true(*behind == (UINT64_C(1) << 42 | 1));
	*behind = 0;
}

static struct bucket_rate wide;		/* so much that nobody is refused */

static void
asks_for_ann(void)
{
	(void)bucket_check(seg, &rate, SLICE("ann"), 1, start, NULL);
}

static void
asks_for_ann_widely(void)
{
	(void)bucket_check(seg, &wide, SLICE("ann"), 1, start, NULL);
}

/* Each time that it is about to write, somebody else has written. */
static void
who_always_loses_is_let_through_and_counted(void **state)
{
	uint64_t contended = counter_get(COUNTER_rate_contended);

	(void)state;
	assert_true(bucket_rate_init(&wide, 4, 1000, 1000000, 1000));
	rival = asks_for_ann_widely;
	assert_int_equal(bucket_check(seg, &wide, SLICE("ann"), 1, start,
	    NULL), BUCKET_ALLOW);
	rival = NULL;
	assert_int_equal(counter_get(COUNTER_rate_contended), contended + 1);
	/* but not beyond the limit: the others' are counted */
	rival = asks_for_ann;
	assert_int_equal(ask("ann", 0), BUCKET_DENY);
	rival = NULL;
	assert_int_equal(counter_get(COUNTER_rate_contended), contended + 1);
	assert_int_equal(ask("ann", 99), BUCKET_DENY);
	assert_int_equal(ask("ann", 100), BUCKET_ALLOW);
}

static void
words_of_the_past_are_emptied(void **state)
{
	const struct shm_header *h = segment_header(seg);
	const uint64_t *word = (const uint64_t *)(const void *)
	    ((const uint8_t *)h + h->rate_set);
	unsigned i, used = 0;
	char key[16];

	(void)state;
	(void)ask("ann", 0);
	bucket_age(seg, &cursor, after_ms(500), h->rate_nsets);
	for (i = 0; i < h->rate_nsets * SHM_WAYS; i++)
		used += word[i] != 0;
	assert_int_equal(used, 1);
	/* all ways of all sets */
	for (i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "k%u", i);
		(void)ask(key, 0);
	}
	bucket_age(seg, &cursor, after_ms(1200), h->rate_nsets);
	for (i = 0; i < h->rate_nsets * SHM_WAYS; i++)
		assert_true(word[i] == 0);
}

static void
to_peek_costs_nothing(void **state)
{
	uint64_t retry = 1;
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(bucket_peek(seg, &rate, SLICE("ann"), 1,
		    start, &retry), BUCKET_ALLOW);
	assert_int_equal(retry, 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(ask("ann", 0), BUCKET_ALLOW);
	assert_int_equal(bucket_peek(seg, &rate, SLICE("ann"), 1, start,
	    &retry), BUCKET_DENY);
	assert_int_equal(retry, 100000);
	assert_int_equal(bucket_peek(seg, &rate, SLICE("ann"), 1,
	    after_ms(100), NULL), BUCKET_ALLOW);
	assert_int_equal(bucket_peek(seg, &rate, SLICE("ann"), 6, start,
	    &retry), BUCKET_DENY);
	assert_true(retry == UINT64_MAX);
	assert_int_equal(bucket_peek(seg, &rate, SLICE("bob"), 5, start,
	    NULL), BUCKET_ALLOW);
}

/* A plain bucket in real numbers, over random times. */
static void
decisions_agree_with_a_plain_model(void **state)
{
	uint64_t rng = 7, now = 0, tat = 0, debt;
	bool want, got;
	unsigned i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		rng = rng * 6364136223846793005u + 1442695040888963407u;
		now += (rng >> 33) % 200 * 1000;
		debt = tat > now ? tat - now : 0;
		want = debt + 100000 <= 500000;
		if (want)
			tat = now + debt + 100000;
		got = ask("model", now / 1000) == BUCKET_ALLOW;
		assert_int_equal(got, want);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_burst_passes_and_then_the_rate),
		T(a_refusal_charges_nothing),
		T(the_cost_counts),
		T(to_peek_costs_nothing),
		T(classes_do_not_share_keys),
		T(rates_beyond_a_word_are_refused),
		T(the_clock_may_wrap),
		T(a_flood_of_strangers_does_not_free_the_limited),
		T(a_full_set_is_limited_as_a_class),
		T(who_always_loses_is_let_through_and_counted),
		T(keys_are_spread_over_all_sets),
		T(each_class_has_an_overflow_of_its_own),
		T(who_owes_little_is_displaced),
		T(nothing_costs_nothing_even_at_the_limit),
		T(a_word_is_emptied_a_second_after_its_debt),
		T(a_single_tick_counts),
		T(what_stands_behind_the_last_set_is_left_alone),
		T(words_of_the_past_are_emptied),
		T(decisions_agree_with_a_plain_model),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
