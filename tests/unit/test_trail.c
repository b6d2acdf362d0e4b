/*
 * The trail: written by one, read by another, after any death between two
 * stores.
 */
#include "shm/slots_trail.h"

#include <setjmp.h>

#include "check.h"
#include "shm/hook.h"
#include "shm/layout.h"
#include "shm/segment.h"
#include "shm/slots.h"

static struct segment *seg;
static struct trail_view view;
static jmp_buf stopped;
static unsigned stop_at;	/* hook number; 0: never */
static unsigned hooks;

void
shm_hook(void)
{
	if (++hooks == stop_at)
		longjmp(stopped, 1);
}

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 4, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .max_ns = 1 };

	(void)state;
	stop_at = hooks = 0;
	seg = segment_create(&p);
	if (seg == NULL || trail_map(&view, segment_fd(seg)) == -1)
		return (-1);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	trail_unmap(&view);
	segment_free(&seg);
	return (0);
}

static void
put(struct trail *t, uint32_t client)
{
	struct trail_record *r = trail_begin(t, TRAIL_OPENED, 1000 + client);

	r->client = client;
	memset(r->address, (int)(client & 0xff), sizeof r->address);
	trail_user(t, r, SLICE("42"));
	trail_end(t, r);
}

/* How many are whole, each of one piece; *last: the largest number. */
static unsigned
whole(unsigned slot, uint32_t *last)
{
	unsigned i, found = 0, n = trail_count(&view, slot);
	struct trail_record r;

	*last = 0;
	for (i = 0; i < n; i++) {
		if (!trail_copy(&view, slot, i, &r))
			continue;
		found++;
		assert_int_equal(r.at_ms, 1000 + r.client);
		assert_int_equal(r.address[0], r.client & 0xff);
		assert_int_equal(r.address[15], r.client & 0xff);
		assert_slice(slice_of(r.user, r.user_n), "42");
		if (r.client > *last)
			*last = r.client;
	}
	return (found);
}

static void
what_was_written_is_read_in_another_mapping(void **state)
{
	struct trail_record r;
	struct trail t;
	uint32_t last;

	(void)state;
	assert_int_equal(trail_count(&view, 1), 0);
	trail_open(&t, seg, 1, 7);
	put(&t, 1);
	put(&t, 2);
	assert_int_equal(whole(1, &last), 2);
	assert_int_equal(last, 2);
	assert_int_equal(whole(2, &last), 0);
	assert_true(trail_copy(&view, 1, 0, &r));
	assert_int_equal(r.slot, 1);
	assert_int_equal(r.generation, 7);
}

static void
the_last_ones_are_kept(void **state)
{
	struct trail t;
	uint32_t last, i;

	(void)state;
	trail_open(&t, seg, 3, 1);
	for (i = 1; i <= TRAIL_RECORDS + 10; i++)
		put(&t, i);
	assert_int_equal(whole(3, &last), TRAIL_RECORDS);
	assert_int_equal(last, TRAIL_RECORDS + 10);
}

/* The next owner of the slot goes on; what was half written is not seen, and
 * nothing else is lost. */
static void
a_death_between_any_two_stores_loses_one(void **state)
{
	static unsigned at;		/* kept over longjmp */
	static uint32_t n;
	struct trail t;
	uint32_t last, i;
	bool died;

	(void)state;
	trail_open(&t, seg, 1, 1);
	for (n = 1; n <= TRAIL_RECORDS; n++)
		put(&t, n);
	for (at = 1, died = true; died; at++) {
		trail_open(&t, seg, 1, at + 1);
		hooks = 0;
		stop_at = at;
		died = setjmp(stopped) != 0;
		if (!died)
			put(&t, n + 1);
		stop_at = 0;
		assert_int_equal(whole(1, &last), died && at > 1 ?
		    TRAIL_RECORDS - 1 : TRAIL_RECORDS);
		/* the next one writes behind it */
		trail_open(&t, seg, 1, 1000 + at);
		put(&t, n + 2);
		(void)whole(1, &last);
		assert_int_equal(last, n + 2);
		for (i = 0; i < TRAIL_RECORDS; i++)	/* all whole again */
			put(&t, n + 2);
		n += 2;
	}
	assert_int_equal(at, 8);	/* each place was tried */
}

static void
what_is_no_record_is_skipped(void **state)
{
	struct trail_record *ring, r;
	struct trail t;
	uint32_t last;

	(void)state;
	trail_open(&t, seg, 2, 1);
	put(&t, 1);
	put(&t, 2);
	ring = t.ring;
	ring[1].user_n = 200;
	assert_int_equal(whole(2, &last), 1);
	ring[1].user_n = 2;
	ring[1].event = TRAIL__MAX;
	assert_false(trail_copy(&view, 2, 1, &r));
	ring[1].event = TRAIL_OPENED;
	assert_true(trail_copy(&view, 2, 1, &r));
	atomic_store(&ring[1].seq, 7);	/* of another place */
	assert_false(trail_copy(&view, 2, 1, &r));
}

static void
a_long_user_is_known_by_its_hash(void **state)
{
	char a[200], b[200];
	struct trail_record *r;
	struct trail t;
	uint64_t hash;

	(void)state;
	memset(a, 'x', sizeof a);
	memcpy(b, a, sizeof b);
	b[199] = 'y';
	trail_open(&t, seg, 1, 1);
	r = trail_begin(&t, TRAIL_OPENED, 1);
	trail_user(&t, r, slice_of(a, sizeof a));
	assert_int_equal(r->user_n, sizeof r->user);
	hash = r->user_hash;
	assert_true(hash != 0 && hash == trail_hash(&view.key,
	    slice_of(a, sizeof a)));
	trail_end(&t, r);
	r = trail_begin(&t, TRAIL_OPENED, 1);
	trail_user(&t, r, slice_of(b, sizeof b));
	assert_true(r->user_hash != hash && r->user_hash != 0);
	trail_end(&t, r);
	r = trail_begin(&t, TRAIL_OPENED, 1);
	trail_user(&t, r, SLICE("short"));
	assert_int_equal(r->user_hash, 0);
	trail_sid(&t, r, SLICE("a secret"));
	assert_true(r->sid == trail_hash(&view.key, SLICE("a secret")));
	assert_true(r->sid != trail_hash(&view.key, SLICE("a secres")));
	trail_end(&t, r);
}

static void
workers_are_told_of_by_the_master(void **state)
{
	struct trail_record r;

	(void)state;
	trail_worker_gave(seg, 1, 5, 2, 6, 77);
	trail_worker_died(seg, 2, 6, 78);
	assert_int_equal(trail_count(&view, TRAIL_MASTER), 2);
	assert_true(trail_copy(&view, TRAIL_MASTER, 0, &r));
	assert_int_equal(r.event, TRAIL_GAVE);
	assert_int_equal(r.slot, 1);
	assert_int_equal(r.generation, 5);
	assert_int_equal(r.code, 2);
	assert_int_equal(r.client, 6);
	assert_true(trail_copy(&view, TRAIL_MASTER, 1, &r));
	assert_int_equal(r.event, TRAIL_DIED);
	assert_false(trail_lives(&view, 2, 6));
}

static void
numbers_are_given_once(void **state)
{
	uint32_t a = trail_number(seg), b = trail_number(seg);

	(void)state;
	assert_true(a != 0 && b == a + 1);
	atomic_store(&segment_header(seg)->clients, UINT32_MAX - 1ull);
	assert_int_equal(trail_number(seg), UINT32_MAX);
	assert_int_equal(trail_number(seg), 1);	/* 0 is nobody's */
}

static void
another_form_is_refused(void **state)
{
	struct trail_view v;

	(void)state;
	segment_header(seg)->trail_bytes++;
	assert_int_equal(trail_map(&v, segment_fd(seg)), -1);
	segment_header(seg)->trail_bytes--;
	assert_int_equal(trail_map(&v, segment_fd(seg)), 0);
	trail_unmap(&v);
}

int
main(void)
{
#define TRAIL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TRAIL_TEST(what_was_written_is_read_in_another_mapping),
		TRAIL_TEST(the_last_ones_are_kept),
		TRAIL_TEST(a_death_between_any_two_stores_loses_one),
		TRAIL_TEST(what_is_no_record_is_skipped),
		TRAIL_TEST(a_long_user_is_known_by_its_hash),
		TRAIL_TEST(workers_are_told_of_by_the_master),
		TRAIL_TEST(numbers_are_given_once),
		TRAIL_TEST(another_form_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
