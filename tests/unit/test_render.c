/* Snapshots as text, from snapshots made by hand and from real ones. */
#include <jansson.h>

#include "check.h"
#include "shm/render.h"

static struct stats_metric metrics[] = {
	{ .name = "bytes_in", .help = "Bytes\nread \\ in.", .labels = "",
	    .type = STATS_COUNTER, .agg = STATS_SUM, .unit = STATS_BYTES,
	    .ncells = 1, .first = 0, .leads = true },
	{ .name = "closed", .help = "Closed.", .labels = "reason=\"a\"",
	    .type = STATS_COUNTER, .agg = STATS_SUM, .ncells = 1, .first = 1,
	    .leads = true, .next = 3 },
	{ .name = "rooms", .help = "Rooms.", .labels = "",
	    .type = STATS_GAUGE, .agg = STATS_SUM, .ncells = 1, .first = 2,
	    .leads = true },
	{ .name = "closed", .help = "Closed too.",
	    .labels = "ns=\"x,\\\"y\",reason=\"b\"",
	    .type = STATS_COUNTER, .agg = STATS_SUM, .ncells = 1,
	    .first = 3 },
	{ .name = "rtt_us", .help = "Round trip.", .labels = "",
	    .type = STATS_HISTOGRAM, .agg = STATS_SUM, .unit = STATS_US,
	    .sub_bits = 3, .ncells = 201, .first = 4, .leads = true },
};
static uint64_t values[205];
static struct stats_row row = { .state = STATS_SLOT_LIVE, .pid = 7,
	.role = STATS_ROLE_WORKER, .generation = 2, .started_ms = 1,
	.heartbeat_ms = 2, .name = "worker \"1\"" };
static struct stats_snapshot snapshot = { .started_ms = 1700000000123,
	.heartbeat_ms = 1700000001000, .state = STATS_LIVE, .master_pid = 5,
	.version = "1.0", .nmetrics = nitems(metrics), .metric = metrics,
	.nrows = 1, .row = &row, .nvalues = nitems(values),
	.total = values };

static int
setup(void **state)
{
	(void)state;
	memset(values, 0, sizeof values);
	values[0] = 10;
	values[1] = 1;
	values[2] = (uint64_t)-3;
	values[3] = 2;
	values[4 + 3] = 2;		/* 3 us, twice */
	values[4 + 20] = 5;		/* 24 to 25 us, five times */
	values[4 + 200] = 126;
	return (0);
}

static void
assert_has(struct buf *b, const char *text)
{
	buf_byte(b, '\0');
	b->wpos--;
	if (strstr((const char *)b->data + b->rpos, text) == NULL) {
		check_print("missing", slice_str(text));
		fail();
	}
}

static void
prometheus_groups_a_name_below_one_help(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	render_prometheus(&snapshot, &b);
	assert_has(&b, "# HELP roost_bytes_in_total Bytes\\nread \\\\ in.\n"
	    "# TYPE roost_bytes_in_total counter\nroost_bytes_in_total 10\n");
	assert_has(&b, "# HELP roost_closed_total Closed.\n"
	    "# TYPE roost_closed_total counter\n"
	    "roost_closed_total{reason=\"a\"} 1\n"
	    "roost_closed_total{ns=\"x,\\\"y\",reason=\"b\"} 2\n"
	    "# HELP roost_rooms Rooms.\n");
	assert_has(&b, "roost_rooms -3\n");
	assert_has(&b, "roost_start_time_seconds 1700000000.123\n");
	assert_has(&b, "roost_build_info{version=\"1.0\"} 1\n");
	buf_fini(&b);
}

static void
prometheus_histograms_are_cumulative_and_in_seconds(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	render_prometheus(&snapshot, &b);
	assert_has(&b, "# TYPE roost_rtt_seconds histogram\n"
	    "roost_rtt_seconds_bucket{le=\"0.000004\"} 2\n"
	    "roost_rtt_seconds_bucket{le=\"0.000008\"} 2\n"
	    "roost_rtt_seconds_bucket{le=\"0.000016\"} 2\n"
	    "roost_rtt_seconds_bucket{le=\"0.000032\"} 7\n");
	assert_has(&b, "roost_rtt_seconds_bucket{le=\"67.108864\"} 7\n"
	    "roost_rtt_seconds_bucket{le=\"+Inf\"} 7\n"
	    "roost_rtt_seconds_sum 0.000126\nroost_rtt_seconds_count 7\n");
	buf_fini(&b);
}

static json_t *
parse(const struct stats_snapshot *s)
{
	json_error_t error;
	struct buf b;
	json_t *root;

	buf_init(&b);
	render_json(s, &b);
	assert_false(b.oom);
	root = json_loadb((const char *)b.data, b.wpos,
	    JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		fail_msg("%s at %d", error.text, error.position);
	buf_fini(&b);
	return (root);
}

static void
json_says_the_same(void **state)
{
	json_t *root = parse(&snapshot), *m, *p;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(root,
	    "state")), "live");
	m = json_object_get(root, "metrics");
	assert_int_equal(json_array_size(m), 5);
	assert_int_equal(json_integer_value(json_object_get(
	    json_array_get(m, 2), "value")), -3);
	assert_string_equal(json_string_value(json_object_get(
	    json_object_get(json_array_get(m, 3), "labels"), "ns")),
	    "x,\"y");
	p = json_array_get(json_object_get(root, "processes"), 0);
	assert_string_equal(json_string_value(json_object_get(p, "name")),
	    "worker \"1\"");
	m = json_object_get(json_array_get(m, 4), "value");
	assert_int_equal(json_integer_value(json_object_get(m, "count")), 7);
	json_decref(root);
}

static void
a_real_snapshot_renders_in_both(void **state)
{
	const struct stats_params p = { .nslots = 3, .version = "x" };
	struct stats *st = stats_create(NULL, &p);
	struct stats_snapshot s;
	struct buf b;
	json_t *root;

	(void)state;
	assert_non_null(st);
	assert_true(stats_ns(st, 0, "chat"));
	assert_true(stats_ns(st, 1, "we\"ird\\"));
	assert_true(stats_snapshot(st, true, &s));
	root = parse(&s);
	assert_true(json_array_size(json_object_get(root, "metrics")) > 200);
	json_decref(root);
	buf_init(&b);
	render_prometheus(&s, &b);
	assert_has(&b, "roost_ns_sockets{ns=\"chat\"} 0\n"
	    "roost_ns_sockets{ns=\"we\\\"ird\\\\\"} 0\n");
	assert_has(&b,
	    "roost_auth_failed_total{reason=\"expired\"} 0\n");
	buf_fini(&b);
	stats_snapshot_free(&s);
	stats_close(&st);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    prometheus_groups_a_name_below_one_help, setup),
		cmocka_unit_test_setup(
		    prometheus_histograms_are_cumulative_and_in_seconds,
		    setup),
		cmocka_unit_test_setup(json_says_the_same, setup),
		cmocka_unit_test_setup(a_real_snapshot_renders_in_both,
		    setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
