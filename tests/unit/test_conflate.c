/* What waits beside the queue of one who is slow: the newest of each thing. */
#include "hub/queue/out.h"

#include "check.h"
#include "shm/counters.h"

#define MANY	UINT64_MAX	/* bytes */

struct fixture {
	struct out	 o;
	struct outq	 q;
	struct buf	 got;
	bool		 full;		/* the socket takes nothing */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	out_init(&f->o);
	buf_init(&f->got);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	outq_kill(&f->o, &f->q);
	assert_int_equal(f->o.nlate, 0);
	buf_fini(&f->got);
	out_fini(&f->o);
	free(f);
	return (0);
}

static void
flush(void *arg, struct outq *q)
{
	struct fixture *f = arg;
	struct slice s;

	if (f->full) {
		outq_block(&f->o, q);
		return;
	}
	while (outq_peek(q, &s)) {
		buf_append(&f->got, s.p, s.n);
		outq_sent(&f->o, q, s.n);
	}
	outq_unblock(&f->o, q);
}

static void
turn(struct fixture *f)
{
	out_turn_end(&f->o, flush, f);
}

/* As the socket tells that there is room. */
static void
room(struct fixture *f)
{
	f->full = false;
	flush(f, &f->q);
	turn(f);
}

static void
say(struct fixture *f, const char *s)
{
	assert_true(out_bytes(&f->o, &f->q, slice_str(s)));
}

static enum outq_conflated
put_of(struct fixture *f, uint64_t id, const char *s, uint64_t max)
{
	struct msg *m = msg_copy(slice_str(s));
	enum outq_conflated r;

	assert_non_null(m);
	r = outq_conflate(&f->o, &f->q, id, m, max);
	msg_unref(&m);
	return (r);
}

static void
put(struct fixture *f, uint64_t id, const char *s, enum outq_conflated want)
{
	assert_int_equal(put_of(f, id, s, MANY), want);
}

static void
blocked(struct fixture *f)
{
	f->full = true;
	say(f, "a.");
	turn(f);
	assert_true(f->q.blocked);
}

static void
a_newer_one_takes_the_place_of_the_older(void **state)
{
	struct fixture *f = *state;

	blocked(f);
	put(f, 1, "x1.", OUTQ_CONFLATED_NEW);
	put(f, 2, "y1.", OUTQ_CONFLATED_NEW);
	put(f, 1, "x2.", OUTQ_CONFLATED_INSTEAD);
	say(f, "b.");
	put(f, 1, "x3 is longer.", OUTQ_CONFLATED_INSTEAD);
	turn(f);
	assert_true(f->q.late);
	assert_int_equal(outq_bytes(&f->q), 4);	/* it is not queued */
	room(f);
	assert_buf(&f->got, "a.b.x3 is longer.y1.");
	assert_false(f->q.late);
	assert_int_equal(f->o.nlate, 0);
}

/* Too much in one turn for a socket that is not full, as it turns out. */
static void
who_is_not_blocked_gets_it_as_the_turn_ends(void **state)
{
	struct fixture *f = *state;

	say(f, "a.");
	put(f, 1, "x1.", OUTQ_CONFLATED_NEW);
	put(f, 1, "x2.", OUTQ_CONFLATED_INSTEAD);
	say(f, "b.");
	turn(f);
	assert_buf(&f->got, "a.b.x2.");
	put(f, 1, "x3.", OUTQ_CONFLATED_NEW);	/* alone, too */
	turn(f);
	assert_buf(&f->got, "x3.");
}

static void
it_can_become_slow_again_while_it_waits(void **state)
{
	struct fixture *f = *state;

	blocked(f);
	put(f, 1, "x1.", OUTQ_CONFLATED_NEW);
	f->full = false;
	flush(f, &f->q);	/* the socket had room ... */
	f->full = true;
	turn(f);		/* ... and has none */
	assert_true(f->q.blocked);
	assert_false(f->q.late);
	put(f, 1, "x2.", OUTQ_CONFLATED_NEW);	/* x1 is queued now */
	room(f);
	assert_buf(&f->got, "a.x1.x2.");
}

static void
the_oldest_goes_when_there_are_too_many(void **state)
{
	struct fixture *f = *state;
	unsigned i, n = 3 * OUT_LATE_KEYS;
	struct buf want;
	char text[16];

	buf_init(&want);
	buf_str(&want, "a.");
	blocked(f);
	for (i = 0; i < n; i++) {
		(void)snprintf(text, sizeof text, "%u.", i);
		/* ids that share chains */
		put(f, (uint64_t)i << 4 | 1, text, OUTQ_CONFLATED_NEW);
		if (i % 7 == 0)
			put(f, (uint64_t)i << 4 | 1, text,
			    OUTQ_CONFLATED_INSTEAD);
		if (i >= n - OUT_LATE_KEYS)
			buf_str(&want, text);
	}
	room(f);
	assert_slices(buf_unread(&f->got), buf_unread(&want));
	buf_reset(&f->got);
	buf_fini(&want);
}

static void
or_when_they_are_too_large(void **state)
{
	struct fixture *f = *state;

	blocked(f);
	assert_int_equal(put_of(f, 1, "0123.", 12), OUTQ_CONFLATED_NEW);
	assert_int_equal(put_of(f, 2, "4567.", 12), OUTQ_CONFLATED_NEW);
	assert_int_equal(put_of(f, 3, "89ab.", 12), OUTQ_CONFLATED_NEW);
	/* one is kept, however large */
	room(f);
	assert_buf(&f->got, "a.4567.89ab.");
	blocked(f);
	assert_int_equal(put_of(f, 1, "much larger.", 4), OUTQ_CONFLATED_NEW);
	assert_int_equal(put_of(f, 2, "and this.", 4), OUTQ_CONFLATED_NEW);
	room(f);
	assert_buf(&f->got, "a.and this.");
}

static void
or_when_newer_ones_are(void **state)
{
	struct fixture *f = *state;
	uint64_t dropped = counter_get(COUNTER_dropped_keys);

	blocked(f);
	assert_int_equal(put_of(f, 1, "x.", 8), OUTQ_CONFLATED_NEW);
	assert_int_equal(put_of(f, 2, "y.", 8), OUTQ_CONFLATED_NEW);
	assert_int_equal(put_of(f, 3, "z.", 8), OUTQ_CONFLATED_NEW);
	assert_int_equal(put_of(f, 3, "z more.", 8), OUTQ_CONFLATED_INSTEAD);
	assert_int_equal(counter_get(COUNTER_dropped_keys) - dropped, 2);
	/* the last one, whatever it has */
	assert_int_equal(put_of(f, 3, "z and more.", 8),
	    OUTQ_CONFLATED_INSTEAD);
	room(f);
	assert_buf(&f->got, "a.z and more.");
}

static void
none_of_it_takes_memory_from_a_delivery(void **state)
{
	struct fixture *f = *state;
	struct msg *m = msg_copy(SLICE("x."));
	uint64_t before;
	unsigned i;

	blocked(f);
	for (i = 0; i < OUT_LATE_KEYS; i++)
		assert_int_equal(outq_conflate(&f->o, &f->q, i, m, MANY),
		    OUTQ_CONFLATED_NEW);
	before = msg_allocated();
	for (i = 0; i < 10000; i++)
		assert_int_equal(outq_conflate(&f->o, &f->q,
		    i % OUT_LATE_KEYS, m, MANY), OUTQ_CONFLATED_INSTEAD);
	assert_int_equal(msg_allocated(), before);
	assert_int_equal(m->refs, 1 + OUT_LATE_KEYS);
	outq_kill(&f->o, &f->q);
	assert_int_equal(m->refs, 1);
	assert_int_equal(outq_conflate(&f->o, &f->q, 1, m, MANY),
	    OUTQ_CONFLATED_NOT);
	msg_unref(&m);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_newer_one_takes_the_place_of_the_older),
		T(who_is_not_blocked_gets_it_as_the_turn_ends),
		T(it_can_become_slow_again_while_it_waits),
		T(the_oldest_goes_when_there_are_too_many),
		T(or_when_they_are_too_large),
		T(or_when_newer_ones_are),
		T(none_of_it_takes_memory_from_a_delivery),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
