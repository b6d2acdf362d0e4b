/* To one client: in its form, or its owner knows that something is missing. */
#include "check.h"
#include "hub/queue/send.h"
#include "shm/counters.h"

struct fixture {
	struct out	 o;
	struct outq	 q;
	unsigned	 flushed;
	struct buf	 b;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	out_init(&f->o);
	buf_init(&f->b);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	outq_kill(&f->o, &f->q);
	buf_fini(&f->b);
	out_fini(&f->o);
	free(f);
	return (0);
}

static void
flushed(void *arg, struct outq *q)
{
	struct fixture *f = arg;

	assert_ptr_equal(q, &f->q);
	f->flushed++;
}

static uint64_t
failures(void)
{
	return (counters_column[COUNTER_memory_failures]);
}

static void
what_has_no_memory_makes_the_queue_lossy(void **state)
{
	struct fixture *f = *state;
	uint64_t before = failures();

	buf_str(&f->b, "4");
	f->b.oom = true;
	send_text(&f->o, &f->q, WIRE_SIO, &f->b);
	assert_true(f->q.lossy);
	assert_int_equal(failures() - before, 1);
	/* its owner looks at it, though nothing is queued */
	assert_int_equal(outq_bytes(&f->q), 0);
	out_turn_end(&f->o, flushed, f);
	assert_int_equal(f->flushed, 1);
}

static void
what_the_queue_has_no_room_for_does_so_too(void **state)
{
	struct fixture *f = *state;
	uint64_t before = failures();

	/* no message is that large; nothing is read of it */
	send_binary(&f->o, &f->q, WIRE_SIO,
	    slice_of((const uint8_t *)"", UINT32_MAX));
	assert_true(f->q.lossy);
	assert_int_equal(failures() - before, 1);
	out_turn_end(&f->o, flushed, f);
	assert_int_equal(f->flushed, 1);
}

static void
a_queue_that_is_dead_takes_nothing_and_fails_nowhere(void **state)
{
	struct fixture *f = *state;
	uint64_t before = failures();

	outq_kill(&f->o, &f->q);
	buf_str(&f->b, "4");
	send_text(&f->o, &f->q, WIRE_SIO, &f->b);
	f->b.oom = true;
	send_text(&f->o, &f->q, WIRE_SIO, &f->b);
	assert_false(f->q.lossy);
	assert_int_equal(failures(), before);
	out_turn_end(&f->o, flushed, f);
	assert_int_equal(f->flushed, 0);
}

static void
a_text_is_framed_as_its_form_asks(void **state)
{
	struct fixture *f = *state;
	struct slice got;

	buf_str(&f->b, "42[1]");
	send_text(&f->o, &f->q, WIRE_SIO, &f->b);
	assert_true(outq_peek(&f->q, &got));
	assert_slice(got, "\x81\x05" "42[1]");
	outq_sent(&f->o, &f->q, got.n);
	send_text(&f->o, &f->q, WIRE_POLL, &f->b);
	send_binary(&f->o, &f->q, WIRE_POLL, SLICE("abc"));
	assert_true(outq_peek(&f->q, &got));
	assert_slice(got, "42[1]\x1e" "bYWJj\x1e");
	assert_false(f->q.lossy);
	out_turn_end(&f->o, flushed, f);
	assert_int_equal(f->flushed, 1);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_has_no_memory_makes_the_queue_lossy),
		T(what_the_queue_has_no_room_for_does_so_too),
		T(a_queue_that_is_dead_takes_nothing_and_fails_nowhere),
		T(a_text_is_framed_as_its_form_asks),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
