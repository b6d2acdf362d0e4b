/* Which metrics a pattern means. */
#include "tools/rooststat/match.h"

#include "shm/render.h"
#include "tests/lib/check.h"

static const struct stats_metric dropped = {
	.name = "deliveries_dropped", .labels = "why=\"slow_consumer\"",
	.help = "", .type = STATS_COUNTER, .ncells = 1
};

static bool
matches(const char *pattern)
{
	char text[64], *list[] = { text, NULL };

	(void)snprintf(text, sizeof text, "%s", pattern);
	return (match_metric(&dropped, list));
}

static void
a_metric_has_four_names(void **state)
{
	(void)state;
	assert_true(matches("deliveries_dropped"));
	assert_true(matches("roost_deliveries_dropped_total"));
	assert_true(matches("deliveries_dropped{why=\"slow_consumer\"}"));
	assert_true(matches("roost_*{*slow*}"));
	assert_true(matches("*dropped"));
	assert_false(matches("deliveries"));
	assert_false(matches("dropped"));
	assert_false(matches(""));
}

static void
without_patterns_all_match(void **state)
{
	char *none[] = { NULL };

	(void)state;
	assert_true(match_metric(&dropped, none));
	assert_true(match_metric(&dropped, NULL));
}

static void
typed_text_is_a_part_or_a_pattern(void **state)
{
	(void)state;
	assert_true(match_text("deliveries_dropped", ""));
	assert_true(match_text("deliveries_dropped", "DROP"));
	assert_false(match_text("deliveries_dropped", "drip"));
	assert_true(match_text("deliveries_dropped", "deliv*"));
	assert_false(match_text("deliveries_dropped", "drop*"));
	assert_true(match_text("worker 1", "*[12]"));
}

/* The exposition format has each family once, with all its samples. */
static void
families_stay_together_when_members_go(void **state)
{
	struct stats_metric m[5];
	uint64_t total[5] = { 1, 2, 3, 4, 5 };
	struct stats_snapshot s = { .metric = m, .nmetrics = 5,
		.nvalues = 5, .total = total, .version = "1" };
	char p1[] = "a{*y*}", p2[] = "a{*z*}", p3[] = "c", *list[] = {
		p1, p2, p3, NULL };
	static const char *const names[] = { "a", "b", "a", "c", "a" };
	static const char *const labels[] = {
		"k=\"x\"", "", "k=\"y\"", "", "k=\"z\""
	};
	struct buf b;
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++)
		m[i] = (struct stats_metric){ .name = names[i], .help = "h",
			.labels = labels[i], .type = STATS_GAUGE,
			.agg = STATS_SUM, .ncells = 1, .first = i,
			.leads = i != 2 && i != 4,
			.next = i == 0 ? 2 : i == 2 ? 4 : 0 };
	assert_true(match_some(&s, p1));
	assert_true(match_some(&s, p3));
	{
		char none[] = "d*";

		assert_false(match_some(&s, none));
	}
	match_reduce(&s, list);
	assert_int_equal(s.nmetrics, 3);
	buf_init(&b);
	render_prometheus(&s, &b);
	buf_byte(&b, '\0');
	assert_string_equal(strstr((const char *)b.data, "# HELP roost_a"),
	    "# HELP roost_a h\n# TYPE roost_a gauge\n"
	    "roost_a{k=\"y\"} 3\nroost_a{k=\"z\"} 5\n"
	    "# HELP roost_c h\n# TYPE roost_c gauge\nroost_c 4\n");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_metric_has_four_names),
		cmocka_unit_test(without_patterns_all_match),
		cmocka_unit_test(typed_text_is_a_part_or_a_pattern),
		cmocka_unit_test(families_stay_together_when_members_go),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
