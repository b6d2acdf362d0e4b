/* Reference-counted bytes and their free list. */
#include "base/msg.h"

#include "tests/lib/check.h"

static void
a_message_lives_as_long_as_its_last_reference(void **state)
{
	struct msg *m = msg_copy(SLICE("hello")), *a = m, *b = m;

	(void)state;
	assert_non_null(m);
	msg_ref(m, 2);
	msg_unref(&m);
	assert_null(m);
	msg_unref(&a);
	assert_slice(slice_of(b->data, b->len), "hello");
	msg_unref(&b);
	assert_null(b);
}

static void
an_open_message_grows_and_keeps_its_bytes(void **state)
{
	struct msg *m = msg_new(10);
	uint8_t *p;
	size_t i;

	(void)state;
	assert_non_null(m);
	for (i = 0; i < 3000; i++) {
		p = msg_room(m, 7);
		assert_non_null(p);
		memcpy(p, "1234567", 7);
		m->len += 7;
	}
	assert_true(m->cap >= m->len);
	for (i = 0; i < m->len; i++)
		assert_int_equal(m->data[i], '1' + i % 7);
	msg_unref(&m);
}

static void
spare_room_can_be_given_back(void **state)
{
	struct msg *m = msg_new(100000);

	(void)state;
	assert_non_null(m);
	memcpy(m->data, "abc", 3);
	m->len = 3;
	msg_shrink(m);
	assert_true(m->cap < 100000);
	assert_slice(slice_of(m->data, m->len), "abc");
	assert_non_null(msg_room(m, 5000));
	assert_slice(slice_of(m->data, m->len), "abc");
	msg_shrink(m);
	msg_unref(&m);
	m = msg_new(0);
	assert_non_null(m);
	msg_shrink(m);		/* nothing in it: nothing happens */
	assert_non_null(msg_room(m, 1));
	msg_unref(&m);
}

static void
small_messages_are_recycled(void **state)
{
	struct msg *m = msg_new(100);
	uint64_t before;
	int i;

	(void)state;
	assert_non_null(m);
	msg_unref(&m);
	before = msg_allocated();
	for (i = 0; i < 1000; i++) {
		m = msg_new(100);
		assert_non_null(m);
		assert_int_equal(m->len, 0);
		assert_int_equal(m->refs, 1);
		m->len = 100;
		msg_unref(&m);
	}
	assert_true(msg_allocated() == before);
}

static void
more_messages_than_the_free_list_holds(void **state)
{
	struct msg *m[200];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(m); i++)
		assert_non_null(m[i] = msg_new(i));
	for (i = 0; i < nitems(m); i++)
		msg_unref(&m[i]);
}

static void
absurd_sizes_are_refused(void **state)
{
	struct msg *m;

	(void)state;
	assert_null(msg_new((size_t)UINT32_MAX));
	assert_null(msg_new(SIZE_MAX));
	m = msg_copy(slice_of(NULL, 0));
	assert_non_null(m);
	assert_int_equal(m->len, 0);
	assert_null(msg_room(m, UINT32_MAX));
	assert_null(msg_room(m, SIZE_MAX));
	msg_unref(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_lives_as_long_as_its_last_reference),
		cmocka_unit_test(an_open_message_grows_and_keeps_its_bytes),
		cmocka_unit_test(spare_room_can_be_given_back),
		cmocka_unit_test(small_messages_are_recycled),
		cmocka_unit_test(more_messages_than_the_free_list_holds),
		cmocka_unit_test(absurd_sizes_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
