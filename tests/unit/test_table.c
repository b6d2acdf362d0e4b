/*
 * The table: what find, join, leave, evict and announce do in order, and
 * every operation broken off between any two of its shared accesses (the
 * hook leaves it by longjmp, as if the process had been killed there).
 */
#include <unistd.h>

#include "check.h"
#include "shm/presence.h"
#include "shm/counters.h"
#include "verify.h"

#define SECOND	1000000u

static jmp_buf killed;
static unsigned kill_at;	/* hook number; 0: never */
static unsigned hooks;

/*
 * Looks on between any two accesses of another slot: once ann's coming, or
 * leaving, can be seen, so can when that was.
 */
static struct presence *looker;
static bool leaving;
static unsigned looked;

static void
look(void)
{
	struct presence *p = looker;
	struct presence_info i;

	looker = NULL;		/* its own accesses have hooks, too */
	if (presence_get(p, 1, SLICE("ann"), &i) && i.online != leaving) {
		looked++;
		assert_true(i.last_seen_ms + 60000 > wall_now().ms);
	}
	looker = p;
}

void
shm_hook(void)
{
	if (looker != NULL)
		look();
	hooks++;
	if (kill_at != 0 && hooks == kill_at)
		longjmp(killed, 1);
}

struct world {
	struct segment	*seg;
	struct table	*a, *b, *relay, *master;
	unsigned	 events;
	bool		 no_room;	/* for announcements */
	unsigned	 refused;
	struct table_event last;
	char		 last_key[256];
};

static void
slot_start(struct segment *seg, unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
	slots_quiesce_leave(seg, slot);
}

static bool
emit(void *arg, const struct table_event *e)
{
	struct world *w = arg;

	if (w->no_room) {
		w->refused++;
		return (false);
	}
	w->events++;
	w->last = *e;
	memcpy(w->last_key, e->key.p, e->key.n);
	w->last_key[e->key.n] = '\0';
	return (true);
}

static void
world_init(struct world *w, uint32_t max)
{
	struct segment_params p = { .max_workers = 64, .presence_max = max,
		.interest_max = 8, .rate_ways = 8, .max_ns = 4 };

	*w = (struct world){ 0 };
	kill_at = 0;
	w->seg = segment_create(&p);
	assert_non_null(w->seg);
	slot_start(w->seg, 0);
	slot_start(w->seg, 1);
	slot_start(w->seg, 70);
	w->a = table_open(w->seg, TABLE_PRESENCE, 1);
	w->b = table_open(w->seg, TABLE_PRESENCE, 70);
	w->relay = table_open(w->seg, TABLE_PRESENCE, 0);
	w->master = table_open(w->seg, TABLE_PRESENCE, SLOT_NONE);
	assert_true(w->a && w->b && w->relay && w->master);
	assert_int_equal(table_relay_start(w->relay, 0), 0);
}

static void
world_fini(struct world *w)
{
	table_close(&w->a);
	table_close(&w->b);
	table_close(&w->relay);
	table_close(&w->master);
	segment_free(&w->seg);
}

static uint64_t
ann(struct world *w, uint32_t n)
{
	return (atomic_load(&table_node(w->a, n)->ann));
}

static unsigned
announce(struct world *w, uint64_t now_us)
{
	unsigned before = w->events;

	(void)table_announce(w->relay, (struct mono){ now_us }, emit, w);
	return (w->events - before);
}

/* A time at which everything idle may be evicted. */
static struct mono
much_later(void)
{
	return (mono_add_ms(mono_now(), 3600 * 1000));
}

static void
waits(struct world *w)
{
	unsigned slots[] = { 0, 1, 70 }, i;

	for (i = 0; i < 3; i++) {
		slots_quiesce_enter(w->seg, slots[i]);
		slots_quiesce_leave(w->seg, slots[i]);
	}
}

typedef void operation(struct world *);

/* Returns false when the operation ended before the k-th hook. */
static bool
run_killed(struct world *w, operation *op, unsigned k)
{
	volatile bool ended = false;

	hooks = 0;
	kill_at = k;
	if (setjmp(killed) == 0) {
		op(w);
		ended = true;
	}
	kill_at = 0;
	return (!ended);
}

static void
a_joined_key_is_found_and_another_is_not(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), 0);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_not_equal(n, 0);
	assert_int_equal(table_find(w.b, 1, SLICE("ann")), n);
	assert_int_equal(table_find(w.b, 2, SLICE("ann")), 0);
	assert_int_equal(table_find(w.b, 1, SLICE("anna")), 0);
	assert_int_equal(table_find(w.b, 1, SLICE("")), 0);
	assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_L);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
last_seen_is_there_before_it_is_told(void **state)
{
	struct presence *one, *two;
	struct world w;
	uint32_t n = 0;
	int i;

	(void)state;
	world_init(&w, 100);
	slot_start(w.seg, 2);
	slot_start(w.seg, 3);
	one = presence_open(w.seg, 2);
	two = presence_open(w.seg, 3);
	assert_true(one && two);
	for (i = 0; i < 2; i++) {	/* a new node, then one that stayed */
		if (n != 0)
			atomic_store(&table_node(w.a, n)->last_seen_ms, 1000);
		looked = 0;
		leaving = false;
		looker = two;
		n = presence_join(one, 1, SLICE("ann"));
		looker = NULL;
		assert_int_not_equal(n, 0);
		assert_int_not_equal(looked, 0);
		atomic_store(&table_node(w.a, n)->last_seen_ms, 1000);
		looked = 0;
		leaving = true;
		looker = two;
		presence_leave(one, n, 1, SLICE("ann"));
		looker = NULL;
		assert_int_not_equal(looked, 0);
	}
	presence_close(&one);
	presence_close(&two);
	world_fini(&w);
}

static void
an_empty_key_is_a_key(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, slice_of(NULL, 0));
	assert_int_not_equal(n, 0);
	assert_int_equal(table_find(w.b, 1, SLICE("")), n);
	table_leave(w.a, n);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
long_keys_differ_by_what_a_node_cannot_hold(void **state)
{
	struct world w;
	uint8_t x[600], y[600];
	struct slice key;
	uint32_t n, m;

	(void)state;
	world_init(&w, 100);
	memset(x, 'x', sizeof x);
	memset(y, 'x', sizeof y);
	y[599] = 'y';
	n = table_join(w.a, 1, slice_of(x, 600));
	m = table_join(w.a, 1, slice_of(y, 600));
	assert_int_not_equal(n, m);
	assert_int_equal(table_find(w.b, 1, slice_of(x, 600)), n);
	assert_int_equal(table_find(w.b, 1, slice_of(y, 600)), m);
	assert_int_equal(table_find(w.b, 1, slice_of(x, 599)), 0);
	assert_false(table_key(w.a, table_node(w.a, n), &key));
	assert_int_equal(key.n, 112);
	n = table_join(w.a, 1, slice_of(x, 128));
	assert_true(table_key(w.a, table_node(w.a, n), &key));
	assert_int_equal(key.n, 128);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
the_last_of_several_leaves_ends_the_level(void **state)
{
	struct world w;
	uint64_t before;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_equal(table_join(w.a, 1, SLICE("ann")), n);
	assert_int_equal(table_join(w.b, 1, SLICE("ann")), n);
	before = ann(&w, n);
	table_leave(w.a, n);
	table_leave(w.a, n);
	assert_false(table_holds(w.a, n));
	assert_int_equal(ann(&w, n), before);	/* b holds it: no edge */
	table_leave(w.b, n);
	assert_int_equal(ann(&w, n) & ANN_LEVEL, 0);
	assert_true(ANN_VERSION(ann(&w, n)) > ANN_VERSION(before));
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
a_hand_over_makes_no_edge(void **state)
{
	struct world w;
	uint64_t before;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	before = ann(&w, n);
	assert_int_equal(table_join(w.b, 1, SLICE("ann")), n);
	table_leave(w.a, n);
	assert_int_equal(ann(&w, n), before);
	world_fini(&w);
}

static void
more_connections_than_a_column_counts_are_counted(void **state)
{
	struct world w;
	uint32_t n, i;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("crowd"));
	for (i = 1; i < 70000; i++)
		assert_int_equal(table_join(w.a, 1, SLICE("crowd")), n);
	for (i = 1; i < 70000; i++)
		table_leave(w.a, n);
	assert_true(table_holds(w.a, n));
	assert_int_equal(atomic_load(&w.a->col[n]), 1);
	table_leave(w.a, n);
	assert_false(table_holds(w.a, n));
	world_fini(&w);
}

static void
a_full_table_says_so_and_rings_the_master(void **state)
{
	struct world w;
	char key[16];
	unsigned i, joined = 0;
	uint64_t rung = 0, full = counter_get(COUNTER_presence_full);

	(void)state;
	world_init(&w, 20);
	for (i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "u%u", i);
		joined += table_join(w.a, 1, slice_str(key)) != 0;
	}
	assert_int_equal(joined, w.a->cap - 1);
	assert_true(joined >= 20);
	assert_true(counter_get(COUNTER_presence_full) > full);
	assert_int_equal(read(segment_master_fd(w.seg), &rung, 8), 8);
	assert_int_equal(atomic_load(&segment_header(w.seg)->need_sweep), 1);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
each_change_is_announced_once(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 3, SLICE("ann"));
	assert_int_equal(announce(&w, 1), 1);
	assert_string_equal(w.last_key, "ann");
	assert_int_equal(w.last.node, n);
	assert_int_equal(w.last.ns, 3);
	assert_int_equal(w.last.was, 0);
	assert_int_equal(w.last.is, ANN_L);
	assert_true(w.last.whole);
	assert_int_equal(announce(&w, 1), 0);
	assert_int_equal(table_join(w.b, 3, SLICE("ann")), n);
	assert_int_equal(announce(&w, 1), 0);
	table_leave(w.a, n);
	table_leave(w.b, n);
	assert_int_equal(announce(&w, 1), 1);
	assert_int_equal(w.last.is, 0);
	world_fini(&w);
}

static void
a_short_absence_is_not_announced(void **state)
{
	struct world w;
	uint64_t now;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	table_close(&w.relay);
	w.relay = table_open(w.seg, TABLE_PRESENCE, 0);
	assert_int_equal(table_relay_start(w.relay, 3 * SECOND), 0);
	n = table_join(w.a, 1, SLICE("ann"));
	now = mono_now().us;
	assert_int_equal(announce(&w, now), 1);
	table_leave(w.a, n);
	assert_int_equal(announce(&w, now), 0);
	assert_true(table_announce_due(w.relay) >= now + 3 * SECOND);
	assert_int_equal(table_join(w.a, 1, SLICE("ann")), n);
	(void)announce(&w, now + 4 * SECOND);
	assert_true(w.last.status);		/* a version, not a level */
	table_leave(w.a, n);
	assert_int_equal(announce(&w, now + 4 * SECOND) +
	    announce(&w, mono_now().us + 4 * SECOND), 1);
	assert_int_equal(w.last.is, 0);
	assert_int_equal(table_announce_due(w.relay), UINT64_MAX);
	world_fini(&w);
}

static unsigned
announce_held(struct world *w)
{
	unsigned before = w->events;

	table_announce_held(w->relay, (struct mono){ 1 }, emit, w);
	return (w->events - before);
}

static void
what_finds_no_room_is_announced_later(void **state)
{
	struct presence_info info;
	struct presence *p;
	struct world w;
	uint32_t n, m;

	(void)state;
	world_init(&w, 100);
	p = presence_open(w.seg, 2);
	assert_non_null(p);
	w.no_room = true;
	n = table_join(w.a, 1, SLICE("ann"));
	m = table_join(w.a, 1, SLICE("bob"));
	assert_int_equal(announce(&w, 1), 0);
	assert_int_equal(table_held(w.relay), 2);
	assert_int_equal(atomic_load(&w.relay->seen[n]), 0);
	assert_true(presence_get(p, 1, SLICE("ann"), &info));
	assert_false(info.told);		/* is told in a moment */
	assert_int_equal(announce_held(&w), 0);
	assert_int_equal(table_held(w.relay), 2);
	/* who came and went meanwhile: told as he is, that is not at all */
	table_leave(w.a, m);
	assert_int_equal(announce(&w, 1), 0);
	w.no_room = false;
	assert_int_equal(announce_held(&w), 2);
	assert_int_equal(table_held(w.relay), 0);
	assert_true(presence_get(p, 1, SLICE("ann"), &info));
	assert_true(info.told);
	assert_int_equal(announce_held(&w), 0);
	assert_int_equal(announce(&w, 1), 0);
	/* a leave without room keeps its node from being evicted */
	w.no_room = true;
	table_leave(w.a, n);
	assert_int_equal(announce(&w, 1), 0);
	table_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.b, 1, SLICE("ann")), n);
	w.no_room = false;
	assert_int_equal(announce_held(&w), 1);
	assert_int_equal(w.last.is, 0);
	assert_int_equal(w.last.was, ANN_L);
	presence_close(&p);
	world_fini(&w);
}

/* A thousand refusals, and the rest waits for the next time. */
static void
not_all_that_is_held_is_tried_in_vain(void **state)
{
	uint32_t user, told = 0;
	struct world w;
	unsigned i;

	(void)state;
	world_init(&w, 3000);
	for (user = 0; user < 2500; user++)
		assert_int_not_equal(table_join(w.a, 1,
		    slice_of(&user, sizeof user)), 0);
	w.no_room = true;
	assert_int_equal(announce(&w, 1), 0);
	assert_int_equal(table_held(w.relay), 2500);
	w.refused = 0;
	(void)announce_held(&w);
	assert_in_range(w.refused, 1024, 1024 + 7);
	/* the others are tried first the next time */
	(void)announce_held(&w);
	(void)announce_held(&w);
	assert_in_range(w.refused, 3 * 1024, 3 * (1024 + 7));
	assert_int_equal(table_held(w.relay), 2500);
	w.no_room = false;
	for (i = 0; i < 3; i++)
		told += announce_held(&w);
	assert_int_equal(told, 2500);
	assert_int_equal(table_held(w.relay), 0);
	world_fini(&w);
}

/* The ring of those that wait grows while its middle is its beginning. */
static void
each_of_many_late_leaves_is_told_once(void **state)
{
	uint32_t user, nodes[700];
	struct world w;

	(void)state;
	world_init(&w, 1000);
	table_close(&w.relay);
	w.relay = table_open(w.seg, TABLE_PRESENCE, 0);
	assert_int_equal(table_relay_start(w.relay, 3 * SECOND), 0);
	for (user = 0; user < nitems(nodes); user++) {
		nodes[user] = table_join(w.a, 1, slice_of(&user, 4));
		assert_int_not_equal(nodes[user], 0);
	}
	assert_int_equal(announce(&w, mono_now().us), 700);
	for (user = 0; user < 200; user++)
		table_leave(w.a, nodes[user]);
	assert_int_equal(announce(&w, mono_now().us), 0);
	assert_int_equal(announce(&w, mono_now().us + 4 * SECOND), 200);
	for (; user < 700; user++) {
		table_leave(w.a, nodes[user]);
		/* each by itself: the oldest is the first */
		if (user % 100 == 0)
			assert_int_equal(announce(&w, mono_now().us), 0);
	}
	assert_int_equal(announce(&w, mono_now().us), 0);
	assert_int_equal(announce(&w, mono_now().us + 4 * SECOND), 500);
	assert_int_equal(table_announce_due(w.relay), UINT64_MAX);
	for (user = 0; user < 700; user++)
		assert_int_equal(atomic_load(&w.relay->seen[nodes[user]]),
		    ann(&w, nodes[user]));
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
an_idle_node_is_evicted_and_free_after_everybody_waited(void **state)
{
	uint64_t evicted = counter_get(COUNTER_shm_evicted);
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	table_leave(w.a, n);
	table_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n); /* not told */
	(void)announce(&w, 1);
	table_sweep(w.master, mono_now(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n); /* lingers */
	assert_int_equal(counter_get(COUNTER_shm_evicted), evicted);
	table_sweep(w.master, much_later(), true);
	assert_int_equal(counter_get(COUNTER_shm_evicted), evicted + 1);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), 0);
	assert_int_equal(atomic_load(&w.a->map[n]), MAP_LIMBO);
	table_grace(w.master);
	assert_int_equal(atomic_load(&w.a->map[n]), MAP_LIMBO);
	waits(&w);
	table_grace(w.master);
	assert_int_equal(atomic_load(&w.a->map[n]), MAP_FREE);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* Without a relay nobody is told, and it is counted that nobody was. */
static void
without_a_relay_nodes_are_evicted_unannounced(void **state)
{
	uint64_t untold = counter_get(COUNTER_shm_unannounced);
	struct world w;
	char key[16];
	unsigned i, joined = 0;

	(void)state;
	world_init(&w, 20);
	for (i = 0; i < w.a->cap; i++) {	/* it is full */
		snprintf(key, sizeof key, "u%u", i);
		joined += table_join(w.a, 1, slice_str(key)) != 0;
	}
	assert_int_equal(joined, w.a->cap - 1);
	table_leave(w.a, table_find(w.a, 1, SLICE("u1")));
	table_sweep(w.master, much_later(), true);
	assert_int_not_equal(table_find(w.a, 1, SLICE("u1")), 0);
	table_sweep(w.master, much_later(), false);
	assert_int_equal(table_find(w.a, 1, SLICE("u1")), 0);
	assert_int_equal(counter_get(COUNTER_shm_unannounced), untold + 1);
	world_fini(&w);
}

/* Nobody writes these; who reads them all the same comes to an end. */
static void
chains_that_cannot_be_are_not_followed(void **state)
{
	uint64_t overrun = counter_get(COUNTER_shm_overrun);
	struct world w;
	unsigned steps = 0, i;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	atomic_store(&table_node(w.a, n)->next, w.a->cap);
	assert_int_equal(table_next(w.a, n, &steps), UINT32_MAX);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 1);
	atomic_store(&table_node(w.a, n)->next, w.a->cap - 1);
	assert_int_equal(table_next(w.a, n, &steps), w.a->cap - 1);
	atomic_store(&table_node(w.a, n)->next, n);	/* a circle */
	for (i = 0, steps = 0; table_next(w.a, n, &steps) != UINT32_MAX; i++)
		assert_true(i < SHM_CHAIN_MAX);
	assert_int_equal(i, SHM_CHAIN_MAX - 1);
	assert_int_equal(counter_get(COUNTER_shm_overrun), overrun + 2);
	world_fini(&w);
}

static void
a_held_node_is_not_evicted(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.b, 1, SLICE("ann"));
	(void)announce(&w, 1);
	table_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n);
	(void)table_mirror(w.relay, 1, SLICE("ann"), 6);
	table_leave(w.b, n);
	(void)announce(&w, 1);
	assert_int_equal(w.last.is, ANN_R);
	table_sweep(w.master, much_later(), true);
	assert_int_equal(table_find(w.a, 1, SLICE("ann")), n);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
op_sweep(struct world *w)
{
	table_sweep(w->master, much_later(), true);
}

static void
a_new_master_finishes_what_the_old_one_began(void **state)
{
	struct world w;
	bool again = true;
	uint32_t n, k;

	(void)state;
	for (k = 1; again; k++) {
		world_init(&w, 100);
		n = table_join(w.a, 1, SLICE("ann"));
		table_leave(w.a, n);
		(void)announce(&w, 1);
		again = run_killed(&w, op_sweep, k);
		table_close(&w.master);
		w.master = table_open(w.seg, TABLE_PRESENCE, SLOT_NONE);
		table_sweep(w.master, much_later(), true);
		waits(&w);
		table_grace(w.master);
		assert_int_equal(atomic_load(&w.a->map[n]), MAP_FREE);
		assert_int_equal(verify_segment(w.seg), 0);
		world_fini(&w);
	}
}

static void
mirrors_make_users_remote(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_mirror(w.relay, 1, SLICE("far"), 5);
	assert_int_not_equal(n, 0);
	assert_int_equal(announce(&w, 1), 1);
	assert_int_equal(w.last.is, ANN_R);
	assert_int_equal(table_mirror(w.relay, 1, SLICE("far"), 1), n);
	assert_int_equal(announce(&w, 1), 0);
	assert_int_equal(table_mirror(w.relay, 1, SLICE("far"), 0), 0);
	assert_int_equal(announce(&w, 1), 1);
	assert_int_equal(w.last.is, 0);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
a_new_relay_inherits_mirrors_and_drops_what_is_gone(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_mirror(w.relay, 1, SLICE("stays"), 1);
	(void)table_mirror(w.relay, 1, SLICE("goes"), 1);
	(void)announce(&w, 1);
	slot_dead(w.seg, 0);
	segment_reclaim(w.seg, 0);
	assert_int_equal(table_find(w.a, 1, SLICE("stays")), n);
	slot_start(w.seg, 0);
	table_close(&w.relay);
	w.relay = table_open(w.seg, TABLE_PRESENCE, 0);
	assert_int_equal(table_relay_start(w.relay, 0), 0);
	table_inherit_begin(w.relay);
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(table_mirror(w.relay, 1, SLICE("stays"), 3), n);
	table_inherit_end(w.relay);
	assert_int_equal(announce(&w, 1), 1);
	assert_string_equal(w.last_key, "goes");
	assert_int_equal(w.last.is, 0);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
mirrors_of_a_relay_long_dead_are_dropped(void **state)
{
	struct world w;
	struct mono now = mono_now();
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_mirror(w.relay, 1, SLICE("far"), 1);
	slot_dead(w.seg, 0);
	segment_reclaim(w.seg, 0);
	segment_sweep(w.seg, now);
	segment_sweep(w.seg, mono_add_ms(now, 29000));
	assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_R);
	segment_sweep(w.seg, mono_add_ms(now, 30001));
	assert_int_equal(ann(&w, n) & ANN_LEVEL, 0);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* --- killed at each step -------------------------------------------------- */

static uint32_t old_node;

static void
op_join_new(struct world *w)
{
	old_node = table_join(w->a, 1, SLICE("new"));
}

static void
op_join_old(struct world *w)
{
	old_node = table_join(w->a, 1, SLICE("old"));
}

static void
op_join_idle(struct world *w)
{
	old_node = table_join(w->a, 1, SLICE("idle"));
}

static void
op_leave(struct world *w)
{
	table_leave(w->a, old_node);
}

static const struct {
	const char	*name;
	operation	*run;
} operations[] = {
	{ "join_new", op_join_new },
	{ "join_old", op_join_old },
	{ "join_idle", op_join_idle },
	{ "leave", op_leave },
};

static void
crash_world(struct world *w)
{
	uint32_t n;

	world_init(w, 100);
	n = table_join(w->a, 1, SLICE("idle"));
	table_leave(w->a, n);
	old_node = table_join(w->a, 1, SLICE("old"));
	assert_int_equal(table_join(w->b, 1, SLICE("shared")), 0 +
	    table_join(w->a, 1, SLICE("shared")));
	(void)announce(w, 1);
}

static void
op_reclaim(struct world *w)
{
	segment_reclaim(w->seg, 1);
}

/* After slot 1 is gone: nobody but b's key is there, and the relay says so. */
static void
assert_reclaimed(struct world *w)
{
	uint32_t n;

	assert_int_equal(slot_state(w->seg, 1), SLOT_FREE);
	assert_int_equal(verify_segment(w->seg), 0);
	(void)announce(w, 1);
	for (n = 1; n < w->a->cap; n++)
		if (atomic_load(&w->a->map[n]) == MAP_LINKED)
			assert_int_equal(ann(w, n),
			    atomic_load(&w->a->seen[n]));
	n = table_find(w->b, 1, SLICE("old"));
	assert_true(n == 0 || (ann(w, n) & ANN_LEVEL) == 0);
	n = table_find(w->b, 1, SLICE("shared"));
	assert_int_equal(ann(w, n) & ANN_LEVEL, ANN_L);
}

static void
every_step_of_an_operation_may_be_a_workers_last(void **state)
{
	struct world w;
	unsigned i, k;
	bool again;

	(void)state;
	for (i = 0; i < nitems(operations); i++)
		for (k = 1, again = true; again; k++) {
			crash_world(&w);
			again = run_killed(&w, operations[i].run, k);
			slot_dead(w.seg, 1);
			segment_reclaim(w.seg, 1);
			assert_reclaimed(&w);
			assert_true(k < 200);
			world_fini(&w);
		}
}

static void
reclaim_may_be_broken_off_anywhere_and_repeated(void **state)
{
	struct world w;
	unsigned i, k, j;
	bool again, inner;

	(void)state;
	for (i = 0; i < nitems(operations); i++)
		for (k = 1, again = true; again; k++)
			for (j = 1, inner = true; inner; j++) {
				crash_world(&w);
				again = run_killed(&w, operations[i].run, k);
				slot_dead(w.seg, 1);
				inner = run_killed(&w, op_reclaim, j);
				if (inner)
					segment_sweep(w.seg, mono_now());
				assert_reclaimed(&w);
				world_fini(&w);
			}
}

static void
op_announce(struct world *w)
{
	(void)announce(w, 1);
}

static void
op_mirror(struct world *w)
{
	(void)table_mirror(w->relay, 1, SLICE("far"), 1);
	(void)table_mirror(w->relay, 1, SLICE("shared"), 1);
	(void)table_mirror(w->relay, 1, SLICE("shared"), 0);
	(void)announce(w, 1);
}

/* The first finds no room, the others do. */
static void
op_announce_held(struct world *w)
{
	w->no_room = true;
	(void)announce(w, 1);
	w->no_room = false;
	table_announce_held(w->relay, (struct mono){ 1 }, emit, w);
}

/* Every change was told; a repeat has the name of what it repeats. */
static void
relay_dies_in(operation *op, unsigned *k, bool *again)
{
	struct world w;
	uint32_t n;

	crash_world(&w);
	table_leave(w.a, old_node);
	*again = run_killed(&w, op, *k);
	w.no_room = false;
	slot_dead(w.seg, 0);
	segment_reclaim(w.seg, 0);
	slot_start(w.seg, 0);
	table_close(&w.relay);
	w.relay = table_open(w.seg, TABLE_PRESENCE, 0);
	assert_int_equal(table_relay_start(w.relay, 0), 0);
	table_inherit_begin(w.relay);
	table_announce_all(w.relay, mono_now(), emit, &w);
	table_inherit_end(w.relay);
	(void)announce(&w, 1);
	assert_int_equal(verify_segment(w.seg), 0);
	for (n = 1; n < w.a->cap; n++) {
		if (atomic_load(&w.a->map[n]) != MAP_LINKED)
			continue;
		assert_int_equal(ann(&w, n), atomic_load(&w.a->seen[n]));
		assert_int_equal(atomic_load(&table_node(w.a, n)->remote), 0);
	}
	world_fini(&w);
}

static void
every_step_may_be_the_relays_last(void **state)
{
	unsigned k;
	bool again;

	(void)state;
	for (k = 1, again = true; again; k++)
		relay_dies_in(op_announce, &k, &again);
	assert_true(k > 4);
	for (k = 1, again = true; again; k++)
		relay_dies_in(op_announce_held, &k, &again);
	assert_true(k > 8);
	for (k = 1, again = true; again; k++)
		relay_dies_in(op_mirror, &k, &again);
	assert_true(k > 10);
}

/* --- against a plain model ------------------------------------------------ */

#define KEYS	48
#define STEPS	60000

struct oracle {
	uint32_t	 count[2][KEYS];	/* of a and b */
	uint32_t	 node[2][KEYS];
	bool		 told[KEYS];
};

static uint32_t
rolled(uint64_t *rng, uint32_t n)
{
	*rng = *rng * 6364136223846793005u + 1442695040888963407u;
	return ((uint32_t)(*rng >> 33) % n);
}

static void
oracle_step(struct world *w, struct oracle *o, uint64_t *rng)
{
	struct table *t[2] = { w->a, w->b };
	unsigned who = rolled(rng, 2), k = rolled(rng, KEYS);
	char key[16];
	uint32_t n;

	snprintf(key, sizeof key, "k%u", k);
	if (rolled(rng, 100) == 0) {
		(void)announce(w, 1);
		waits(w);
		table_sweep(w->master, much_later(), true);
	} else if (o->count[who][k] == 0 || rolled(rng, 3) == 0) {
		n = table_join(t[who], 1, slice_str(key));
		assert_int_not_equal(n, 0);
		if (o->count[who][k]++ > 0)
			assert_int_equal(n, o->node[who][k]);
		o->node[who][k] = n;
	} else {
		table_leave(t[who], o->node[who][k]);
		o->count[who][k]--;
	}
	n = table_find(w->b, 1, slice_str(key));
	assert_int_equal(n != 0 && (ann(w, n) & ANN_L) != 0,
	    o->count[0][k] + o->count[1][k] > 0);
	for (who = 0; who < 2 && n != 0; who++)
		assert_int_equal(atomic_load(&t[who]->col[n]),
		    o->count[who][k]);
}

static void
random_operations_agree_with_a_plain_model(void **state)
{
	static struct oracle o;
	uint64_t rng = 20240607;
	struct world w;
	unsigned i;

	(void)state;
	world_init(&w, KEYS);
	for (i = 0; i < STEPS; i++) {
		oracle_step(&w, &o, &rng);
		if (i % 1000 == 0)
			assert_int_equal(verify_segment(w.seg), 0);
	}
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_joined_key_is_found_and_another_is_not),
		cmocka_unit_test(last_seen_is_there_before_it_is_told),
		cmocka_unit_test(an_empty_key_is_a_key),
		cmocka_unit_test(long_keys_differ_by_what_a_node_cannot_hold),
		cmocka_unit_test(the_last_of_several_leaves_ends_the_level),
		cmocka_unit_test(a_hand_over_makes_no_edge),
		cmocka_unit_test(
		    more_connections_than_a_column_counts_are_counted),
		cmocka_unit_test(a_full_table_says_so_and_rings_the_master),
		cmocka_unit_test(each_change_is_announced_once),
		cmocka_unit_test(a_short_absence_is_not_announced),
		cmocka_unit_test(what_finds_no_room_is_announced_later),
		cmocka_unit_test(not_all_that_is_held_is_tried_in_vain),
		cmocka_unit_test(each_of_many_late_leaves_is_told_once),
		cmocka_unit_test(
		    an_idle_node_is_evicted_and_free_after_everybody_waited),
		cmocka_unit_test(
		    without_a_relay_nodes_are_evicted_unannounced),
		cmocka_unit_test(chains_that_cannot_be_are_not_followed),
		cmocka_unit_test(a_held_node_is_not_evicted),
		cmocka_unit_test(a_new_master_finishes_what_the_old_one_began),
		cmocka_unit_test(mirrors_make_users_remote),
		cmocka_unit_test(
		    a_new_relay_inherits_mirrors_and_drops_what_is_gone),
		cmocka_unit_test(mirrors_of_a_relay_long_dead_are_dropped),
		cmocka_unit_test(
		    every_step_of_an_operation_may_be_a_workers_last),
		cmocka_unit_test(
		    reclaim_may_be_broken_off_anywhere_and_repeated),
		cmocka_unit_test(every_step_may_be_the_relays_last),
		cmocka_unit_test(random_operations_agree_with_a_plain_model),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
