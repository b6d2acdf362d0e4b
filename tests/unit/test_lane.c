/*
 * The queue of one stream, against a Redis that answers when the test wants: in
 * which order entries go there, and what is told to who waits.
 */
#include "relay/stream/lane.h"

#include "tests/lib/redis_asked.h"
#include "shm/counters.h"

static struct lane lane;
static struct lane_way way;
static struct lane_flight *astray;
static char told[256];		/* "ref+ " or "ref- ", "refused ", "taken " */

static void
on_done(void *arg, const struct asker *a, bool taken)
{
	size_t n = strlen(told);

	assert_ptr_equal(arg, &lane);
	(void)snprintf(told + n, sizeof told - n, "%u%c ", (unsigned)a->ref,
	    taken ? '+' : '-');
}

static void
on_refused(void *arg, struct slice key, const char *words)
{
	size_t n = strlen(told);

	assert_ptr_equal(arg, &lane);
	assert_slice(key, "p:events:n");
	(void)snprintf(told + n, sizeof told - n, "%s ", words == NULL ?
	    "taken" : words);
}

static const struct lane_calls calls = { .arg = &lane, .done = on_done,
	.refused = on_refused };

static int
set_up(void **state)
{
	static char redis;

	(void)state;
	redis_begin();
	told[0] = '\0';
	astray = NULL;
	assert_true(lane_init(&lane, "events:n", 0xe1, &calls));
	way = (struct lane_way){ .redis = (struct redis *)&redis,
		.prefix = "p:", .source = "abc", .most = 100, .room = 1u << 20, .now_ms = 5000 };
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	lane_fini(&lane);
	lane_flights_free(&astray);
	return (0);
}

/* One with that text; ref: somebody waits. */
static void
add(const char *text, uint32_t ref)
{
	struct entry_parts parts = { .n = 0 };
	struct entry *e;

	buf_init(&parts.bytes);
	entry_begin(&parts, SLICE("event"), 1);
	entry_put(&parts, "data", slice_str(text));
	e = entry_new(&parts);
	assert_non_null(e);
	e->asker.ref = ref;
	lane_add(&lane, e);
	buf_fini(&parts.bytes);
}

/* Their numbers and data, as "1a 2b ". */
static void
check_sent(unsigned ask, const char *want)
{
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 3; 5 + i < redis_asked[ask].n; i += 2 + 6) {
		assert_slice(redis_arg(ask, i + 1), "6");
		buf_slice(&b, redis_arg(ask, i));
		buf_slice(&b, redis_arg(ask, i + 7));
		buf_byte(&b, ' ');
	}
	check_slices(buf_unread(&b), slice_str(want), __FILE__, __LINE__);
	buf_fini(&b);
}

static void
what_a_turn_has_goes_at_once_and_no_more_before_the_answer(void **state)
{
	(void)state;
	lane_turn(&lane, &way);
	assert_int_equal(redis_nasked, 0);
	add("a", 0);
	add("b", 7);
	lane_turn(&lane, &way);
	assert_int_equal(redis_nasked, 1);
	assert_slice(redis_key(0, 0), "p:events:n");
	assert_slice(redis_key(0, 1), "p:taken:{p:events:n}");
	assert_slice(redis_arg(0, 0), "abc");
	assert_slice(redis_arg(0, 1), "00000000000000e1");
	assert_slice(redis_arg(0, 2), "100");
	check_sent(0, "1a 2b ");
	add("c", 0);
	lane_turn(&lane, &way);
	assert_int_equal(redis_nasked, 1);
	assert_int_equal(lane.n, 3);
	redis_answer_integer(1);
	assert_string_equal(told, "7+ ");
	assert_int_equal(lane.n, 1);
	lane_turn(&lane, &way);
	check_sent(1, "3c ");
	redis_answer_integer(1);
	assert_int_equal(lane.n, 0);
	assert_int_equal(lane.bytes, 0);
}

/* ... by another relay, with the numbers and the epoch that it had. */
static void
what_was_left_goes_first_and_by_itself(void **state)
{
	struct entry_parts parts = { .n = 0 };
	struct entry *e;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		buf_init(&parts.bytes);
		entry_begin(&parts, SLICE("event"), 1);
		entry_put(&parts, "data", SLICE("old"));
		e = entry_new(&parts);
		assert_non_null(e);
		e->epoch = 0xd0;
		e->number = 8 + i;
		lane_restore(&lane, e);
		buf_fini(&parts.bytes);
	}
	add("a", 0);
	lane_turn(&lane, &way);
	assert_slice(redis_arg(0, 1), "00000000000000d0");
	check_sent(0, "8old 9old ");
	redis_answer_integer(1);
	lane_turn(&lane, &way);
	assert_slice(redis_arg(1, 1), "00000000000000e1");
	check_sent(1, "1a ");
	redis_answer_integer(1);
	assert_int_equal(lane.n, 0);
	assert_int_equal(lane.bytes, 0);
}

static void
what_is_skipped_has_a_number(void **state)
{
	(void)state;
	add("a", 0);
	lane_skip(&lane);
	lane_skip(&lane);
	add("b", 0);
	lane_turn(&lane, &way);
	check_sent(0, "1a 4b ");
}

static void
what_has_no_answer_is_sent_again_with_its_number(void **state)
{
	(void)state;
	add("a", 0);
	add("b", 9);
	lane_turn(&lane, &way);
	redis_answer(NULL);
	assert_string_equal(told, "");
	add("c", 0);
	lane_turn(&lane, &way);
	check_sent(1, "1a 2b 3c ");
	redis_answer_integer(1);
	assert_string_equal(told, "9+ ");
}

static void
what_is_refused_is_told_and_the_rest_sent_again_in_order(void **state)
{
	(void)state;
	add("a", 0);
	add("b", 3);
	add("c", 0);
	lane_turn(&lane, &way);
	add("d", 4);
	redis_answer_error("OOM no");
	assert_string_equal(told, "3- OOM no ");
	/* at once, then not before a while is over */
	lane_turn(&lane, &way);
	check_sent(1, "1a 3c 4d ");
	redis_answer_error("OOM no");
	assert_string_equal(told, "3- OOM no 4- ");
	way.now_ms += 500;
	lane_turn(&lane, &way);
	assert_int_equal(redis_nasked, 2);
	way.now_ms += 500;
	lane_turn(&lane, &way);
	check_sent(2, "1a 3c ");
	redis_answer_integer(1);
	assert_string_equal(told, "3- OOM no 4- taken ");
}

static void
an_answer_of_the_redis_before_says_nothing(void **state)
{
	(void)state;
	add("a", 5);
	lane_turn(&lane, &way);
	lane_astray(&lane, &astray);
	assert_non_null(astray);
	lane_turn(&lane, &way);
	check_sent(1, "1a ");
	redis_answer_integer(1);	/* of the one before */
	assert_int_equal(lane.n, 1);
	assert_string_equal(told, "");
	redis_answer_integer(1);
	assert_int_equal(lane.n, 0);
	assert_string_equal(told, "5+ ");
	lane_flights_free(&astray);
	assert_null(astray);
}

static void
a_script_has_so_many_and_so_many_bytes(void **state)
{
	static char text[1000];
	unsigned i;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	way.room = 4 * 3000;
	for (i = 0; i < 5; i++)
		add(text, 0);
	lane_turn(&lane, &way);
	assert_int_equal(lane.flying, 2);
	assert_slice(redis_arg(0, 3), "1");
	assert_slice(redis_arg(0, 3 + 8), "2");
	assert_int_equal(redis_asked[0].n, 8 + 2 * 8);
	redis_answer_integer(1);
	lane_turn(&lane, &way);
	assert_slice(redis_arg(1, 3), "3");
}

static void
what_grew_too_large_by_a_reload_is_dropped_and_told(void **state)
{
	static char text[3000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	add(text, 6);
	add("b", 0);
	way.room = LANE_AROUND + 1000;
	lane_turn(&lane, &way);
	assert_string_equal(told, "6- ");
	check_sent(0, "2b ");
}

static void
a_redis_that_takes_no_command_is_asked_again(void **state)
{
	(void)state;
	add("a", 0);
	redis_refuses = true;
	lane_turn(&lane, &way);
	assert_null(lane.flight);
	assert_int_equal(lane.flying, 0);
	redis_refuses = false;
	lane_turn(&lane, &way);
	check_sent(0, "1a ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_a_turn_has_goes_at_once_and_no_more_before_the_answer),
		T(what_was_left_goes_first_and_by_itself),
		T(what_is_skipped_has_a_number),
		T(what_has_no_answer_is_sent_again_with_its_number),
		T(what_is_refused_is_told_and_the_rest_sent_again_in_order),
		T(an_answer_of_the_redis_before_says_nothing),
		T(a_script_has_so_many_and_so_many_bytes),
		T(what_grew_too_large_by_a_reload_is_dropped_and_told),
		T(a_redis_that_takes_no_command_is_asked_again),
#undef T
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	redis_end();
	return (failed);
}
