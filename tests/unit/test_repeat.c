/* The same request once more: known by its bytes, answered as before. */
#include "worker/engineio/repeat.h"

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

static const struct hash_key key = { 1, 2 };
#define HEAD	SLICE("GET /?t=a HTTP/1.1\r\nHost: x\r\n\r\n")
#define OTHER	SLICE("GET /?t=a HTTP/1.1\r\nHost: y\r\n\r\n")

static void
a_request_is_known_by_all_of_its_head(void **state)
{
	struct engineio_t opened = t_of("o"), t = t_of("a"), absent = none();
	struct repeat r;
	uint64_t h;

	(void)state;
	repeat_init(&r, &key, &opened);
	h = repeat_head(&r, HEAD, &t);
	assert_true(h != 0);
	assert_true(repeat_head(&r, HEAD, &t) == h);
	assert_false(repeat_head(&r, OTHER, &t) == h);
	/* nothing follows from requests that are all the same */
	assert_true(repeat_head(&r, HEAD, &absent) == 0);
	repeat_fini(&r);
}

static void
a_client_that_does_not_change_t_repeats_nothing(void **state)
{
	struct engineio_t opened = t_of("1"), absent = none(), t = t_of("2");
	struct repeat r;

	(void)state;
	repeat_init(&r, &key, &opened);
	assert_true(repeat_head(&r, HEAD, &t) != 0);
	assert_true(repeat_head(&r, HEAD, &opened) == 0);
	assert_true(repeat_head(&r, HEAD, &t) == 0);
	repeat_fini(&r);
	repeat_init(&r, &key, &absent);
	assert_true(repeat_head(&r, HEAD, &t) != 0);
	repeat_fini(&r);
}

static void
a_body_is_the_same_or_begins_alike(void **state)
{
	struct engineio_t opened = none();
	struct repeat r;

	(void)state;
	repeat_init(&r, &key, &opened);
	r.post.head = 7;
	repeat_body(&r, SLICE("42[1"), false);
	assert_true(repeat_is_body(&r, SLICE("42[1]")));
	assert_true(repeat_is_body(&r, SLICE("42[1")));
	assert_false(repeat_is_body(&r, SLICE("42[")));
	assert_false(repeat_is_body(&r, SLICE("42[2]")));
	r.post.lost = true;
	repeat_body(&r, SLICE("42[1]"), true);
	assert_false(r.post.lost);
	assert_true(repeat_is_body(&r, SLICE("42[1]")));
	assert_false(repeat_is_body(&r, SLICE("42[1]\x1e")));
	assert_false(repeat_is_body(&r, SLICE("42[1")));
	repeat_body(&r, slice_of(NULL, 0), false);
	assert_true(repeat_is_body(&r, SLICE("x")));
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
	repeat_init(&r, &key, &opened);
	r.get.head = 7;
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
	r.get.lost = true;
	repeat_forget(&r);
	assert_false(r.answered || r.get.lost || r.get.head != 0);
	assert_int_equal(m->refs, 1);
	assert_false(repeat_text(&r, &b));
	out_turn_end(&o, flush, &o);
	repeat_fini(&r);
	msg_unref(&m);
	buf_fini(&b);
	out_fini(&o);
}

static void
a_short_list_is_kept_and_a_long_one_given_back(void **state)
{
	static const uint32_t sizes[] = { 16, 17 };
	struct engineio_t opened = none();
	struct msg *m = msg_copy(SLICE("shared"));
	struct repeat r;
	struct outq q;
	struct out o;
	uint32_t i, k;

	(void)state;
	assert_non_null(m);
	for (k = 0; k < nitems(sizes); k++) {
		q = (struct outq){ .n = 0 };
		out_init(&o);
		repeat_init(&r, &key, &opened);
		r.get.head = 7;
		for (i = 0; i < sizes[k]; i++)
			assert_true(out_push(&o, &q, m, 0, m->len));
		assert_int_equal(q.n, sizes[k]);
		repeat_keep(&r, &o, &q);
		assert_int_equal(r.n, sizes[k]);
		repeat_forget(&r);
		assert_int_equal(r.n, 0);
		assert_int_equal(r.cap, k == 0 ? 16 : 0);
		assert_true((r.v != NULL) == (k == 0));
		repeat_fini(&r);
		assert_null(r.v);
		assert_int_equal(r.cap, 0);
		out_turn_end(&o, flush, &o);
		outq_kill(&o, &q);
		out_fini(&o);
	}
	assert_int_equal(m->refs, 1);
	msg_unref(&m);
}

static void
what_cannot_come_again_is_not_kept(void **state)
{
	struct engineio_t opened = none();
	struct outq q = { .n = 0 };
	struct repeat r;
	struct out o;

	(void)state;
	out_init(&o);
	repeat_init(&r, &key, &opened);
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
		cmocka_unit_test(a_request_is_known_by_all_of_its_head),
		cmocka_unit_test(
		    a_client_that_does_not_change_t_repeats_nothing),
		cmocka_unit_test(a_body_is_the_same_or_begins_alike),
		cmocka_unit_test(the_answer_is_kept_until_the_next_question),
		cmocka_unit_test(a_short_list_is_kept_and_a_long_one_given_back),
		cmocka_unit_test(what_cannot_come_again_is_not_kept),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
