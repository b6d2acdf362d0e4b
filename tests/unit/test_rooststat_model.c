/* Rates, rows, percentiles and the verdict, from snapshots made by hand. */
#include "tools/rooststat/model.h"

#include <math.h>

#include "tests/lib/scene.h"
#include "tools/rooststat/verdict.h"

static int
open_scene(void **state)
{
	struct scene *s = calloc(1, sizeof *s);

	scene_open(s);
	*state = s;
	return (0);
}

static int
close_scene(void **state)
{
	scene_close(*state);
	free(*state);
	return (0);
}

static const struct model_rate *
rate(const struct scene *s, const char *name, const char *labels)
{
	unsigned i;

	for (i = 0; i < s->model.nrate; i++)
		if (strcmp(s->model.rate[i].metric->name, name) == 0 &&
		    strcmp(s->model.rate[i].metric->labels, labels) == 0)
			return (&s->model.rate[i]);
	fail_msg("no %s{%s}", name, labels);
	return (NULL);
}

static const struct model_latency *
latency(const struct scene *s, const char *name)
{
	unsigned i;

	for (i = 0; i < s->model.nlatency; i++)
		if (strcmp(s->model.latency[i].metric->name, name) == 0)
			return (&s->model.latency[i]);
	fail_msg("no %s", name);
	return (NULL);
}

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void
a_rate_is_the_difference_over_the_time(void **state)
{
	(void)state;
	assert_near(model_per_second(100, 350, 500000), 500);
	assert_near(model_per_second(100, 100, 500000), 0);
	assert_near(model_per_second(100, 40, 500000), 0);
	assert_true(isnan(model_per_second(100, 350, 0)));
}

static void
the_minute_is_a_mean_at_first_and_fades_then(void **state)
{
	double a;

	(void)state;
	a = model_fade(NAN, 10, 1000000, 1000000);
	assert_near(a, 10);
	a = model_fade(a, 20, 1000000, 2000000);
	assert_near(a, 15);
	a = model_fade(a, 0, 1000000, 3000000);
	assert_near(a, 10);
	assert_near(model_fade(10, 70, 6000000, 600000000), 16);
	assert_near(model_fade(10, 70, 90000000, 600000000), 70);
	assert_near(model_fade(10, 70, 0, 0), 70);
	assert_true(isnan(model_fade(10, NAN, 1, 2)));
}

static void
labels_are_found_and_unescaped(void **state)
{
	char v[8];

	(void)state;
	assert_true(model_label("ns=\"/a\"", "ns", v, sizeof v));
	assert_string_equal(v, "/a");
	assert_true(model_label("x=\"1,ns=\\\"\",ns=\"b\"", "ns", v,
	    sizeof v));
	assert_string_equal(v, "b");
	assert_true(model_label("ns=\"a\\\"\\\\\",b=\"c\"", "ns", v,
	    sizeof v));
	assert_string_equal(v, "a\"\\");
	assert_true(model_label("ns=\"0123456789\"", "ns", v, sizeof v));
	assert_string_equal(v, "0123456");
	assert_false(model_label("", "ns", v, sizeof v));
	assert_false(model_label("n=\"1\",nss=\"2\"", "ns", v, sizeof v));
	assert_false(model_label("broken", "ns", v, sizeof v));
	assert_false(model_label("x=\"open\\", "ns", v, sizeof v));
	assert_true(model_label("ns=\"open", "ns", v, sizeof v));
}

static void
nothing_is_known_of_rates_at_first(void **state)
{
	struct scene *s = *state;

	scene_in(s, 1);
	counter_add(COUNTER_deliveries, 980);
	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_first(s);
	assert_true(isnan(rate(s, "deliveries", "")->now));
	assert_true(isnan(rate(s, "deliveries", "")->minute));
	assert_near(rate(s, "deliveries", "")->start, 10);
	assert_true(isnan(s->model.proc[1].out));
	assert_true(isnan(s->model.proc[1].busy));
	assert_int_equal(s->model.head[HEAD_OUT].history.n, 0);
}

static void
totals_are_of_all_processes_and_rows_of_one(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	assert_near(rate(s, "deliveries", "")->value, 27000);
	assert_near(rate(s, "deliveries", "")->now, 13000);
	assert_near(rate(s, "deliveries", "")->minute, 13000);
	assert_near(rate(s, "deliveries", "")->start, 270);
	assert_true(isnan(rate(s, "connections_open", "")->now));
	assert_int_equal(s->model.nproc, 4);
	assert_near(s->model.proc[1].out, 12000);
	assert_near(s->model.proc[2].out, 1000);
	assert_near(s->model.proc[1].connections, 7);
	assert_near(s->model.proc[1].busy, 0.25);
	assert_near(s->model.proc[2].busy, 0);
	assert_true(s->model.proc[1].turn_p99_us >= 500000);
	assert_near(s->model.open, 7);
	assert_near(s->model.users, 5);
	assert_int_equal(s->model.head[HEAD_OUT].history.n, 1);
	assert_near(s->model.head[HEAD_OUT].history.value[0], 13000);
}

/* Rows: relay, worker 1, worker 2, master; two seconds lie between. */
static void
what_processes_take_is_compared_for_the_same_process_only(void **state)
{
	static const struct plat_use was[] = { { 1, 1000, 1, 100 },
		{ 1 << 20, 500000, 10, 100 }, { 1 << 20, 900000, 10, 100 },
		{ -1, -1, -1, -1 } };
	static const struct plat_use use[] = { { 5, 1000, 5, 100 },
		{ 2 << 20, 1500000, 95, 100 }, { 3 << 20, 1000, 20, 100 },
		{ -1, -1, -1, -1 } };
	struct scene *s = *state;
	struct model *m = &s->model;

	scene_traffic(s);
	assert_true(isnan(m->proc[1].memory));
	assert_true(isnan(m->proc[1].cpu));
	s->source.use = use;
	s->source.was = was;
	s->snap[1].row[2].pid++;		/* replaced in between */
	scene_second(s);
	assert_near(m->proc[1].memory, 2 << 20);
	assert_near(m->proc[1].cpu, 0.5);
	assert_near(m->proc[1].files, 95);
	assert_near(m->proc[0].cpu, 0);
	assert_true(isnan(m->proc[2].cpu));
	assert_near(m->proc[2].memory, 3 << 20);
	assert_true(isnan(m->proc[3].memory));
	assert_near(m->level[LEVEL_MEMORY].value[m->level[LEVEL_MEMORY].n - 1],
	    (5 << 20) + 5);
	assert_near(m->level[LEVEL_CPU].value[m->level[LEVEL_CPU].n - 1], 0.5);
	assert_int_equal(m->verdict, VERDICT_DEGRADED);
	assert_string_equal(m->reason[0],
	    "worker 1 has 95 of 100 descriptors open");
}

/* Reasons for which nobody has to do anything. */
static bool
ordinary(const char *labels)
{
	static const char *const reasons[] = { "client_close", "server_close",
		"shutdown", "restart", "connect_timeout", "idle_timeout",
		"close_timeout", "http_done", "unsupported_data",
		"auth_expired", "kicked", "taken_over", "upgrade_failed",
		"reconnect", "rights_lost", "aged", "revoked" };
	char name[40];
	size_t i;

	for (i = 0; i < nitems(reasons); i++) {
		(void)snprintf(name, sizeof name, "reason=\"%s\"",
		    reasons[i]);
		if (strcmp(labels, name) == 0)
			return (true);
	}
	return (false);
}

/* A name that says so is trouble: nobody forgets to list a new one. */
static void
every_counter_of_losses_is_a_problem(void **state)
{
	static const char *const words[] = { "_lost", "refus", "dropped",
		"failed", "_full", "_bad", "died", "hung", "missed",
		"incomplete", "forgotten", "untracked", "overrun", "rejected",
		"timed_out", "unroutable" };
	struct scene *s = *state;
	enum model_severity severity;
	const struct stats_metric *m;
	unsigned i, n = 0;
	size_t j;

	scene_traffic(s);
	for (i = 0; i < s->snap[1].nmetrics; i++) {
		m = &s->snap[1].metric[i];
		for (j = 0; j < nitems(words); j++)
			if (strstr(m->name, words[j]) != NULL)
				break;
		if (j == nitems(words) || strncmp(m->name, "ns_", 3) == 0)
			continue;
		n++;
		if (!verdict_is_problem(m, &severity))
			fail_msg("%s{%s}", m->name, m->labels);
	}
	assert_true(n > 30);
}

static void
every_lost_connection_is_a_problem(void **state)
{
	struct scene *s = *state;
	enum model_severity severity;
	const struct stats_metric *m;
	unsigned i, n = 0;

	scene_traffic(s);
	for (i = 0; i < s->snap[1].nmetrics; i++) {
		m = &s->snap[1].metric[i];
		if (strcmp(m->name, "connections_closed") != 0)
			continue;
		n++;
		if (verdict_is_problem(m, &severity) == ordinary(m->labels))
			fail_msg("%s", m->labels);
	}
	assert_int_equal(n, REASON__MAX);
	for (i = 0; i < s->snap[1].nmetrics; i++) {
		m = &s->snap[1].metric[i];
		if (strcmp(m->labels, "reason=\"worker_died\"") != 0)
			continue;
		assert_true(verdict_is_problem(m, &severity));
		assert_int_equal(severity, SEVERITY_BAD);
	}
}

static void
namespaces_sum_their_errors(void **state)
{
	struct scene *s = *state;
	const struct model_ns *ns;

	scene_traffic(s);
	assert_int_equal(s->model.nns, 2);
	ns = &s->model.ns[0];
	assert_string_equal(ns->name, "/");
	assert_near(ns->users, 5);
	assert_near(ns->sockets, 9);
	assert_near(ns->out, 10000);
	assert_near(ns->errors, 0);
	ns = &s->model.ns[1];
	assert_string_equal(ns->name, "/gr\xc3\xb6\xc3\x9f" "e");
	assert_near(ns->out, 2000);
	assert_near(ns->errors, 4);
	assert_near(ns->all_errors, 8);
}

static void
a_new_namespace_has_no_rates_yet(void **state)
{
	struct scene *s = *state;

	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_first(s);
	assert_true(stats_ns(s->stats, 2, "/new"));
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.nns, 3);
	assert_string_equal(s->model.ns[2].name, "/new");
	assert_true(isnan(s->model.ns[2].out));
}

static void
percentiles_are_of_the_interval(void **state)
{
	struct scene *s = *state;
	const struct model_latency *l;

	scene_traffic(s);
	l = latency(s, "delivery_us");
	assert_false(l->old);
	assert_near(l->rate, 50);
	assert_int_equal(l->p50, 104);		/* the end of 96..103 */
	assert_int_equal(l->p90, 104);
	assert_int_equal(l->p99, 5120);
	assert_int_equal(l->max, 5120);
}

static void
percentiles_are_of_all_time_when_nothing_was_measured(void **state)
{
	struct scene *s = *state;
	const struct model_latency *l;

	scene_traffic(s);
	l = latency(s, "handshake_us");
	assert_true(l->old);
	assert_true(l->any);
	assert_near(l->rate, 0);
	assert_int_equal(l->max, 960);
	l = latency(s, "rtt_us");
	assert_false(l->any);
}

static void
the_slots_next_owner_goes_on(void **state)
{
	struct scene *s = *state;

	scene_in(s, 1);
	counter_add(COUNTER_deliveries, 500);
	counter_set(COUNTER_connections_open, 4);
	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_first(s);
	counters_attach(NULL);
	stats_slot_dead(s->stats, 1);
	stats_slot_free(s->stats, 1);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.nproc, 3);
	assert_int_equal(s->model.workers, 1);
	assert_near(rate(s, "deliveries", "")->now, 0);
	assert_near(s->model.open, 0);
}

/* --- verdict -------------------------------------------------------------- */

static void
all_is_well_while_everybody_beats(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	assert_int_equal(s->model.verdict, VERDICT_HEALTHY);
	assert_int_equal(s->model.nreasons, 0);
	assert_int_equal(s->model.workers_well, 2);
}

static void
what_clients_do_wrong_is_a_problem_but_no_reason(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	assert_int_equal(s->model.nproblem, 1);
	assert_string_equal(s->model.problem[0].rate.metric->labels,
	    "code=\"invalid\"");
	assert_int_equal(s->model.problem[0].severity, SEVERITY_NOTE);
}

static void
what_is_lost_now_is_a_reason_the_worst_first(void **state)
{
	struct scene *s = *state;

	scene_in(s, 1);
	counter_add(COUNTER_memory_failures, 5);	/* long ago */
	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_first(s);
	counter_add(COUNTER_bus_dropped_volatile, 8);
	counter_add(COUNTER_accept_failed, 2);
	counter_add(COUNTER_rejected_other, 2000);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_DEGRADED);
	assert_int_equal(s->model.nreasons, 2);
	assert_string_equal(s->model.reason[0], "accept_failed 1.0/s");
	assert_string_equal(s->model.reason[1], "bus_dropped_volatile 4.0/s");
	assert_int_equal(s->model.nproblem, 4);
	assert_string_equal(s->model.problem[3].rate.metric->name,
	    "memory_failures");
}

static void
a_full_table_is_a_reason_while_it_lasts(void **state)
{
	struct scene *s = *state;

	scene_in(s, 2);
	counter_set(COUNTER_presence_untracked, 12);
	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_take(s, 1, SCENE_UP_MS);
	scene_first(s);
	scene_second(s);
	assert_int_equal(s->model.nreasons, 1);
	assert_string_equal(s->model.reason[0], "presence_untracked 12");
}

static void
silent_and_dead_processes_are_named(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	s->snap[1].row[2].heartbeat_ms -= 7000;
	s->snap[1].row[0].state = STATS_SLOT_DEAD;
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_DEGRADED);
	assert_int_equal(s->model.workers_well, 1);
	assert_string_equal(s->model.reason[0], "relay died");
	assert_string_equal(s->model.reason[1], "worker 2 silent for 7s");
}

static void
a_replaced_worker_is_news_for_a_minute(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	scene_in(s, 3);
	counter_add(COUNTER_children_died, 1);
	scene_take(s, 0, SCENE_UP_MS - 2000);
	scene_take(s, 1, SCENE_UP_MS);
	s->snap[1].row[1].started_ms += SCENE_UP_MS - 59000;
	scene_second(s);
	assert_int_equal(s->model.nreasons, 1);
	assert_string_equal(s->model.reason[0], "worker 1 replaced 59s ago");
	s->snap[1].row[1].started_ms -= 2000;
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_HEALTHY);
}

static void
without_a_relay_it_is_degraded(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	scene_take(s, 1, SCENE_UP_MS);
	s->snap[1].row[0].state = STATS_SLOT_FREE;
	scene_second(s);
	assert_int_equal(s->model.nreasons, 1);
	assert_string_equal(s->model.reason[0], "no relay");
}

static void
without_its_redis_it_is_degraded(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	scene_in(s, 0);
	counter_set(COUNTER_redis_state, 4);
	scene_take(s, 0, SCENE_UP_MS);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_DEGRADED);
	assert_string_equal(s->model.reason[0],
	    "Redis cannot be reached");
	scene_in(s, 0);
	counter_set(COUNTER_redis_state, 1);
	counter_set(COUNTER_redis_refusing, 1);
	scene_take(s, 0, SCENE_UP_MS);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_DEGRADED);
	assert_string_equal(s->model.reason[0],
	    "Redis refuses commands for the time being");
	scene_in(s, 0);
	counter_set(COUNTER_redis_refusing, 0);
	counter_set(COUNTER_secret_file_bad, 1);
	scene_take(s, 0, SCENE_UP_MS);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_DEGRADED);
	assert_string_equal(s->model.reason[0],
	    "secret_file of Redis cannot be used");
	scene_in(s, 0);
	counter_set(COUNTER_secret_file_bad, 0);
	scene_take(s, 0, SCENE_UP_MS);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_HEALTHY);
}

static void
a_worker_at_its_limit_is_named(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	scene_in(s, 2);
	histogram_add(HISTOGRAM_loop_turn_us, 1960000);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.nreasons, 1);
	assert_string_equal(s->model.reason[0], "worker 2 is at 98% of a CPU");
}

static void
clients_that_are_lost_at_one_age_point_to_a_proxy(void **state)
{
	struct scene *s = *state;
	unsigned i;

	scene_traffic(s);
	scene_in(s, 2);
	for (i = 0; i < 19; i++)
		histogram_add(HISTOGRAM_lost_age_ms, 59000 + i * 100);
	for (i = 0; i < 18; i++)	/* of others no two are as old */
		histogram_add(HISTOGRAM_lost_age_ms, UINT64_C(6000) << i);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.nreasons, 0);
	for (i = 0; i < 2; i++)
		histogram_add(HISTOGRAM_lost_age_ms, 60000);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_HEALTHY);
	assert_int_equal(s->model.nreasons, 1);
	assert_string_equal(s->model.reason[0], "most clients that are lost "
	    "are 57s to 1m01s old: a timeout of a proxy?");
	/* who comes and goes at once is none of them */
	for (i = 0; i < 60; i++)
		histogram_add(HISTOGRAM_lost_age_ms, 10);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_int_equal(s->model.nreasons, 0);
}

static void
a_daemon_that_ended_is_down_and_nothing_else_counts(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	s->source.daemon = DAEMON_ENDED;
	s->source.silent_ms = 65000;
	s->snap[1].row[1].state = STATS_SLOT_DEAD;
	scene_second(s);
	assert_int_equal(s->model.verdict, VERDICT_DOWN);
	assert_int_equal(s->model.nreasons, 1);
	assert_string_equal(s->model.reason[0], "roostd ended 1m05s ago");
}

static void
silent_for(struct scene *s, char process, bool workers)
{
	unsigned i;

	s->source.daemon = DAEMON_SILENT;
	s->source.silent_ms = 12000;
	s->source.process = process;
	for (i = 0; i < s->snap[1].nrows; i++)
		if (!workers)
			s->snap[1].row[i].heartbeat_ms = SCENE_START + 1;
	scene_second(s);
}

static void
a_silent_master_is_told_apart(void **state)
{
	struct scene *s = *state;

	scene_traffic(s);
	silent_for(s, 'T', true);
	assert_int_equal(s->model.verdict, VERDICT_DEGRADED);
	assert_string_equal(s->model.reason[0], "master 100 is stopped "
	    "(SIGSTOP), last heartbeat 12s ago");
	assert_string_equal(s->model.reason[1], "2 of 2 workers serve on");
	silent_for(s, 'S', false);
	assert_int_equal(s->model.verdict, VERDICT_DOWN);
	assert_string_equal(s->model.reason[0],
	    "master 100 hangs, last heartbeat 12s ago");
	assert_string_equal(s->model.reason[1], "no worker serves");
	silent_for(s, '\0', false);
	assert_string_equal(s->model.reason[0], "master 100 is gone without "
	    "a word, last heartbeat 12s ago");
}

int
main(void)
{
#define ON_SCENE(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_the_difference_over_the_time),
		cmocka_unit_test(the_minute_is_a_mean_at_first_and_fades_then),
		cmocka_unit_test(labels_are_found_and_unescaped),
		ON_SCENE(nothing_is_known_of_rates_at_first),
		ON_SCENE(totals_are_of_all_processes_and_rows_of_one),
		ON_SCENE(
		    what_processes_take_is_compared_for_the_same_process_only),
		ON_SCENE(every_counter_of_losses_is_a_problem),
		ON_SCENE(every_lost_connection_is_a_problem),
		ON_SCENE(namespaces_sum_their_errors),
		ON_SCENE(a_new_namespace_has_no_rates_yet),
		ON_SCENE(percentiles_are_of_the_interval),
		ON_SCENE(percentiles_are_of_all_time_when_nothing_was_measured),
		ON_SCENE(the_slots_next_owner_goes_on),
		ON_SCENE(all_is_well_while_everybody_beats),
		ON_SCENE(what_clients_do_wrong_is_a_problem_but_no_reason),
		ON_SCENE(what_is_lost_now_is_a_reason_the_worst_first),
		ON_SCENE(a_full_table_is_a_reason_while_it_lasts),
		ON_SCENE(silent_and_dead_processes_are_named),
		ON_SCENE(a_replaced_worker_is_news_for_a_minute),
		ON_SCENE(without_a_relay_it_is_degraded),
		ON_SCENE(without_its_redis_it_is_degraded),
		ON_SCENE(a_worker_at_its_limit_is_named),
		ON_SCENE(clients_that_are_lost_at_one_age_point_to_a_proxy),
		ON_SCENE(a_daemon_that_ended_is_down_and_nothing_else_counts),
		ON_SCENE(a_silent_master_is_told_apart),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
