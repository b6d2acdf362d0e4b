/* The stats file: made whole, counted in columns, read with suspicion. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "shm/stats.h"

static char dir[64], path[80];
static const struct stats_params params = { .nslots = 5,
	.version = "1.2.3" };

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "test_stats.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	snprintf(path, sizeof path, "%s/stats", dir);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	counters_attach(NULL);
	(void)unlink(path);
	return (rmdir(dir)); /* fails if something was left behind */
}

/* As the master does, ten times a second; at is in seconds. */
static void
publish(struct stats *st, uint64_t at)
{
	assert_int_equal(stats_publish(st, (struct mono){ at * 1000000 }), 0);
}

static uint64_t
total(const struct stats *st, const char *name, const char *labels)
{
	struct stats_snapshot s;
	const struct stats_metric *m;
	uint64_t v;

	assert_true(stats_snapshot(st, false, &s));
	m = stats_find(&s, name, labels);
	assert_non_null(m);
	v = s.total[m->first];
	stats_snapshot_free(&s);
	return (v);
}

static void
a_reader_sees_the_sum_of_the_columns(void **state)
{
	struct stats *w = stats_create(path, &params), *r;
	struct stat sb;

	(void)state;
	assert_non_null(w);
	r = stats_open(path);
	assert_non_null(r);
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 07777, 0640);
	counters_attach(stats_column(w, 1));
	counter_add(COUNTER_bytes_in, 40);
	counters_attach(stats_column(w, 4));
	counter_add(COUNTER_bytes_in, 2);
	counter_reason(REASON_kicked);
	stats_slot_live(w, 1, STATS_ROLE_WORKER, 9, 1, "worker 1");
	stats_slot_live(w, 4, STATS_ROLE_WORKER, 9, 1, "worker 4");
	publish(w, 0);
	assert_int_equal(total(r, "bytes_in", ""), 42);
	assert_int_equal(total(r, "connections_closed",
	    "reason=\"kicked\""), 1);
	assert_int_equal(stats_total(w, COUNTER_bytes_in), 42);
	stats_close(&r);
	stats_close(&w);
}

static void
without_a_file_it_works_as_well(void **state)
{
	struct stats *st = stats_create(NULL, &params);

	(void)state;
	assert_non_null(st);
	counters_attach(stats_column(st, stats_master(st)));
	counter_add(COUNTER_children_hung, 1);
	assert_int_equal(total(st, "children_hung", ""), 1);
	assert_false(stats_stale(st, wall_now()));
	stats_close(&st);
}

static void
namespaces_appear_when_they_are_named(void **state)
{
	struct stats *w = stats_create(path, &params), *r;
	struct stats_snapshot s;
	unsigned i;

	(void)state;
	assert_non_null(w);
	r = stats_open(path);
	counters_attach(stats_column(w, 2));
	counter_ns_add(1, NS_events_in, 5);
	counter_ns_add(700, NS_events_in, 6);
	publish(w, 0);
	assert_true(stats_snapshot(r, false, &s));
	assert_null(stats_find(&s, "ns_events_in", "ns=\"chat\""));
	stats_snapshot_free(&s);
	assert_true(stats_ns(w, 1, "chat"));
	assert_true(stats_ns(w, 1, "chat"));
	assert_true(stats_ns(w, 2, "a\"b\\c\nd"));
	stats_slot_live(w, 2, STATS_ROLE_WORKER, 9, 1, "worker 2");
	publish(w, 0);
	assert_int_equal(total(r, "ns_events_in", "ns=\"chat\""), 5);
	assert_int_equal(total(r, "ns_errors",
	    "ns=\"chat\",code=\"invalid\""), 0);
	assert_int_equal(total(r, "ns_events_in", "ns=\"a\\\"b\\\\c?d\""),
	    0);
	assert_false(stats_ns(w, 700, "late"));
	publish(w, 0);
	assert_int_equal(total(r, "ns_events_in", "ns=\"_other\""), 6);
	assert_int_equal(stats_ns_total(w, 1, NS_events_in), 5);
	assert_int_equal(total(r, "stats_ns_overflow", ""), 1);
	for (i = 0; i < 300; i++)
		(void)stats_ns(w, i, "a namespace with a name of more than "
		    "sixty-four bytes, so that it is cut \xc3\xa4\xc3\xa4");
	publish(w, 0);
	assert_true(stats_snapshot(r, false, &s));
	assert_true(s.nmetrics > 256 * NS__MAX);
	stats_snapshot_free(&s);
	stats_close(&r);
	stats_close(&w);
}

static void
users_come_from_the_masters_column_only(void **state)
{
	struct stats *st = stats_create(NULL, &params);

	(void)state;
	assert_true(stats_ns(st, 0, "chat"));
	counters_attach(stats_column(st, 1));
	counter_ns_set(0, NS_users, 100);
	counters_attach(stats_column(st, stats_master(st)));
	counter_ns_set(0, NS_users, 7);
	assert_int_equal(total(st, "ns_users", "ns=\"chat\""), 7);
	stats_close(&st);
}

static void
a_slots_gauges_end_with_it_and_its_counters_stay(void **state)
{
	struct stats *st = stats_create(NULL, &params);

	(void)state;
	assert_true(stats_ns(st, 0, "chat"));
	stats_slot_live(st, 1, STATS_ROLE_WORKER, 99, 3, "worker 1");
	counters_attach(stats_column(st, 1));
	counter_add(COUNTER_rooms, 5);
	counter_add(COUNTER_joins, 5);
	counter_ns_add(0, NS_sockets, 4);
	counter_ns_add(0, NS_joins, 4);
	counter_ns_add(9, NS_sockets, 4);
	stats_slot_dead(st, 1);
	stats_slot_free(st, 1);
	assert_int_equal(total(st, "rooms", ""), 0);
	assert_int_equal(total(st, "joins", ""), 5);
	assert_int_equal(total(st, "ns_sockets", "ns=\"chat\""), 0);
	assert_int_equal(total(st, "ns_joins", "ns=\"chat\""), 4);
	assert_int_equal(stats_ns_total(st, 9, NS_sockets), 0);
	stats_close(&st);
}

static void
what_a_dead_slot_had_open_is_closed_for_that_reason(void **state)
{
	struct stats *st = stats_create(NULL, &params);
	static const char died[] = "reason=\"worker_died\"";

	(void)state;
	stats_slot_live(st, 1, STATS_ROLE_WORKER, 99, 3, "worker 1");
	counters_attach(stats_column(st, 1));
	counter_add(COUNTER_connections_accepted, 10);
	counter_add(COUNTER_connections_handed_in, 1);
	counter_add(COUNTER_connections_moved_in, 4);
	counter_add(COUNTER_connections_handed_out, 1);
	counter_add(COUNTER_connections_moved_out, 3);
	counter_reason(REASON_client_close);
	counter_reason(REASON_client_gone);
	/* killed between two counters: the gauge is behind */
	counter_add(COUNTER_connections_open, 8);
	stats_slot_dead(st, 1);
	assert_int_equal(stats_slot_free(st, 1), 9);
	assert_int_equal(total(st, "connections_closed", died), 9);
	assert_int_equal(total(st, "connections_open", ""), 0);
	/* its successor goes on: only what is new ends with it */
	stats_slot_live(st, 1, STATS_ROLE_WORKER, 100, 4, "worker 1");
	counter_add(COUNTER_connections_accepted, 3);
	assert_int_equal(stats_slot_free(st, 1), 3);
	assert_int_equal(stats_slot_free(st, 1), 0);
	assert_int_equal(total(st, "connections_closed", died), 12);
	stats_close(&st);
}

/* Clients too: sessions on polling have no connection of their own. */
static void
the_clients_of_a_dead_slot_part_for_that_reason(void **state)
{
	struct stats *st = stats_create(NULL, &params);
	static const char died[] = "reason=\"worker_died\"";

	(void)state;
	stats_slot_live(st, 1, STATS_ROLE_WORKER, 99, 3, "worker 1");
	counters_attach(stats_column(st, 1));
	counter_add(COUNTER_clients_opened, 7);
	counter_client(REASON_client_close);
	counter_client(REASON_client_gone);
	stats_slot_dead(st, 1);
	stats_slot_free(st, 1);
	assert_int_equal(total(st, "clients_closed", died), 5);
	counter_add(COUNTER_clients_opened, 2);
	counter_client(REASON_shutdown);
	stats_slot_free(st, 1);
	stats_slot_free(st, 1);
	assert_int_equal(total(st, "clients_closed", died), 6);
	stats_close(&st);
}

static void
what_a_dead_slot_had_queued_for_the_bus_is_lost(void **state)
{
	struct stats *st = stats_create(NULL, &params);

	(void)state;
	stats_slot_live(st, 1, STATS_ROLE_WORKER, 99, 3, "worker 1");
	counters_attach(stats_column(st, 1));
	counter_add(COUNTER_bus_lost_bytes, 5);
	counter_set(COUNTER_bus_queue_bytes, 1000);
	stats_slot_dead(st, 1);
	stats_slot_free(st, 1);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 1005);
	assert_int_equal(total(st, "bus_queue_bytes", ""), 0);
	stats_slot_free(st, 1);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 1005);
	stats_close(&st);
}

/* What workers have sent and no relay has read is lost with the relay, once;
 * what stands in a dead worker's stream is not: the relay reads it. */
static void
what_a_dead_relay_had_not_read_is_lost(void **state)
{
	struct stats *st = stats_create(NULL, &params);

	(void)state;
	stats_slot_live(st, 0, STATS_ROLE_RELAY, 98, 3, "relay");
	stats_slot_live(st, 1, STATS_ROLE_WORKER, 99, 3, "worker 1");
	stats_slot_live(st, 2, STATS_ROLE_WORKER, 100, 3, "worker 2");
	counters_attach(stats_column(st, 1));
	counter_add(COUNTER_bus_bytes_out, 700);
	counters_attach(stats_column(st, 2));
	counter_add(COUNTER_bus_bytes_out, 300);
	counters_attach(stats_column(st, 0));
	counter_add(COUNTER_bus_bytes_in, 960);
	counter_add(COUNTER_bus_bytes_out, 5000);
	stats_slot_free(st, 1);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 0);
	stats_slot_free(st, 0);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 40);
	stats_slot_free(st, 0);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 40);
	/* its successor: a byte that is read before it is counted as sent */
	stats_slot_live(st, 0, STATS_ROLE_RELAY, 101, 4, "relay");
	counter_add(COUNTER_bus_bytes_in, 1);
	stats_slot_free(st, 0);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 40);
	counters_attach(stats_column(st, 2));
	counter_add(COUNTER_bus_bytes_out, 11);
	stats_slot_free(st, 0);
	assert_int_equal(total(st, "bus_lost_bytes", ""), 50);
	stats_close(&st);
}

static void
rows_tell_who_is_who(void **state)
{
	struct stats *st = stats_create(NULL, &params);
	struct stats_snapshot s;

	(void)state;
	stats_slot_live(st, 2, STATS_ROLE_WORKER, 99, 3,
	    "worker with a long name");
	stats_heartbeat(st, 2, (struct wall){ 1234 });
	assert_true(stats_snapshot(st, true, &s));
	assert_int_equal(s.nrows, 6);
	assert_int_equal(s.row[2].state, STATS_SLOT_LIVE);
	assert_int_equal(s.row[2].pid, 99);
	assert_int_equal(s.row[2].generation, 3);
	assert_int_equal(s.row[2].heartbeat_ms, 1234);
	assert_string_equal(s.row[2].name, "worker with a l");
	assert_int_equal(s.row[5].role, STATS_ROLE_MASTER);
	assert_string_equal(s.version, "1.2.3");
	assert_non_null(s.each);
	stats_snapshot_free(&s);
	stats_close(&st);
}

static void
a_reader_notices_the_end_silence_and_a_new_file(void **state)
{
	struct stats *w = stats_create(path, &params), *r, *w2;
	struct wall now = wall_now();

	(void)state;
	r = stats_open(path);
	assert_non_null(r);
	stats_heartbeat(w, stats_master(w), now);
	publish(w, 0);
	assert_false(stats_stale(r, now));
	assert_true(stats_stale(r, (struct wall){ now.ms + 5001 }));
	stats_heartbeat(w, stats_master(w), (struct wall){ now.ms + 5001 });
	publish(w, 0);
	assert_false(stats_stale(r, (struct wall){ now.ms + 5001 }));
	w2 = stats_create(path, &params);
	assert_non_null(w2);
	assert_true(stats_stale(r, now));
	stats_close(&r);
	r = stats_open(path);
	assert_false(stats_stale(r, now));
	stats_end(w2);
	assert_true(stats_stale(r, now));
	stats_close(&r);
	stats_close(&w);
	stats_close(&w2);
}

/* Changes bytes of a good file and opens it. */
static void
assert_open_fails(size_t at, const void *bytes, size_t n, int error)
{
	struct stats *st = stats_create(path, &params);
	int fd = open(path, O_RDWR);

	assert_non_null(st);
	stats_close(&st);
	assert_int_equal(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
	close(fd);
	errno = 0;
	st = stats_open(path);
	assert_null(st);
	assert_int_equal(errno, error);
}

static void
what_is_not_a_stats_file_is_refused(void **state)
{
	const uint64_t huge = UINT64_MAX - 7;
	const uint32_t making = 0, big = UINT32_MAX;
	const uint16_t major = 2;

	(void)state;
	assert_null(stats_open(path));
	assert_int_equal(errno, ENOENT);
	assert_open_fails(0, "ROOSTST2", 8, EPROTO);
	assert_open_fails(8, "\4\3\2\2", 4, EPROTO);
	assert_open_fails(12, &major, 2, EPROTO);
	assert_open_fails(24, &huge, 8, EFBIG);
	assert_open_fails(56, &making, 4, EAGAIN);
	assert_open_fails(76, &big, 4, EPROTO);
	assert_open_fails(80, &huge, 8, EPROTO);
	assert_open_fails(88, &huge, 8, EPROTO);
	assert_open_fails(96, &huge, 8, EPROTO);
	assert_open_fails(104, &huge, 8, EPROTO);
	assert_open_fails(112, &big, 4, EPROTO);
	assert_open_fails(116, &making, 4, EPROTO);
	assert_open_fails(120, &huge, 8, EPROTO);
	assert_open_fails(128, &huge, 8, EPROTO);
	assert_open_fails(136, &big, 4, EPROTO);
	assert_open_fails(140, &big, 4, EPROTO);
	assert_int_equal(truncate(path, 100), 0);
	assert_null(stats_open(path));
	assert_int_equal(errno, EPROTO);
}

static void
unknown_kinds_and_wild_cells_are_passed_over(void **state)
{
	struct stats *w = stats_create(path, &params), *r;
	struct stats_snapshot s;
	unsigned n;
	int fd = open(path, O_RDWR);
	const uint32_t wild = UINT32_MAX;

	(void)state;
	r = stats_open(path);
	assert_true(stats_snapshot(r, false, &s));
	n = s.nmetrics;
	stats_snapshot_free(&s);
	assert_int_equal(pwrite(fd, "\x09", 1, 256 + 12), 1);
	assert_int_equal(pwrite(fd, &wild, 4, 256 + 64 + 16), 4);
	assert_int_equal(pwrite(fd, &wild, 4, 256 + 128 + 20), 4);
	assert_int_equal(pwrite(fd, &wild, 4, 256 + 192 + 0), 4);
	assert_true(stats_snapshot(r, true, &s));
	assert_int_equal(s.nmetrics, n - 3);
	assert_string_equal(s.metric[0].name, "");
	stats_snapshot_free(&s);
	assert_int_equal(pwrite(fd, &wild, 4, 72), 4);
	assert_false(stats_snapshot(r, false, &s));
	assert_int_equal(errno, EPROTO);
	close(fd);
	stats_close(&r);
	stats_close(&w);
}

/* A limit on file size stands for a full disk: the same call fails. */
static void
a_file_that_does_not_fit_fails_at_once_and_leaves_nothing(void **state)
{
	struct rlimit tight = { 100000, 100000 };
	struct stats *st;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &tight) == -1)
			_exit(2);
		st = stats_create(path, &params);
		_exit(st == NULL && (errno == EFBIG || errno == ENOSPC) ? 0 :
		    1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_distribution_has_quantiles(void **state)
{
	struct stats *st = stats_create(NULL, &params);
	const struct stats_metric *m;
	struct stats_snapshot s;
	unsigned i;

	(void)state;
	counters_attach(stats_column(st, 1));
	for (i = 1; i <= 1000; i++)
		histogram_add(HISTOGRAM_rtt_us, i);
	assert_true(stats_snapshot(st, false, &s));
	m = stats_find(&s, "rtt_us", "");
	assert_non_null(m);
	assert_int_equal(stats_count(m, s.total), 1000);
	assert_int_equal(s.total[m->first + m->ncells - 1], 500500);
	assert_in_range(stats_quantile(m, s.total, 0.5), 500, 563);
	assert_in_range(stats_quantile(m, s.total, 0.99), 990, 1115);
	m = stats_find(&s, "delivery_us", "");
	assert_int_equal(stats_quantile(m, s.total, 0.5), 0);
	stats_snapshot_free(&s);
	stats_close(&st);
}

/* What anybody does to the file is nothing to those who count. */
static void
a_file_that_is_cut_is_whole_again(void **state)
{
	struct stats *w = stats_create(path, &params), *r;
	struct stat sb;

	(void)state;
	stats_slot_live(w, 1, STATS_ROLE_WORKER, 9, 1, "worker 1");
	counters_attach(stats_column(w, 1));
	publish(w, 0);
	assert_int_equal(truncate(path, 0), 0);
	counter_add(COUNTER_bytes_in, 7);
	assert_int_equal(stats_total(w, COUNTER_bytes_in), 7);
	publish(w, 0);		/* it does not know yet */
	publish(w, 1);
	r = stats_open(path);
	assert_non_null(r);
	assert_int_equal(total(r, "bytes_in", ""), 7);
	stats_close(&r);
	/* the same for bytes written over */
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(truncate(path, 5000000), 0);
	publish(w, 2);
	r = stats_open(path);
	assert_non_null(r);
	assert_int_equal(total(r, "bytes_in", ""), 7);
	assert_int_equal(stat(path, &sb), 0);
	stats_close(&r);
	stats_close(&w);
}

static void
a_file_that_is_gone_or_another_is_made_again(void **state)
{
	struct stats *w = stats_create(path, &params), *r;
	int fd;

	(void)state;
	counters_attach(stats_column(w, stats_master(w)));
	publish(w, 0);
	assert_int_equal(unlink(path), 0);
	publish(w, 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(stats_publish(w, (struct mono){ 1000000 }), 1);
	r = stats_open(path);
	assert_non_null(r);
	assert_int_equal(total(r, "stats_remade", ""), 0);
	publish(w, 1);
	assert_int_equal(total(r, "stats_remade", ""), 1);
	/* another one in its place */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_not_equal(fd, -1);
	(void)close(fd);
	assert_true(stats_stale(r, wall_now()));
	assert_int_equal(stats_publish(w, (struct mono){ 2000000 }), 1);
	stats_close(&r);
	/* it cannot be made: said each time, until it can */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(stats_publish(w, (struct mono){ 3000000 }), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(stats_publish(w, (struct mono){ 3100000 }), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(stats_publish(w, (struct mono){ 4000000 }), 1);
	publish(w, 4);
	stats_end(w);
	r = stats_open(path);
	assert_non_null(r);
	assert_true(stats_stale(r, wall_now()));
	stats_close(&r);
	stats_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void
a_later_start_keeps_the_name_while_it_lives(void **state)
{
	struct stats *old = stats_create(path, &params), *w;
	struct stat is, sb;

	(void)state;
	assert_non_null(old);
	(void)usleep(2000);	/* starts are told apart by the millisecond */
	w = stats_create(path, &params);
	assert_non_null(w);
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(stats_publish(old, (struct mono){ 1000000 }), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(stats_publish(old, (struct mono){ 1100000 }), -1);
	stats_end(old);
	assert_int_equal(stats_publish(w, (struct mono){ 1000000 }), 0);
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_ino, is.st_ino);
	/* at its end, and where it has died, the name is free */
	stats_end(w);
	assert_int_equal(stats_publish(old, (struct mono){ 3000000 }), 1);
	stats_close(&old);
	stats_close(&w);
	old = stats_create(path, &params);
	(void)usleep(2000);	/* as above */
	w = stats_create(path, &params);
	stats_heartbeat(w, stats_master(w), (struct wall){ wall_now().ms -
	    6000 });
	assert_int_equal(stats_publish(w, (struct mono){ 1000000 }), 0);
	assert_int_equal(stats_publish(old, (struct mono){ 1000000 }), 1);
	stats_close(&old);
	stats_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reader_sees_the_sum_of_the_columns),
		T(without_a_file_it_works_as_well),
		T(namespaces_appear_when_they_are_named),
		T(users_come_from_the_masters_column_only),
		T(a_slots_gauges_end_with_it_and_its_counters_stay),
		T(what_a_dead_slot_had_open_is_closed_for_that_reason),
		T(the_clients_of_a_dead_slot_part_for_that_reason),
		T(what_a_dead_relay_had_not_read_is_lost),
		T(what_a_dead_slot_had_queued_for_the_bus_is_lost),
		T(rows_tell_who_is_who),
		T(a_reader_notices_the_end_silence_and_a_new_file),
		T(a_later_start_keeps_the_name_while_it_lives),
		T(what_is_not_a_stats_file_is_refused),
		T(unknown_kinds_and_wild_cells_are_passed_over),
		T(a_file_that_does_not_fit_fails_at_once_and_leaves_nothing),
		T(a_distribution_has_quantiles),
		T(a_file_that_is_cut_is_whole_again),
		T(a_file_that_is_gone_or_another_is_made_again),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
