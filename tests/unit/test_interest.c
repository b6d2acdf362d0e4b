/* Interest: whom a sender reaches, also when the table is full. */
#include "check.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/slots.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"
#include "verify.h"

static struct segment *seg;
static struct interest *one, *far;	/* slots 1 and 128 */

static void
live(unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
}

static int
setup(void **state)
{
	struct segment_params p = { .max_workers = 64, .presence_max = 10,
		.interest_max = 10, .rate_ways = 8, .max_ns = 4 };

	(void)state;
	seg = segment_create(&p);
	if (seg == NULL)
		return (-1);
	live(0);
	live(1);
	live(128);
	one = interest_open(seg, 1);
	far = interest_open(seg, 128);
	return (one == NULL || far == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	(void)state;
	interest_close(&one);
	interest_close(&far);
	segment_free(&seg);
	return (0);
}

#define BIT_ONE	((uint64_t)1)
#define BIT_FAR	((uint64_t)1 << 63)

static void
assert_who(uint16_t ns, const char *key, uint64_t low, uint64_t high)
{
	uint64_t bits[2];

	interest_who(one, ns, slice_str(key), bits);
	assert_true(bits[0] == low && bits[1] == high);
	interest_who(far, ns, slice_str(key), bits);
	assert_true(bits[0] == low && bits[1] == high);
}

static void
a_sender_sees_every_worker_with_members(void **state)
{
	uint64_t bits[2];
	uint32_t n;

	(void)state;
	assert_who(1, "room", 0, 0);
	n = interest_join(one, 1, SLICE("room"));
	assert_int_not_equal(n, 0);
	assert_who(1, "room", BIT_ONE, 0);
	assert_who(2, "room", 0, 0);
	assert_int_equal(interest_join(far, 1, SLICE("room")), n);
	assert_who(1, "room", BIT_ONE, BIT_FAR);
	interest_peek(one, n, bits);
	assert_true(bits[0] == BIT_ONE && bits[1] == BIT_FAR);
	assert_false(interest_remote(one, n));
	interest_leave(one, n, 1, SLICE("room"));
	assert_who(1, "room", 0, BIT_FAR);
	interest_leave(far, n, 1, SLICE("room"));
	assert_who(1, "room", 0, 0);
	assert_int_equal(verify_segment(seg), 0);
}

static void
long_names_are_routed_exactly(void **state)
{
	char a[1000], b[1000];
	uint32_t n;

	(void)state;
	memset(a, 'r', 999);
	a[999] = '\0';
	memcpy(b, a, sizeof a);
	b[998] = 's';
	n = interest_join(one, 1, slice_str(a));
	assert_int_not_equal(n, 0);
	assert_who(1, a, BIT_ONE, 0);
	assert_who(1, b, 0, 0);
	interest_leave(one, n, 1, slice_str(a));
	assert_who(1, a, 0, 0);
}

/* Joins rooms r0.. with slot 1 until one is kept privately; returns it. */
static unsigned
fill(uint32_t *nodes)
{
	char key[16];
	unsigned i;

	for (i = 0;; i++) {
		snprintf(key, sizeof key, "r%u", i);
		nodes[i] = interest_join(one, 1, slice_str(key));
		if (nodes[i] == 0)
			return (i);
	}
}

static void
a_full_table_widens_the_routing_and_loses_nothing(void **state)
{
	uint32_t nodes[64];
	uint64_t bits[2];
	char key[16];
	uint64_t full = counter_get(COUNTER_interest_full);
	unsigned last = fill(nodes), i;

	(void)state;
	assert_int_equal(interest_untracked(one), 1);
	assert_int_equal(counter_get(COUNTER_interest_untracked), 1);
	assert_true(counter_get(COUNTER_interest_full) > full);
	snprintf(key, sizeof key, "r%u", last);
	assert_who(1, key, BIT_ONE, 0);
	assert_who(1, "unheard of", BIT_ONE, 0);
	interest_overflow(seg, bits);
	assert_true(bits[0] == BIT_ONE && bits[1] == 0);
	/* the node that is none: anybody alive may hold members */
	interest_peek(far, 0, bits);
	assert_true(bits[0] == BIT_ONE && bits[1] == BIT_FAR);
	/* twice, and once fewer: still there */
	assert_int_equal(interest_join(one, 1, slice_str(key)), 0);
	interest_leave(one, 0, 1, slice_str(key));
	assert_who(1, key, BIT_ONE, 0);
	interest_leave(one, 0, 1, slice_str(key));
	assert_who(1, key, 0, 0);
	assert_int_equal(interest_untracked(one), 0);
	for (i = 0; i < last; i++) {
		snprintf(key, sizeof key, "r%u", i);
		interest_leave(one, nodes[i], 1, slice_str(key));
	}
	assert_int_equal(verify_segment(seg), 0);
}

static void
wait_all(void)
{
	slots_quiesce_enter(seg, 1);
	slots_quiesce_enter(seg, 128);
	slots_quiesce_leave(seg, 1);
	slots_quiesce_leave(seg, 128);
}

static bool
ignore_event(void *arg, const struct table_event *e)
{
	(void)arg;
	(void)e;
	return (true);
}

/* The relay tells the world, the master evicts, all wait, nodes are free. */
static void
make_room(void)
{
	struct table_relay *relay = table_relay_open(seg, TABLE_INTEREST, 0);
	struct sweep *w = sweep_new(seg);

	assert_true(relay != NULL && w != NULL);
	table_announce_all(relay, mono_now(), ignore_event, NULL);
	table_relay_close(&relay);
	slots_quiesce_enter(seg, 0);
	atomic_store(&segment_header(seg)->need_sweep, 1);
	sweep_round(w, mono_add_ms(mono_now(), 1000));
	assert_true(counter_get(COUNTER_shm_limbo) > 0);
	wait_all();
	sweep_round(w, mono_add_ms(mono_now(), 1000));
	sweep_free(&w);
}

static void
private_rooms_move_into_the_table_when_there_is_room(void **state)
{
	uint32_t nodes[64];
	char key[16];
	unsigned last = fill(nodes), i;

	(void)state;
	snprintf(key, sizeof key, "r%u", last);
	assert_int_equal(interest_join(one, 1, slice_str(key)), 0);
	for (i = 0; i < last; i++) {
		char k[16];

		snprintf(k, sizeof k, "r%u", i);
		interest_leave(one, nodes[i], 1, slice_str(k));
	}
	make_room();
	/* a search failed a moment ago: wait out the pause */
	while (interest_untracked(one) != 0)
		interest_retry(one, mono_now());
	assert_who(1, "unheard of", 0, 0);
	assert_who(1, key, BIT_ONE, 0);
	assert_int_not_equal(interest_find(one, 1, slice_str(key)), 0);
	/* the caller knows it as 0 still */
	interest_leave(one, 0, 1, slice_str(key));
	assert_who(1, key, BIT_ONE, 0);
	interest_leave(one, 0, 1, slice_str(key));
	assert_who(1, key, 0, 0);
	assert_int_equal(verify_segment(seg), 0);
}

static void
a_dead_worker_is_heard_of_no_more(void **state)
{
	uint32_t nodes[64];

	(void)state;
	(void)fill(nodes);
	assert_int_equal(interest_join(far, 1, SLICE("r0")), nodes[0]);
	slot_dead(seg, 1);
	reclaim_anew(seg, 1);
	assert_who(1, "r0", 0, BIT_FAR);
	assert_who(1, "r1", 0, 0);
	assert_int_equal(verify_segment(seg), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_sender_sees_every_worker_with_members),
		T(long_names_are_routed_exactly),
		T(a_full_table_widens_the_routing_and_loses_nothing),
		T(private_rooms_move_into_the_table_when_there_is_room),
		T(a_dead_worker_is_heard_of_no_more),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
