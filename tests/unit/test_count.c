/* Counts of the host, of users and of addresses; killed at every step. */
#include "shm/count.h"

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "shm/counters.h"
#include "shm/layout.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "shm/table.h"
#include "verify.h"

static int steps_left = -1;	/* in a child: hooks until it dies */
static void (*rival)(void);	/* another process, at each hook */

void
shm_hook(void)
{
	void (*f)(void) = rival;

	if (steps_left > 0 && --steps_left == 0)
		_exit(1);
	rival = NULL;	/* it is not interrupted itself */
	if (f != NULL)
		f();
	rival = f;
}

static struct segment *
make_for(unsigned workers, uint32_t keys)
{
	const struct segment_params p = { .max_workers = workers,
		.presence_max = 8, .interest_max = 8, .rate_ways = 8,
		.max_ns = 1, .count_max = keys };
	struct segment *seg = segment_create(&p);

	assert_non_null(seg);
	return (seg);
}

static struct segment *
make(uint32_t keys)
{
	return (make_for(4, keys));
}

static struct count *
worker(struct segment *seg, unsigned *slot)
{
	struct count *c;
	int s = slot_assign(seg, SLOT_WORKER, 1);

	assert_true(s > 0);
	slot_live(seg, (unsigned)s, 1);
	c = count_open(seg, (unsigned)s);
	assert_non_null(c);
	*slot = (unsigned)s;
	return (c);
}

static void
bury(struct segment *seg, unsigned slot)
{
	slot_dead(seg, slot);
	reclaim_anew(seg, slot);
	assert_int_equal(slot_state(seg, slot), SLOT_FREE);
}

/* Whose bit is set and whose count is not yet: one who is about to enter. */
static void
who_is_about_to_enter_counts_as_one(void **state)
{
	struct segment *seg = make(8);
	unsigned s1, s2;
	struct count *a = worker(seg, &s1), *b = worker(seg, &s2);
	struct table *t = table_open(seg, TABLE_COUNT, s2);
	uint32_t node;

	(void)state;
	assert_non_null(t);
	assert_true(count_enter_key(a, COUNT_USER, SLICE("ann"), 3, &node));
	assert_int_equal(count_of(a, COUNT_USER, SLICE("ann")), 1);
	atomic_fetch_or(&table_node(t, node)->bits[(s2 - 1) / 64],
	    UINT64_C(1) << (s2 - 1) % 64);
	assert_int_equal(count_of(a, COUNT_USER, SLICE("ann")), 2);
	atomic_fetch_and(&table_node(t, node)->bits[(s2 - 1) / 64],
	    ~(UINT64_C(1) << (s2 - 1) % 64));
	count_leave_key(a, node);
	assert_int_equal(count_of(a, COUNT_USER, SLICE("ann")), 0);
	table_close(&t);
	count_close(&a);
	count_close(&b);
	segment_free(&seg);
}

static void
the_host_has_one_limit(void **state)
{
	struct segment *seg = make(8);
	unsigned s1, s2;
	struct count *a = worker(seg, &s1), *b = worker(seg, &s2);

	(void)state;
	assert_true(count_enter(a, 3));
	assert_true(count_enter(b, 3));
	assert_true(count_enter(b, 3));
	assert_false(count_enter(a, 3));
	assert_false(count_enter(b, 3));
	assert_int_equal(count_total(seg), 3);
	count_leave(b);
	assert_true(count_enter(a, 3));
	assert_false(count_enter(b, 3));
	/* a limit that was lowered refuses until they are fewer */
	assert_false(count_enter(b, 1));
	count_close(&a);
	count_close(&b);
	bury(seg, s1);
	assert_int_equal(count_total(seg), 1);
	bury(seg, s2);
	assert_int_equal(count_total(seg), 0);
	segment_free(&seg);
}

static void
users_and_addresses_have_their_own(void **state)
{
	struct segment *seg = make(8);
	unsigned s1, s2;
	struct count *a = worker(seg, &s1), *b = worker(seg, &s2);
	uint32_t n1, n2, n3, none;

	(void)state;
	assert_true(count_enter_key(a, COUNT_USER, SLICE("u"), 2, &n1));
	assert_true(count_enter_key(b, COUNT_USER, SLICE("u"), 2, &n2));
	assert_int_equal(n1, n2);
	assert_false(count_enter_key(a, COUNT_USER, SLICE("u"), 2, &none));
	assert_int_equal(none, 0);
	assert_false(count_enter_key(b, COUNT_USER, SLICE("u"), 2, &none));
	assert_int_equal(count_of(a, COUNT_USER, SLICE("u")), 2);
	/* the same bytes as an address are another */
	assert_true(count_enter_key(b, COUNT_ADDRESS, SLICE("u"), 1, &n3));
	assert_int_not_equal(n3, n1);
	count_leave_key(a, n1);
	assert_true(count_enter_key(b, COUNT_USER, SLICE("u"), 2, &n2));
	assert_false(count_enter_key(a, COUNT_USER, SLICE("u"), 2, &none));
	bury(seg, s2);
	assert_int_equal(count_of(a, COUNT_USER, SLICE("u")), 0);
	assert_true(count_enter_key(a, COUNT_USER, SLICE("u"), 1, &n1));
	count_close(&a);
	count_close(&b);
	segment_free(&seg);
}

/* Slots at both ends of both words of bits. */
static void
every_slots_connections_are_summed(void **state)
{
	static const unsigned slots[] = { 1, 64, 65, 128 };
	struct segment *seg = make_for(64, 8);
	struct count *c[nitems(slots)];
	struct table *t = table_open(seg, TABLE_COUNT, SLOT_NONE);
	unsigned i, k, sum = 0;
	uint32_t n = 0;

	(void)state;
	assert_non_null(t);
	for (i = 0; i < nitems(slots); i++) {
		atomic_store(&segment_slot(seg, slots[i])->state,
		    SLOT_ASSIGNED);
		slot_live(seg, slots[i], 1);
		c[i] = count_open(seg, slots[i]);
		assert_non_null(c[i]);
		for (k = 0; k <= i; k++, sum++)
			assert_true(count_enter_key(c[i], COUNT_USER,
			    SLICE("u"), 10, &n));
		assert_int_equal(count_of(c[0], COUNT_USER, SLICE("u")), sum);
	}
	assert_false(count_enter_key(c[0], COUNT_USER, SLICE("u"), 10, &n));
	/* one that is coming, or going, counts as one */
	n = table_find(t, COUNT_USER, SLICE("u"));
	assert_int_not_equal(n, 0);
	atomic_store(&table_col(t, 128)[n], 0);
	assert_int_equal(count_of(c[0], COUNT_USER, SLICE("u")), sum - 3);
	for (i = 0; i < nitems(slots); i++)
		count_close(&c[i]);
	table_close(&t);
	segment_free(&seg);
}

static void
long_names_are_told_apart(void **state)
{
	struct segment *seg = make(8);
	char x[300], y[300];
	unsigned s;
	struct count *a = worker(seg, &s);
	uint32_t n;

	(void)state;
	memset(x, 'a', sizeof x);
	memset(y, 'a', sizeof y);
	y[299] = 'b';
	assert_true(count_enter_key(a, COUNT_USER, slice_of(x, 300), 1, &n));
	assert_true(count_enter_key(a, COUNT_USER, slice_of(y, 300), 1, &n));
	assert_false(count_enter_key(a, COUNT_USER, slice_of(y, 300), 1,
	    &n));
	count_close(&a);
	segment_free(&seg);
}

/* Columns of all slots are summed, whichever half their bits are in. */
static void
slots_above_64_count_as_well(void **state)
{
	struct segment *seg = make_for(50, 8);
	struct count *c[100];
	unsigned s[100], i;
	uint32_t n[100], none;

	(void)state;
	for (i = 0; i < 100; i++) {
		c[i] = worker(seg, &s[i]);
		assert_int_equal(s[i], i + 1);
		assert_true(count_enter(c[i], 100));
		assert_true(count_enter_key(c[i], COUNT_USER, SLICE("u"), 100,
		    &n[i]));
		assert_int_equal(n[i], n[0]);
		assert_int_equal(count_of(c[0], COUNT_USER, SLICE("u")),
		    i + 1);
	}
	assert_int_equal(count_total(seg), 100);
	assert_false(count_enter(c[0], 100));
	assert_false(count_enter(c[99], 100));
	assert_false(count_enter_key(c[7], COUNT_USER, SLICE("u"), 100, &none));
	for (i = 0; i < 100; i++) {
		count_leave_key(c[i], n[i]);
		assert_int_equal(count_of(c[99], COUNT_USER, SLICE("u")),
		    99 - i);
		count_leave(c[i]);
		assert_int_equal(count_total(seg), 99 - i);
	}
	for (i = 0; i < 100; i++)
		count_close(&c[i]);
	segment_free(&seg);
}

static struct count *other;
static unsigned others;		/* places that it has */
static uint32_t other_node;

static void
comes_once(void)
{
	if (others == 0 && count_enter(other, 1))
		others++;
}

static void
comes_once_as_u(void)
{
	if (others == 0 && count_enter_key(other, COUNT_USER, SLICE("u"), 1,
	    &other_node))
		others++;
}

static void
comes_and_goes(void)
{
	if (others > 0) {
		count_leave(other);
		others--;
	} else if (count_enter(other, 100))
		others++;
}

/* Whoever comes between any two steps: the last place is given once. */
static void
two_at_once_never_get_the_last_place(void **state)
{
	struct segment *seg = make(8);
	unsigned s1, s2, first;
	struct count *a = worker(seg, &s1);
	uint32_t n;
	bool in;

	(void)state;
	other = worker(seg, &s2);
	rival = comes_once;
	in = count_enter(a, 1);
	rival = NULL;
	assert_true((in ? 1u : 0u) + others <= 1);
	assert_int_equal(count_total(seg), (in ? 1u : 0u) + others);
	if (in)
		count_leave(a);
	first = others;
	if (first > 0)
		count_leave(other);
	others = 0;
	rival = comes_once_as_u;
	in = count_enter_key(a, COUNT_USER, SLICE("u"), 1, &n);
	rival = NULL;
	assert_true((in ? 1u : 0u) + others <= 1);
	assert_int_equal(count_of(a, COUNT_USER, SLICE("u")),
	    (in ? 1u : 0u) + others);
	if (in)
		count_leave_key(a, n);
	if (others > 0)
		count_leave_key(other, other_node);
	others = 0;
	assert_int_equal(count_of(a, COUNT_USER, SLICE("u")), 0);
	/* one that is never still does not keep us for ever */
	rival = comes_and_goes;
	in = count_enter(a, 1);
	rival = NULL;
	assert_int_equal(count_total(seg), (in ? 1u : 0u) + others);
	if (others > 0)
		count_leave(other);
	others = 0;
	count_close(&other);
	count_close(&a);
	segment_free(&seg);
}

static void
who_finds_no_room_is_let_in(void **state)
{
	struct segment *seg = make(0);
	unsigned s, i;
	struct count *a = worker(seg, &s);
	uint64_t full = counter_get(COUNTER_count_full);
	uint32_t n, uncounted = 0;
	char name[8];

	(void)state;
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "%u", i);
		assert_true(count_enter_key(a, COUNT_USER, slice_str(name), 1,
		    &n));
		uncounted += n == 0;
	}
	assert_true(uncounted > 90);
	assert_true(counter_get(COUNTER_count_full) > full);
	count_close(&a);
	segment_free(&seg);
}

/* Those that nobody counts any more make room, without the relay's leave. */
static void
idle_ones_are_swept(void **state)
{
	struct segment *seg = make(16);
	struct mono now = mono_now();
	unsigned s, i, round, uncounted = 0;
	struct count *a = worker(seg, &s);
	struct sweep *w = sweep_new(seg);
	char name[16];
	uint32_t n;

	(void)state;
	assert_non_null(w);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 16; i++) {
			snprintf(name, sizeof name, "%u.%u", round, i);
			assert_true(count_enter_key(a, COUNT_ADDRESS,
			    slice_str(name), 1, &n));
			uncounted += n == 0;
			count_leave_key(a, n);
		}
		slots_quiesce_enter(seg, s);
		now = mono_add_ms(now, 11000);
		sweep_round(w, now);
		sweep_round(w, now);
		slots_quiesce_leave(seg, s);
	}
	assert_int_equal(uncounted, 0);
	sweep_free(&w);
	count_close(&a);
	segment_free(&seg);
}

/* --- killed at every step ------------------------------------------------- */

static void
come_and_go(struct segment *seg, unsigned slot)
{
	struct count *c = count_open(seg, slot);
	uint32_t n, m;

	if (c == NULL || !count_enter(c, 3) || !count_enter(c, 3) ||
	    !count_enter_key(c, COUNT_USER, SLICE("u"), 2, &n) ||
	    count_enter_key(c, COUNT_USER, SLICE("u"), 1, &m) ||
	    !count_enter_key(c, COUNT_USER, SLICE("new"), 2, &m) ||
	    count_enter(c, 2))
		_exit(3);
	count_leave(c);
	count_leave_key(c, m);
	count_leave_key(c, n);
}

/* Run it in a process that dies after so many steps; false: it lived. */
static bool
killed_after(struct segment *seg, int steps)
{
	int slot = slot_assign(seg, SLOT_WORKER, 1), status;
	pid_t pid;

	assert_true(slot > 0);
	slot_live(seg, (unsigned)slot, 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_left = steps;
		come_and_go(seg, (unsigned)slot);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	bury(seg, (unsigned)slot);
	return (WEXITSTATUS(status) == 1);
}

static void
a_share_comes_back_whatever_was_the_last_step(void **state)
{
	struct segment *seg = make(8);
	unsigned s;
	struct count *a = worker(seg, &s);
	uint32_t n;
	int steps;

	(void)state;
	assert_true(count_enter(a, 3));
	assert_true(count_enter_key(a, COUNT_USER, SLICE("u"), 2, &n));
	for (steps = 1; killed_after(seg, steps); steps++) {
		assert_int_equal(count_total(seg), 1);
		assert_int_equal(count_of(a, COUNT_USER, SLICE("u")), 1);
		assert_int_equal(count_of(a, COUNT_USER, SLICE("new")), 0);
	}
	assert_true(steps > 40);	/* there were hooks */
	assert_int_equal(count_total(seg), 1);
	count_close(&a);
	segment_free(&seg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_has_one_limit),
		cmocka_unit_test(who_is_about_to_enter_counts_as_one),
		cmocka_unit_test(users_and_addresses_have_their_own),
		cmocka_unit_test(every_slots_connections_are_summed),
		cmocka_unit_test(long_names_are_told_apart),
		cmocka_unit_test(slots_above_64_count_as_well),
		cmocka_unit_test(two_at_once_never_get_the_last_place),
		cmocka_unit_test(who_finds_no_room_is_let_in),
		cmocka_unit_test(idle_ones_are_swept),
		cmocka_unit_test(
		    a_share_comes_back_whatever_was_the_last_step),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
