/* Counters go on in a successor of the master, whatever it counts itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "shm/stats.h"

static char dir[64], path[80];
static const struct stats_params params = { .nslots = 5,
	.version = "1.2.3" };
static const struct stats_params newer = { .nslots = 5,
	.version = "1.2.4" };

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "test_adopt.XXXXXX");
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
	return (rmdir(dir));
}

static uint64_t
value(const struct stats *st, const char *name, const char *labels)
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

/* What the predecessor holds, in descriptors of the successor's. */
static struct stats_kept
handed(const struct stats *st)
{
	struct stats_kept kept;

	stats_keep(st, &kept);
	kept.memory_fd = fcntl(kept.memory_fd, F_DUPFD_CLOEXEC, 3);
	assert_true(kept.memory_fd != -1);
	if (kept.file_fd != -1)
		kept.file_fd = fcntl(kept.file_fd, F_DUPFD_CLOEXEC, 3);
	return (kept);
}

static bool
is_open(int fd)
{
	return (fcntl(fd, F_GETFD) != -1);
}

/* A master and a worker in slot 2 that counted. */
static struct stats *
predecessor(void)
{
	struct stats *st = stats_create(path, &params);

	assert_non_null(st);
	assert_true(stats_ns(st, 0, "chat"));
	stats_slot_live(st, 2, STATS_ROLE_WORKER, 77, 3, "worker 2");
	counters_attach(stats_column(st, 2));
	counter_add(COUNTER_bytes_in, 40);
	counter_add(COUNTER_connections_accepted, 5);
	counter_set(COUNTER_connections_open, 5);
	counter_ns_add(0, NS_events_in, 9);
	histogram_add(HISTOGRAM_rtt_us, 100);
	counters_attach(stats_column(st, stats_master(st)));
	counter_add(COUNTER_children_died, 3);
	counter_set(COUNTER_workers_running, 1);
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	return (st);
}

static void
the_same_memory_goes_on(void **state)
{
	struct stats *old = predecessor(), *st, *r = stats_open(path);
	struct stats_kept kept = handed(old);
	struct stats_snapshot before, after;

	(void)state;
	assert_non_null(r);
	assert_true(stats_snapshot(r, false, &before));
	st = stats_adopt(&kept, path, &newer);
	assert_non_null(st);
	/* the worker counts on, where it did */
	counters_attach(stats_column(old, 2));
	counter_add(COUNTER_bytes_in, 2);
	counters_attach(stats_column(st, stats_master(st)));
	counter_add(COUNTER_children_died, 1);
	assert_int_equal(value(st, "bytes_in", ""), 42);
	assert_int_equal(value(st, "children_died", ""), 4);
	assert_int_equal(stats_value(st, 2, COUNTER_bytes_in), 42);
	/* and so does the file, which a reader need not open again */
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	assert_false(stats_stale(r, wall_now()));
	assert_int_equal(value(r, "bytes_in", ""), 42);
	assert_true(stats_snapshot(r, false, &after));
	assert_memory_equal(before.start_id, after.start_id, 16);
	assert_string_equal(after.version, "1.2.4");
	stats_snapshot_free(&before);
	stats_snapshot_free(&after);
	stats_close(&r);
	stats_close(&st);
	assert_false(is_open(kept.memory_fd));
	assert_false(is_open(kept.file_fd));
	stats_close(&old);
}

static void
namespaces_keep_their_blocks_and_get_no_second(void **state)
{
	struct stats *old = predecessor(), *st;
	struct stats_kept kept = handed(old);
	struct stats_snapshot s;
	unsigned before;

	(void)state;
	st = stats_adopt(&kept, path, &newer);
	assert_non_null(st);
	assert_true(stats_snapshot(st, false, &s));
	before = s.nmetrics;
	stats_snapshot_free(&s);
	assert_true(stats_ns(st, 0, "chat"));
	assert_true(stats_snapshot(st, false, &s));
	assert_int_equal(s.nmetrics, before);
	stats_snapshot_free(&s);
	assert_int_equal(value(st, "ns_events_in", "ns=\"chat\""), 9);
	assert_true(stats_ns(st, 1, "news"));
	counters_attach(stats_column(st, 3));
	counter_ns_add(1, NS_events_in, 4);
	assert_int_equal(value(st, "ns_events_in", "ns=\"news\""), 4);
	assert_int_equal(value(st, "ns_events_in", "ns=\"chat\""), 9);
	stats_close(&st);
	stats_close(&old);
}

/* As if that program had other counters: two of its cells change places. */
static void
change_places(const struct stats *st, uint64_t *rows, const char *a,
    const char *b)
{
	struct stats_kept kept;
	struct stats_header *h;
	struct stats_desc *d, *found[2] = { NULL, NULL };
	struct stat sb;
	uint64_t *column, v;
	uint32_t i, c;
	uint8_t *base;

	stats_keep(st, &kept);
	assert_int_equal(fstat(kept.memory_fd, &sb), 0);
	base = mmap(NULL, (size_t)sb.st_size, PROT_READ | PROT_WRITE,
	    MAP_SHARED, kept.memory_fd, 0);
	assert_true(base != MAP_FAILED);
	h = (struct stats_header *)(void *)base;
	for (i = 0; i < atomic_load(&h->ndesc); i++) {
		d = (struct stats_desc *)(void *)(base + h->desc_off +
		    i * h->desc_stride);
		if (strcmp((char *)base + h->str_off + d->name, a) == 0)
			found[0] = d;
		if (strcmp((char *)base + h->str_off + d->name, b) == 0)
			found[1] = d;
	}
	assert_non_null(found[0]);
	assert_non_null(found[1]);
	for (i = 0; i < h->nslots; i++) {
		column = (uint64_t *)(void *)(base + h->col_off +
		    i * h->col_stride);
		v = column[found[0]->cell];
		column[found[0]->cell] = column[found[1]->cell];
		column[found[1]->cell] = v;
	}
	c = found[0]->cell;
	found[0]->cell = found[1]->cell;
	found[1]->cell = c;
	(void)munmap(base, (size_t)sb.st_size);
	*rows = ~kept.rows;
}

static void
other_counters_take_over_what_was_counted(void **state)
{
	struct stats *old = predecessor(), *st, *r = stats_open(path);
	struct stats_snapshot before, after;
	struct stats_kept kept;
	uint64_t rows;

	(void)state;
	change_places(old, &rows, "bytes_in", "bytes_out");
	kept = handed(old);
	kept.rows = rows;
	st = stats_adopt(&kept, path, &newer);
	assert_non_null(st);
	counters_attach(stats_column(st, stats_master(st)));
	assert_true(stats_ns(st, 0, "chat"));
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	assert_int_equal(value(st, "bytes_in", ""), 40);
	assert_int_equal(value(st, "bytes_out", ""), 0);
	assert_int_equal(value(st, "connections_open", ""), 5);
	assert_int_equal(value(st, "children_died", ""), 3);
	assert_int_equal(value(st, "ns_events_in", "ns=\"chat\""), 9);
	/* its master's gauges went with it */
	assert_int_equal(value(st, "workers_running", ""), 0);
	/* the worker counts on in its place, which is here called bytes_out */
	counters_attach(stats_column(old, 2));
	counter_add(COUNTER_bytes_out, 2);
	counter_set(COUNTER_connections_open, 1);
	counters_attach(stats_column(st, 3));
	counter_add(COUNTER_bytes_in, 100);
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	assert_int_equal(value(st, "bytes_in", ""), 142);
	assert_int_equal(value(st, "connections_open", ""), 1);
	assert_int_equal(stats_value(st, 2, COUNTER_bytes_in), 42);
	/* the reader finds another file, of the same life */
	assert_true(stats_stale(r, wall_now()));
	assert_true(stats_snapshot(r, false, &before));
	stats_snapshot_free(&before);
	assert_true(stats_snapshot(r, false, &before));
	assert_true(stats_snapshot(st, false, &after));
	assert_memory_equal(before.start_id, after.start_id, 16);
	assert_int_equal(before.started_ms, after.started_ms);
	assert_int_equal(after.row[2].pid, 77);
	assert_int_equal(after.row[2].state, STATS_SLOT_LIVE);
	stats_snapshot_free(&before);
	stats_snapshot_free(&after);
	stats_close(&r);
	stats_close(&st);
	assert_false(is_open(kept.memory_fd));
	stats_close(&old);
}

static void
its_last_child_takes_the_old_memory_with_it(void **state)
{
	struct stats *old = predecessor(), *st;
	struct stats_kept kept;
	uint64_t rows;

	(void)state;
	change_places(old, &rows, "bytes_in", "bytes_out");
	kept = handed(old);
	kept.rows = rows;
	st = stats_adopt(&kept, path, &newer);
	assert_non_null(st);
	counters_attach(stats_column(st, stats_master(st)));
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	assert_true(is_open(kept.memory_fd));
	stats_slot_dead(st, 2);
	/* five came, and none had gone */
	assert_int_equal(stats_slot_free(st, 2), 5);
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	assert_false(is_open(kept.memory_fd));
	assert_int_equal(value(st, "bytes_in", ""), 40);
	assert_int_equal(value(st, "connections_open", ""), 0);
	assert_int_equal(value(st, "connections_closed",
	    "reason=\"worker_died\""), 5);
	/* the slot is ours now */
	stats_slot_live(st, 2, STATS_ROLE_WORKER, 78, 9, "worker 2");
	counters_attach(stats_column(st, 2));
	counter_add(COUNTER_connections_accepted, 1);
	assert_int_equal(stats_value(st, 2, COUNTER_connections_accepted), 1);
	stats_slot_dead(st, 2);
	assert_int_equal(stats_slot_free(st, 2), 1);
	assert_int_equal(value(st, "connections_accepted", ""), 6);
	stats_close(&st);
	stats_close(&old);
}

static void
what_an_old_relay_left_unread_is_lost_once(void **state)
{
	struct stats *old = predecessor(), *st;
	struct stats_kept kept;
	uint64_t rows;

	(void)state;
	stats_slot_live(old, 0, STATS_ROLE_RELAY, 78, 1, "relay");
	counters_attach(stats_column(old, 0));
	counter_add(COUNTER_bus_bytes_in, 900);
	counter_add(COUNTER_bus_bytes_out, 10000);
	counters_attach(stats_column(old, 2));
	counter_add(COUNTER_bus_bytes_out, 1000);
	change_places(old, &rows, "bytes_in", "bytes_out");
	kept = handed(old);
	kept.rows = rows;
	st = stats_adopt(&kept, path, &newer);
	assert_non_null(st);
	/* a worker of ours sends to it as well */
	stats_slot_live(st, 3, STATS_ROLE_WORKER, 80, 4, "worker 3");
	counters_attach(stats_column(st, 3));
	counter_add(COUNTER_bus_bytes_out, 30);
	counters_attach(stats_column(old, 0));
	counter_add(COUNTER_bus_bytes_in, 30);
	counters_attach(stats_column(st, stats_master(st)));
	stats_slot_dead(st, 0);
	(void)stats_slot_free(st, 0);
	assert_int_equal(value(st, "bus_lost_bytes", ""), 100);
	stats_slot_dead(st, 2);
	(void)stats_slot_free(st, 2);
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	/* a relay of ours dies, and has read all */
	stats_slot_live(st, 0, STATS_ROLE_RELAY, 79, 5, "relay");
	counters_attach(stats_column(st, 3));
	counter_add(COUNTER_bus_bytes_out, 50);
	counters_attach(stats_column(st, 0));
	counter_add(COUNTER_bus_bytes_in, 50);
	stats_slot_dead(st, 0);
	(void)stats_slot_free(st, 0);
	assert_int_equal(value(st, "bus_lost_bytes", ""), 100);
	stats_close(&st);
	stats_close(&old);
}

static void
what_is_no_memory_of_ours_is_refused(void **state)
{
	struct stats *old = predecessor();
	struct stats_kept kept = handed(old);

	(void)state;
	(void)close(kept.memory_fd);
	kept.memory_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	assert_null(stats_adopt(&kept, path, &newer));
	assert_false(is_open(kept.memory_fd));
	assert_false(is_open(kept.file_fd));
	kept = handed(old);
	(void)close(kept.memory_fd);
	kept.memory_fd = memfd_create("none", MFD_CLOEXEC);
	assert_int_equal(ftruncate(kept.memory_fd, 1 << 20), 0);
	assert_null(stats_adopt(&kept, path, &newer));
	assert_int_equal(errno, EPROTO);
	stats_close(&old);
}

static void
without_a_file_it_goes_on_as_well(void **state)
{
	struct stats *old = stats_create(NULL, &params), *st;
	struct stats_kept kept;

	(void)state;
	assert_non_null(old);
	counters_attach(stats_column(old, 1));
	counter_add(COUNTER_bytes_in, 3);
	kept = handed(old);
	assert_int_equal(kept.file_fd, -1);
	st = stats_adopt(&kept, NULL, &newer);
	assert_non_null(st);
	assert_int_equal(value(st, "bytes_in", ""), 3);
	assert_int_equal(stats_publish(st, (struct mono){ 0 }), 0);
	stats_close(&st);
	stats_close(&old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_memory_goes_on,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    namespaces_keep_their_blocks_and_get_no_second, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    other_counters_take_over_what_was_counted, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    its_last_child_takes_the_old_memory_with_it, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    what_an_old_relay_left_unread_is_lost_once, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_no_memory_of_ours_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    without_a_file_it_goes_on_as_well, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
