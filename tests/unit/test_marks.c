/* Marks: what is said of a user, by workers and by other hosts. */
#include "check.h"
#include "shm/presence.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"
#include "verify.h"

#define STRIDE 10
#define NS 3
#define AWAY 0
#define BUSY 1
#define LAST (PRESENCE_MARKS - 1)

static struct segment *seg;
static struct presence *one, *two, *relay;	/* slots 1, 2 and 0 */
static struct table_relay *table;
static const struct presence_user ann = { NS, STRIDE, SLICE("ann") };

static void
live(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
}

static int
open_world(uint32_t max)
{
	struct segment_params p = { .max_workers = 2, .presence_max = max,
		.interest_max = 10, .rate_ways = 8, .max_ns = 4 };
	unsigned slot;

	seg = segment_create(&p);
	for (slot = 0; seg != NULL && slot <= 2; slot++)
		live(slot);
	relay = presence_open(seg, 0);
	one = presence_open(seg, 1);
	two = presence_open(seg, 2);
	table = table_relay_open(seg, TABLE_PRESENCE, 0);
	return (relay == NULL || one == NULL || two == NULL ||
	    table == NULL ? -1 : 0);
}

static int
setup(void **state)
{
	(void)state;
	return (open_world(1000));
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(verify_table(seg, TABLE_PRESENCE), 0);
	table_relay_close(&table);
	presence_close(&relay);
	presence_close(&one);
	presence_close(&two);
	segment_free(&seg);
	return (0);
}

/* Something was said once. */
static uint32_t
joins(struct presence *p, unsigned mark)
{
	uint32_t n;

	(void)presence_mark_set(p, ann, mark);
	n = presence_join(p, NS, ann.user);
	presence_set_status(p, n, NS, ann.user, 1, SLICE(""),
	    (struct wall){ 1000 });
	return (n);
}

static void
assert_mark(unsigned mark)
{
	assert_int_equal(presence_mark(one, ann, false), mark);
	assert_int_equal(presence_mark(two, ann, false), mark);
	assert_int_equal(presence_mark(relay, ann, false), mark);
}

static void
nothing_is_said_of_most(void **state)
{
	(void)state;
	assert_mark(PRESENCE_MARKS);
	(void)presence_join(one, NS, ann.user);
	assert_mark(PRESENCE_MARKS);
	assert_false(presence_mark_set(one, ann, PRESENCE_MARKS));
	assert_mark(PRESENCE_MARKS);
}

static void
the_greatest_of_all_counts_and_the_first_if_all_have_it(void **state)
{
	unsigned a, b, want;

	(void)state;
	(void)joins(one, PRESENCE_MARKS);
	(void)joins(two, PRESENCE_MARKS);
	for (a = 0; a <= PRESENCE_MARKS; a++)
		for (b = 0; b <= PRESENCE_MARKS; b++) {
			(void)presence_mark_set(one, ann, a);
			(void)presence_mark_set(two, ann, b);
			if (a % PRESENCE_MARKS > 0 || b % PRESENCE_MARKS > 0)
				want = a % PRESENCE_MARKS > b % PRESENCE_MARKS ?
				    a : b % PRESENCE_MARKS;
			else
				want = a == AWAY && b == AWAY ? AWAY :
				    PRESENCE_MARKS;
			assert_mark(want);
		}
}

static void
one_of_a_process_takes_the_place_of_the_other(void **state)
{
	(void)state;
	(void)joins(one, BUSY);
	assert_true(presence_marked(two, ann, BUSY));
	assert_false(presence_mark_set(one, ann, BUSY));
	assert_true(presence_mark_set(one, ann, LAST));
	assert_false(presence_marked(two, ann, BUSY));
	assert_true(presence_mark_set(one, ann, PRESENCE_MARKS));
	assert_false(presence_marked(two, ann, LAST));
	/* another user, and another namespace, have theirs */
	(void)presence_mark_set(one, (struct presence_user){ NS, STRIDE,
		SLICE("bob") }, BUSY);
	(void)presence_mark_set(one, (struct presence_user){ NS + 1, STRIDE,
		SLICE("ann") }, BUSY);
	assert_mark(PRESENCE_MARKS);
}

static void
with_a_process_that_dies_goes_what_it_said(void **state)
{
	struct sweep *sweep = sweep_new(seg);

	(void)state;
	(void)joins(one, AWAY);
	(void)joins(two, LAST);
	assert_mark(LAST);
	slot_dead(seg, 2);
	sweep_reclaim(sweep, 2);
	assert_int_equal(presence_mark(one, ann, false), AWAY);
	assert_int_equal(presence_mark(relay, ann, false), AWAY);
	live(2);
	sweep_free(&sweep);
}

static struct table_event told[8];
static unsigned ntold;

static bool
on_told(void *arg, const struct table_event *e)
{
	(void)arg;
	assert_true(ntold < nitems(told));
	told[ntold++] = *e;
	return (true);
}

static unsigned
tell(void)
{
	ntold = 0;
	(void)table_announce(table, mono_now(), on_told, NULL);
	return (ntold);
}

/* Who holds the user is another one, and that he is held is no news. */
static void
the_relay_looks_again_when_a_holder_dies(void **state)
{
	struct sweep *sweep = sweep_new(seg);

	(void)state;
	(void)joins(one, PRESENCE_MARKS);
	(void)joins(two, PRESENCE_MARKS);
	assert_int_equal(tell(), 1);
	slot_dead(seg, 2);
	sweep_reclaim(sweep, 2);
	assert_int_equal(tell(), 1);
	assert_true(told[0].status);
	assert_int_equal(told[0].ns, NS);
	/* of whom nothing was ever said there is nothing to see */
	live(2);
	(void)presence_join(one, NS, SLICE("bob"));
	presence_close(&two);
	two = presence_open(seg, 2);
	(void)presence_join(two, NS, SLICE("bob"));
	assert_int_equal(tell(), 1);
	slot_dead(seg, 2);
	sweep_reclaim(sweep, 2);
	assert_int_equal(tell(), 0);
	live(2);
	sweep_free(&sweep);
}

static void
mirror(unsigned host, unsigned mark)
{
	uint32_t n = table_mirror_add(table, NS, ann.user, host);
	unsigned i;

	assert_true(n != 0);
	(void)presence_take_status(relay, n, 1, 5000 + host);
	for (i = 0; i < PRESENCE_MARKS; i++)
		if (i == mark)
			assert_true(table_mirror_add(table, (uint16_t)(NS +
			    STRIDE * (2 + i)), ann.user, host) != 0);
		else
			table_mirror_drop(table, (uint16_t)(NS + STRIDE *
			    (2 + i)), ann.user, host, true);
}

static void
what_other_hosts_say_counts_as_well(void **state)
{
	uint32_t at = 0;

	(void)state;
	(void)joins(one, AWAY);
	mirror(4, PRESENCE_MARKS);
	assert_mark(PRESENCE_MARKS);
	assert_int_equal(presence_mark(one, ann, true), AWAY);
	mirror(4, AWAY);
	assert_mark(AWAY);
	mirror(5, BUSY);
	assert_mark(BUSY);
	assert_int_equal(presence_mark(one, ann, true), AWAY);
	assert_true(table_mirrors(table, NS + STRIDE * (2 + BUSY), ann.user,
	    5));
	assert_false(table_mirrors(table, NS + STRIDE * (2 + BUSY), ann.user,
	    4));
	(void)tell();
	/* a host is gone, another one is there: the relay looks again */
	assert_true(table_mirror_sweep(table, 5, NULL, true, &at, 1u << 30));
	assert_mark(AWAY);
	assert_true(tell() > 0);
	at = 0;
	assert_true(table_mirror_sweep(table, 4, NULL, true, &at, 1u << 30));
	assert_mark(AWAY);
}

static void
an_end_says_what_was_before_it(void **state)
{
	struct presence_info i;
	uint32_t n;

	(void)state;
	n = joins(one, BUSY);
	assert_true(presence_get(two, NS, ann.user, &i));
	assert_false(i.left);
	presence_set_left(one, n, 3, (struct wall){ 7777 });
	assert_true(presence_get(two, NS, ann.user, &i));
	assert_true(i.left);
	assert_int_equal(i.status, 3);
	assert_int_equal(i.set_ms, 7777);
	presence_set_status(one, n, NS, ann.user, 2, SLICE(""),
	    (struct wall){ 5 });
	assert_true(presence_get(two, NS, ann.user, &i));
	assert_false(i.left);
	assert_int_equal(i.set_ms, 7778);
}

static void
the_first_slot_of_a_node_is_known(void **state)
{
	uint32_t n;

	(void)state;
	n = presence_join(two, NS, ann.user);
	assert_int_equal(presence_first(two, n), 2);
	assert_int_equal(presence_join(one, NS, ann.user), n);
	assert_int_equal(presence_first(two, n), 1);
	presence_leave(one, n, NS, ann.user, 0);
	assert_int_equal(presence_first(two, n), 2);
}

/* Where there is no room in the table each process knows its own. */
static void
without_room_it_is_private(void **state)
{
	char name[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		(void)snprintf(name, sizeof name, "u%u", i);
		(void)presence_join(two, NS, slice_str(name));
	}
	(void)presence_mark_set(one, ann, BUSY);
	assert_int_equal(presence_join(one, NS, ann.user), 0);
	presence_set_status(one, 0, NS, ann.user, 3, SLICE(""),
	    (struct wall){ 1000 });
	assert_int_equal(presence_mark(one, ann, false), BUSY);
	assert_int_equal(presence_mark(two, ann, false), PRESENCE_MARKS);
	(void)presence_mark_set(one, ann, AWAY);
	assert_int_equal(presence_mark(one, ann, false), AWAY);
	(void)presence_mark_set(one, ann, PRESENCE_MARKS);
	assert_int_equal(presence_mark(one, ann, false), PRESENCE_MARKS);
	presence_leave(one, 0, NS, ann.user, 0);
	assert_int_equal(presence_untracked(one), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_said_of_most),
		T(the_greatest_of_all_counts_and_the_first_if_all_have_it),
		T(one_of_a_process_takes_the_place_of_the_other),
		T(with_a_process_that_dies_goes_what_it_said),
		T(the_relay_looks_again_when_a_holder_dies),
		T(what_other_hosts_say_counts_as_well),
		T(an_end_says_what_was_before_it),
		T(the_first_slot_of_a_node_is_known),
		T(without_room_it_is_private),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
