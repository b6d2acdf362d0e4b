/* What is said of notifications, as JSON: what is taken, and as what; what is not. */
#include "hub/service/notice_text.h"

#include "proto/json.h"
#include "tests/lib/check.h"

static struct notice_names names;
static struct buf b;

static int
set_up(void **state)
{
	(void)state;
	buf_init(&b);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	buf_fini(&b);
	return (0);
}

static void
one_is_kept_as_it_was_said(void **state)
{
	const struct slice id = SLICE("made"), object = SLICE("{\"type\":\"t\","
	    "\"id\":\"\\u0061b\",\"data\":{\"k\":[1,\"\\u00e9\"]},"
	    "\"title\":\"T\\\"\",\"priority\":\"urgent\",\"category\":\"c\","
	    "\"expires\":2000,\"collapse\":\"k\"}");
	struct box_item i;

	(void)state;
	assert_null(notice_item(object, &names, id, 1000, &b, &i));
	assert_slice(i.id, "ab");
	assert_slice(i.category, "c");
	assert_slice(i.collapse, "k");
	assert_int_equal(i.rank, BOX_URGENT);
	assert_int_equal(i.expires_ms, 2000);
	assert_slice(i.json, "\"id\":\"ab\",\"type\":\"t\",\"title\":\"T\\\"\","
	    "\"category\":\"c\",\"priority\":\"urgent\","
	    "\"data\":{\"k\":[1,\"\\u00e9\"]},\"ts\":1000,\"expires\":2000,"
	    "\"collapse\":\"k\"");
	assert_null(notice_item(SLICE("{}"), &names, id, 1000, &b, &i));
	assert_slice(i.json,
	    "\"id\":\"made\",\"priority\":\"normal\",\"ts\":1000");
	assert_int_equal(i.category.n + i.collapse.n, 0);
}

#define X8	"xxxxxxxx"
#define LONG_ID	"{\"id\":\"" X8 X8 X8 X8 X8 X8 X8 X8 "x\"}"

static void
one_that_is_wrong_is_not_kept(void **state)
{
	static const char *const bad[] = { "{\"id\":\"\"}", "{\"id\":5}",
		"{\"title\":5}", "{\"message\":null}", "{\"type\":[]}",
		"{\"category\":\"\\n\"}", "{\"priority\":\"\"}",
		"{\"priority\":1}", "{\"expires\":1000}", "{\"expires\":0}",
		"{\"expires\":\"x\"}", "{\"expires\":1e300}",
		"{\"collapse\":null}", LONG_ID };
	struct box_item i;
	size_t k;

	(void)state;
	for (k = 0; k < nitems(bad); k++) {
		assert_true(json_valid(slice_str(bad[k])));
		assert_non_null(notice_item(slice_str(bad[k]), &names,
		    SLICE("x"), 1000, &b, &i));
	}
}

static void
those_that_are_meant_are_named(void **state)
{
	static struct box_pick p;

	(void)state;
	assert_null(notice_pick(SLICE("{\"notificationId\":\"a\"}"), &names,
	    &p));
	assert_int_equal(p.n, 1);
	assert_slice(p.ids[0], "a");
	assert_null(notice_pick(SLICE("{\"id\":\"a\",\"ids\":[\"b\",\"c\"]}"),
	    &names, &p));
	assert_int_equal(p.n, 3);
	assert_slice(p.ids[2], "c");
	assert_null(notice_pick(SLICE("{\"all\":true,\"category\":\"c\"}"),
	    &names, &p));
	assert_true(p.all);
	assert_slice(p.category, "c");
	assert_null(notice_pick_all(slice_of(NULL, 0), &names, &p));
	assert_true(p.all && p.n == 0 && p.category.n == 0);
	assert_non_null(notice_pick(slice_of(NULL, 0), &names, &p));
	assert_non_null(notice_pick(SLICE("{\"all\":false}"), &names, &p));
	assert_non_null(notice_pick(SLICE("{\"ids\":[]}"), &names, &p));
	assert_non_null(notice_pick(SLICE("{\"ids\":[1]}"), &names, &p));
	assert_non_null(notice_pick(SLICE("\"a\""), &names, &p));
}

static void
pages_have_bounds(void **state)
{
	static const char *const bad[] = { "{\"limit\":0}", "{\"limit\":101}",
		"{\"limit\":\"5\"}", "{\"cursor\":-1}", "{\"cursor\":1.5}",
		"{\"unread\":null}", "{\"category\":[]}" };
	struct box_look l;
	size_t k;

	(void)state;
	assert_null(notice_look(slice_of(NULL, 0), &names, &l));
	assert_int_equal(l.limit, 20);
	assert_null(notice_look(SLICE("{\"limit\":100,\"cursor\":7,"
	    "\"unread\":true,\"category\":\"c\"}"), &names, &l));
	assert_int_equal(l.limit, 100);
	assert_int_equal(l.cursor, 7);
	assert_true(l.unread);
	assert_slice(l.category, "c");
	for (k = 0; k < nitems(bad); k++)
		assert_non_null(notice_look(slice_str(bad[k]), &names, &l));
}

#define QUIET(rest)	"{\"quiet_hours\":{\"from\":\"22:00\","	\
			"\"to\":\"01:00\"," rest "}}"

static void
preferences_are_given_back_whole(void **state)
{
	static const char *const bad[] = { "{\"muted\":\"a\"}",
		"{\"muted\":[\"\"]}", "{\"least_priority\":\"x\"}",
		"{\"quiet_hours\":1}", "{\"quiet_hours\":{\"from\":\"22:00\"}}",
		"{\"quiet_hours\":{\"from\":\"24:00\",\"to\":\"01:00\"}}",
		"{\"quiet_hours\":{\"from\":\"29:00\",\"to\":\"01:00\"}}",
		"{\"quiet_hours\":{\"from\":\"22:60\",\"to\":\"01:00\"}}",
		"{\"quiet_hours\":{\"from\":\"22:00\",\"to\":\"1:00\"}}",
		QUIET("\"utc_offset\":841"),
		QUIET("\"deliver\":\"no\"") };
	struct box_prefs p;
	struct slice first;
	size_t k;

	(void)state;
	assert_null(notice_prefs(SLICE("{}"), &names, &b, &p));
	assert_slices(p.json, notice_prefs_none());
	assert_null(notice_prefs(SLICE("{\"muted\":[\"a\",\"b\\\"\"],"
	    "\"least_priority\":\"high\",\"quiet_hours\":{\"from\":\"22:05\","
	    "\"to\":\"07:00\",\"utc_offset\":-90,\"deliver\":\"count\"}}"),
	    &names, &b, &p));
	first = SLICE("{\"muted\":[\"a\",\"b\\\"\"],\"least_priority\":\"high\","
	    "\"quiet_hours\":{\"from\":\"22:05\",\"to\":\"07:00\","
	    "\"utc_offset\":-90,\"deliver\":\"count\"}}");
	assert_slices(p.json, first);
	assert_int_equal(p.nmuted, 2);
	assert_int_equal(p.from, 22 * 60 + 5);
	assert_int_equal(p.to, 7 * 60);
	assert_int_equal(p.offset, -90);
	assert_true(p.quiet && p.count_only);
	for (k = 0; k < nitems(bad); k++) {
		assert_true(json_valid(slice_str(bad[k])));
		assert_non_null(notice_prefs(slice_str(bad[k]), &names, &b,
		    &p));
	}
}

static void
quiet_hours_are_on_the_users_clock(void **state)
{
	/* 22:00 to 07:00, an hour ahead of UTC */
	struct box_prefs p = { .quiet = true, .from = 1320, .to = 420,
		.offset = 60 };
	const uint64_t hour = 3600000;

	(void)state;
	assert_true(box_is_quiet(&p, 21 * hour));
	assert_false(box_is_quiet(&p, 21 * hour - 1));
	assert_true(box_is_quiet(&p, 100 * 24 * hour + 5 * hour));
	assert_false(box_is_quiet(&p, 6 * hour));
	p.offset = -60;
	assert_true(box_is_quiet(&p, 0));
	assert_true(box_is_quiet(&p, 23 * hour));
	assert_false(box_is_quiet(&p, 22 * hour));
	p.from = 60;
	p.to = 120;
	p.offset = 0;
	assert_true(box_is_quiet(&p, hour));
	assert_false(box_is_quiet(&p, 2 * hour));
	p.quiet = false;
	assert_false(box_is_quiet(&p, hour));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_is_kept_as_it_was_said),
		TEST(one_that_is_wrong_is_not_kept),
		TEST(those_that_are_meant_are_named),
		TEST(pages_have_bounds),
		TEST(preferences_are_given_back_whole),
		TEST(quiet_hours_are_on_the_users_clock),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
