/* The segment: made in full, sealed, found again by a successor. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "shm/slots.h"
#include "shm/table.h"
#include "verify.h"

static const struct segment_params small = { .max_workers = 2,
	.presence_max = 10, .interest_max = 10, .rate_ways = 100,
	.max_ns = 4 };

static void
parameters_out_of_range_are_refused(void **state)
{
	struct segment_params bad[10];
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
	bad[8].page = 1024;
	bad[9].page = 65536 + 4096;
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

/*
 * A kernel with pages of so many bytes, as far as giving memory back goes: it
 * refuses what does not begin on a page, and takes whole ones.
 */
static size_t kernel_page;
static uint8_t *kernel_base;
static size_t kernel_size;
static unsigned given_back;

int
madvise(void *p, size_t n, int advice)
{
	if (advice != MADV_REMOVE)
		return (0);
	/* as if the segment began on such a page */
	if ((size_t)((uint8_t *)p - kernel_base) % kernel_page != 0) {
		errno = EINVAL;
		return (-1);
	}
	n = (n + kernel_page - 1) / kernel_page * kernel_page;
	if (n > (size_t)(kernel_base + kernel_size - (uint8_t *)p))
		n = (size_t)(kernel_base + kernel_size - (uint8_t *)p);
	memset(p, 0, n);
	given_back++;
	return (0);
}

static void
assert_on_pages(const struct shm_table *l, uint64_t page)
{
	assert_int_equal(l->node % page, 0);
	assert_int_equal(l->map % page, 0);
	assert_int_equal(l->dsum % page, 0);
	assert_int_equal(l->col % page, 0);
	assert_int_equal(l->col_stride % page, 0);
}

/* Worker slot by slot dies; what the others hold stays. */
static void
reclaim_on_pages_of(uint32_t page)
{
	struct segment_params p = small;
	struct segment *seg;
	struct table *t[33];
	uint32_t n[33], s, k;
	unsigned id;

	p.page = page;
	p.max_workers = 16;
	seg = segment_create(&p);
	assert_non_null(seg);
	kernel_base = (uint8_t *)segment_header(seg);
	kernel_size = segment_header(seg)->size;
	for (id = 0; id < SHM_TABLES; id++)
		assert_on_pages(segment_table(seg, id), page);
	for (s = 1; s < 33; s++) {
		atomic_store(&segment_slot(seg, s)->state, SLOT_ASSIGNED);
		slot_live(seg, s, 1);
		t[s] = table_open(seg, TABLE_INTEREST, s);
		assert_non_null(t[s]);
		n[s] = table_join(t[s], 1, SLICE("room"));
		assert_int_not_equal(n[s], 0);
	}
	given_back = 0;
	for (s = 1; s < 33; s++) {
		slot_dead(seg, s);
		reclaim_anew(seg, s);
		for (k = 1; k < 33; k++)
			assert_int_equal(table_holds(t[k], n[k]), k > s);
	}
	assert_int_equal(given_back, 32 * SHM_TABLES);
	for (s = 1; s < 33; s++)
		table_close(&t[s]);
	segment_free(&seg);
}

static void
a_dead_slots_pages_hold_nothing_of_others(void **state)
{
	(void)state;
	for (kernel_page = 4096; kernel_page <= 65536; kernel_page *= 4)
		reclaim_on_pages_of((uint32_t)kernel_page);
}

static void
columns_are_whole_pages_of_this_kernel(void **state)
{
	struct segment *seg = segment_create(&small);
	unsigned id;

	(void)state;
	assert_non_null(seg);
	for (id = 0; id < SHM_TABLES; id++)
		assert_on_pages(segment_table(seg, id),
		    (uint64_t)sysconf(_SC_PAGESIZE));
	segment_free(&seg);
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
	assert_memory_equal(segment_made(next), &small, sizeof small);
	assert_int_equal(segment_layout(next), segment_layout_for(&small));
	assert_true(segment_layout(next) != segment_layout_for(&bigger));
	bigger.max_workers = 0;
	assert_int_equal(segment_layout_for(&bigger), 0);
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
		cmocka_unit_test(a_dead_slots_pages_hold_nothing_of_others),
		cmocka_unit_test(columns_are_whole_pages_of_this_kernel),
		cmocka_unit_test(it_can_neither_grow_nor_shrink),
		cmocka_unit_test(children_write_into_the_same_memory),
		cmocka_unit_test(
		    a_successor_maps_it_if_the_layout_is_the_same),
		cmocka_unit_test(a_sleeping_relay_is_rung),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
