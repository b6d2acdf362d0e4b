/* The same request once more: known by its "t", answered as before. */
#include "worker/repeat.h"

#include "base/buf.h"
#include "tests/lib/check.h"

static struct engineio_t
t_of(const char *s)
{
	struct engineio_t t = { .n = (uint8_t)strlen(s) };

	memcpy(t.s, s, t.n);
	return (t);
}

static void
flush(void *arg, struct outq *q)
{
	outq_sent(arg, q, outq_bytes(q));
}

static struct engineio_t
none(void)
{
	return ((struct engineio_t){ .n = 0 });
}

static bool
again(struct repeat *r, const char *last, const char *now)
{
	struct engineio_t a = t_of(last), b = t_of(now);

	return (repeat_is(r, &a, &b));
}

static void
the_same_t_is_the_same_request(void **state)
{
	struct engineio_t opened = t_of("o"), absent = none();
	struct repeat r;

	(void)state;
	repeat_init(&r, &opened);
	assert_true(again(&r, "abc", "abc"));
	assert_false(again(&r, "abc", "abd"));
	assert_false(again(&r, "abc", "ab"));
	assert_false(repeat_is(&r, &absent, &absent));
	repeat_fini(&r);
}

static void
a_client_that_does_not_change_t_repeats_nothing(void **state)
{
	struct engineio_t opened = t_of("1"), absent = none();
	struct repeat r;

	(void)state;
	repeat_init(&r, &opened);
	assert_false(again(&r, "", "1"));
	assert_false(again(&r, "1", "1"));
	assert_false(again(&r, "2", "2"));
	repeat_fini(&r);
	repeat_init(&r, &absent);
	assert_true(again(&r, "1", "1"));
	repeat_fini(&r);
}

static void
the_answer_is_kept_until_the_next_question(void **state)
{
	struct engineio_t opened = none();
	struct outq q = { .n = 0 };
	struct msg *m = msg_copy(SLICE("shared"));
	struct repeat r;
	struct out o;
	struct buf b;

	(void)state;
	assert_non_null(m);
	out_init(&o);
	buf_init(&b);
	repeat_init(&r, &opened);
	r.get = t_of("a");
	assert_true(out_bytes(&o, &q, SLICE("own ")));
	assert_true(out_push(&o, &q, m, 0, m->len));
	repeat_keep(&r, &o, &q);
	assert_true(r.answered);
	assert_int_equal(m->refs, 3);	/* not copied */
	/* the scratch is written again; the answer stays */
	out_turn_end(&o, flush, &o);
	assert_true(out_bytes(&o, &q, SLICE("NEW ")));
	assert_true(repeat_text(&r, &b));
	assert_true(slice_eq(buf_unread(&b), SLICE("own shared")));
	repeat_forget(&r);
	assert_false(r.answered);
	assert_int_equal(m->refs, 1);
	assert_false(repeat_text(&r, &b));
	out_turn_end(&o, flush, &o);
	repeat_fini(&r);
	msg_unref(&m);
	buf_fini(&b);
	out_fini(&o);
}

static void
without_t_nothing_is_kept(void **state)
{
	struct engineio_t opened = none();
	struct outq q = { .n = 0 };
	struct repeat r;
	struct out o;

	(void)state;
	out_init(&o);
	repeat_init(&r, &opened);
	assert_true(out_bytes(&o, &q, SLICE("x")));
	repeat_keep(&r, &o, &q);
	assert_false(r.answered);
	assert_int_equal(r.n, 0);
	out_turn_end(&o, flush, &o);
	repeat_fini(&r);
	out_fini(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_t_is_the_same_request),
		cmocka_unit_test(
		    a_client_that_does_not_change_t_repeats_nothing),
		cmocka_unit_test(the_answer_is_kept_until_the_next_question),
		cmocka_unit_test(without_t_nothing_is_kept),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
