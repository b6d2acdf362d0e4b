/* The segment: made in full, sealed, found again by a successor. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "shm/slots.h"
#include "shm/table.h"

static const struct segment_params small = { .max_workers = 2,
	.presence_max = 10, .interest_max = 10, .rate_ways = 100,
	.max_ns = 4 };

static void
parameters_out_of_range_are_refused(void **state)
{
	struct segment_params bad[8];
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		bad[i] = small;
	bad[0].max_workers = 0;
	bad[1].max_workers = 65;
	bad[2].presence_max = 0;
	bad[3].interest_max = (1u << 26) + 1;
	bad[4].rate_ways = 0;
	bad[5].max_ns = 0;
	bad[6].presence_key_max = 100;
	bad[7].max_ns = 65536;
	for (i = 0; i < nitems(bad); i++) {
		errno = 0;
		assert_null(segment_create(&bad[i]));
		assert_int_equal(errno, EINVAL);
	}
}

static void
it_starts_with_what_was_asked_for(void **state)
{
	struct segment *seg = segment_create(&small), *other;
	const struct shm_header *h;

	(void)state;
	assert_non_null(seg);
	h = segment_header(seg);
	assert_int_equal(segment_nslots(seg), 5);
	assert_true(h->table[TABLE_PRESENCE].cap >= 10 * 5 / 4);
	assert_int_equal(h->table[TABLE_PRESENCE].stride, 192);
	assert_int_equal(h->rate_nsets, 16);
	assert_int_equal(atomic_load(&h->epoch), 1);
	other = segment_create(&small);
	assert_non_null(other);
	assert_true(segment_key(seg).k0 != segment_key(other).k0);
	assert_int_equal(h->layout_hash, segment_header(other)->layout_hash);
	segment_free(&other);
	segment_free(&seg);
	assert_null(seg);
}

static void
it_can_neither_grow_nor_shrink(void **state)
{
	struct segment *seg = segment_create(&small);
	off_t size;

	(void)state;
	assert_non_null(seg);
	size = lseek(segment_fd(seg), 0, SEEK_END);
	assert_int_equal(ftruncate(segment_fd(seg), size - 4096), -1);
	assert_int_equal(ftruncate(segment_fd(seg), size + 4096), -1);
	assert_int_equal(fcntl(segment_fd(seg), F_GETFD) & FD_CLOEXEC,
	    FD_CLOEXEC);
	segment_free(&seg);
}

static void
children_write_into_the_same_memory(void **state)
{
	struct segment *seg = segment_create(&small);
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(seg);
	assert_int_equal(slot_assign(seg, SLOT_WORKER, 1), 1);
	pid = fork();
	if (pid == 0) {
		slot_heartbeat(seg, 1, 42);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(slot_heartbeat_us(seg, 1), 42);
	segment_free(&seg);
}

static void
a_successor_maps_it_if_the_layout_is_the_same(void **state)
{
	struct segment *seg = segment_create(&small), *next;
	struct segment_params bigger = small;
	int fd;

	(void)state;
	assert_non_null(seg);
	bigger.interest_max = 11;
	errno = 0;
	assert_null(segment_attach(segment_fd(seg), -1, -1, &bigger));
	assert_int_equal(errno, EPROTO);
	slot_heartbeat(seg, 2, 7);
	fd = dup(segment_fd(seg));
	next = segment_attach(fd, eventfd(0, EFD_NONBLOCK),
	    eventfd(0, EFD_NONBLOCK), &small);
	assert_non_null(next);
	assert_int_equal(slot_heartbeat_us(next, 2), 7);
	assert_int_equal(segment_key(next).k1, segment_key(seg).k1);
	segment_free(&seg);
	slot_heartbeat(next, 2, 8);
	segment_free(&next);
}

static void
a_sleeping_relay_is_rung(void **state)
{
	struct segment *seg = segment_create(&small);
	struct table *t;
	uint64_t n;

	(void)state;
	assert_non_null(seg);
	t = table_open(seg, TABLE_INTEREST, 1);
	assert_non_null(t);
	assert_true(segment_relay_sleep(seg));
	assert_int_equal(read(segment_relay_fd(seg), &n, 8), -1);
	assert_int_not_equal(table_join(t, 1, SLICE("room")), 0);
	assert_int_equal(read(segment_relay_fd(seg), &n, 8), 8);
	segment_relay_woke(seg);
	assert_false(segment_relay_sleep(seg));
	table_close(&t);
	segment_free(&seg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_out_of_range_are_refused),
		cmocka_unit_test(it_starts_with_what_was_asked_for),
		cmocka_unit_test(it_can_neither_grow_nor_shrink),
		cmocka_unit_test(children_write_into_the_same_memory),
		cmocka_unit_test(
		    a_successor_maps_it_if_the_layout_is_the_same),
		cmocka_unit_test(a_sleeping_relay_is_rung),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
