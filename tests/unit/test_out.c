#include "hub/queue/out.h"

#include <sys/uio.h>

#include "check.h"

#define NQ 3

struct fixture {
	struct out	 o;
	struct outq	 q[NQ];
	struct buf	 got[NQ];
	size_t		 window;	/* bytes taken per flush */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int i;

	out_init(&f->o);
	f->window = SIZE_MAX;
	for (i = 0; i < NQ; i++)
		buf_init(&f->got[i]);
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < NQ; i++) {
		outq_kill(&f->o, &f->q[i]);
		buf_fini(&f->got[i]);
	}
	out_fini(&f->o);
	free(f);
	return (0);
}

static void
flush(void *arg, struct outq *q)
{
	struct fixture *f = arg;
	size_t left = f->window, take;
	struct slice s;

	while (left > 0 && outq_peek(q, &s)) {
		take = s.n < left ? s.n : left;
		buf_append(&f->got[q - f->q], s.p, take);
		outq_sent(&f->o, q, take);
		left -= take;
	}
}

static void
turn(struct fixture *f)
{
	out_turn_end(&f->o, flush, f);
}

static void
direct(struct fixture *f, int i, const char *s)
{
	assert_true(out_bytes(&f->o, &f->q[i], slice_str(s)));
}

static void
append(struct fixture *f, struct batch *b, const char *s,
    const struct outq *except)
{
	bool excepted;
	uint8_t *p = batch_append(&f->o, b, strlen(s), except, &excepted);

	assert_non_null(p);
	memcpy(p, s, strlen(s));
}

static struct batch *
batch_of_all(struct fixture *f)
{
	struct batch *b = batch_open(&f->o);
	int i;

	assert_non_null(b);
	for (i = 0; i < NQ; i++)
		assert_true(batch_attach(&f->o, b, &f->q[i]));
	return (b);
}

static void
check(struct fixture *f, int i, const char *want)
{
	assert_text(buf_unread(&f->got[i]), want);
	buf_reset(&f->got[i]);
}

static void
direct_messages_keep_their_order(void **state)
{
	struct fixture *f = *state;

	direct(f, 0, "a");
	direct(f, 1, "x");
	direct(f, 0, "b");
	direct(f, 0, "c");
	turn(f);
	check(f, 0, "abc");
	check(f, 1, "x");
	check(f, 2, "");
}

static void
neighbours_in_the_scratch_are_one_run(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	direct(f, 0, "a");
	direct(f, 0, "b");
	assert_int_equal(1, outq_iov(&f->q[0], iov, 4));
	turn(f);
	check(f, 0, "ab");
}

static void
later_messages_of_a_turn_cost_no_reference(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_of_all(f);
	int i;

	for (i = 0; i < 100; i++)
		append(f, b, "m", NULL);
	assert_int_equal(1, f->q[0].n);
	turn(f);
	for (i = 0; i < NQ; i++)
		assert_int_equal(100, buf_unread(&f->got[i]).n);
}

static void
the_excepted_misses_one_message_only(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_of_all(f);

	append(f, b, "1", NULL);
	batch_except(b, &f->q[1]);
	append(f, b, "2", &f->q[1]);
	append(f, b, "3", NULL);
	turn(f);
	check(f, 0, "123");
	check(f, 1, "13");
	check(f, 2, "123");
}

static void
the_excepted_may_be_excepted_again(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_of_all(f);

	append(f, b, "1", NULL);
	batch_except(b, &f->q[1]);
	append(f, b, "2", &f->q[1]);
	append(f, b, "3", &f->q[1]);
	batch_except(b, &f->q[2]);
	append(f, b, "4", &f->q[2]);
	turn(f);
	check(f, 0, "1234");
	check(f, 1, "14");
	check(f, 2, "123");
}

static void
direct_and_room_messages_interleave_as_called(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_of_all(f);

	append(f, b, "1", NULL);
	direct(f, 0, "a");
	direct(f, 0, "b");
	append(f, b, "2", NULL);
	direct(f, 0, "c");
	append(f, b, "3", NULL);
	turn(f);
	check(f, 0, "1ab2c3");
	check(f, 1, "123");
}

static void
two_rooms_interleave_as_called(void **state)
{
	struct fixture *f = *state;
	struct batch *a = batch_of_all(f), *b = batch_open(&f->o);

	append(f, a, "1", NULL);
	assert_true(batch_attach(&f->o, b, &f->q[0]));
	append(f, b, "x", NULL);
	append(f, a, "2", NULL);
	append(f, b, "y", NULL);
	append(f, a, "3", NULL);
	turn(f);
	check(f, 0, "1x2y3");
	check(f, 1, "123");
}

static void
one_who_waits_gets_only_what_comes(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_open(&f->o);

	assert_true(batch_attach(&f->o, b, &f->q[0]));
	append(f, b, "1", NULL);
	batch_wait(b, &f->q[1]);
	append(f, b, "2", NULL);
	turn(f);
	check(f, 0, "12");
	check(f, 1, "2");
}

/* A slow receiver gets a byte a turn; nothing is lost, doubled or swapped,
 * though scratch and batches are used again meanwhile. */
static void
a_slow_receiver_gets_everything_in_order(void **state)
{
	struct fixture *f = *state;
	char want[801], one[2] = "x";
	struct batch *b;
	int i;

	f->window = 1;
	for (i = 0; i < 400; i++) {
		one[0] = (char)('a' + i % 26);
		direct(f, 0, one);
		b = batch_of_all(f);
		append(f, b, "-", NULL);
		want[2 * i] = one[0];
		want[2 * i + 1] = '-';
		turn(f);
	}
	want[800] = '\0';
	assert_int_equal(400, outq_bytes(&f->q[0]));
	assert_int_equal(399, outq_behind(&f->q[0]));
	f->window = SIZE_MAX;
	flush(f, &f->q[0]);
	check(f, 0, want);
	assert_int_equal(0, outq_bytes(&f->q[0]));
	assert_int_equal(0, outq_behind(&f->q[0]));
	assert_null(f->q[0].more);
}

static void
a_killed_queue_takes_nothing_and_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_of_all(f);

	append(f, b, "1", NULL);
	outq_kill(&f->o, &f->q[1]);
	append(f, b, "2", NULL);
	assert_null(out_direct(&f->o, &f->q[1], 1));
	turn(f);
	check(f, 0, "12");
	check(f, 1, "");
}

static void
bytes_count_open_references(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_of_all(f);

	append(f, b, "123", NULL);
	append(f, b, "45", NULL);
	assert_int_equal(5, outq_bytes(&f->q[0]));
	turn(f);
	assert_int_equal(0, outq_bytes(&f->q[0]));
	check(f, 0, "12345");
}

static void
deliveries_take_nothing_from_the_heap(void **state)
{
	struct fixture *f = *state;
	struct batch *b;
	uint64_t before = 0;
	int i;

	for (i = 0; i < 1000; i++) {
		if (i == 10)
			before = msg_allocated();
		b = batch_of_all(f);
		append(f, b, "m", NULL);
		direct(f, 0, "d");
		turn(f);
	}
	assert_int_equal(before, msg_allocated());
}

static void
a_queue_too_long_says_so(void **state)
{
	struct fixture *f = *state;
	struct msg *m[2] = { msg_copy(SLICE("a")), msg_copy(SLICE("b")) };
	int i;

	for (i = 0; i < 40000 && !f->q[0].lossy; i++)
		(void)out_push(&f->o, &f->q[0], m[i % 2], 0, 1);
	assert_true(f->q[0].lossy);
	assert_true(i > 15000);
	outq_kill(&f->o, &f->q[0]);
	msg_unref(&m[0]);
	msg_unref(&m[1]);
	turn(f);
}

static void
references_move_from_queue_to_queue(void **state)
{
	struct fixture *f = *state;
	struct batch *b;

	/* a turn ends, one queue's owner keeps what it has, ... */
	f->window = 0;
	direct(f, 0, "ab|");
	b = batch_of_all(f);
	append(f, b, "cd|", NULL);
	direct(f, 0, "ef|");
	turn(f);
	/* ... and gives it away in pieces, behind what is there already */
	f->window = SIZE_MAX;
	outq_kill(&f->o, &f->q[2]);
	direct(f, 1, "x|");
	assert_true(outq_move(&f->o, &f->q[0], &f->q[1], 4));
	assert_int_equal(5, outq_bytes(&f->q[0]));
	assert_true(outq_move(&f->o, &f->q[0], &f->q[1], 4));
	outq_sent(&f->o, &f->q[0], 1);
	assert_int_equal(0, f->q[0].n);
	assert_false(outq_move(&f->o, &f->q[1], &f->q[2], 1));
	turn(f);
	check(f, 0, "");
	check(f, 1, "cd|x|ab|cd|ef");
}

static void
open_references_move_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct batch *b = batch_open(&f->o);

	assert_true(batch_attach(&f->o, b, &f->q[0]));
	append(f, b, "ab", NULL);
	assert_true(outq_move(&f->o, &f->q[0], &f->q[1], 2));
	append(f, b, "cd", NULL);	/* nobody's */
	turn(f);
	check(f, 0, "");
	check(f, 1, "ab");
}

static void
a_touched_queue_is_flushed_again(void **state)
{
	struct fixture *f = *state;

	f->window = 0;
	direct(f, 0, "a");
	turn(f);
	f->window = SIZE_MAX;
	turn(f);
	check(f, 0, "");
	assert_true(outq_touch(&f->o, &f->q[0]));
	turn(f);
	check(f, 0, "a");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(direct_messages_keep_their_order),
		T(neighbours_in_the_scratch_are_one_run),
		T(later_messages_of_a_turn_cost_no_reference),
		T(the_excepted_misses_one_message_only),
		T(the_excepted_may_be_excepted_again),
		T(direct_and_room_messages_interleave_as_called),
		T(two_rooms_interleave_as_called),
		T(one_who_waits_gets_only_what_comes),
		T(a_slow_receiver_gets_everything_in_order),
		T(a_killed_queue_takes_nothing_and_harms_nobody),
		T(bytes_count_open_references),
		T(deliveries_take_nothing_from_the_heap),
		T(a_queue_too_long_says_so),
		T(references_move_from_queue_to_queue),
		T(open_references_move_as_they_are),
		T(a_touched_queue_is_flushed_again),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
