/*
 * What the relay does with the table: each change announced once, late leaves
 * late, what finds no room when there is some; mirrors; and death at every
 * step of it.
 */
#include "world.h"

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
			atomic_store(&table_node(w.a, n)->last, 1000);
		looked = 0;
		leaving = false;
		looker = two;
		n = presence_join(one, 1, SLICE("ann"));
		looker = NULL;
		assert_int_not_equal(n, 0);
		assert_int_not_equal(looked, 0);
		atomic_store(&table_node(w.a, n)->last, 1000);
		looked = 0;
		leaving = true;
		looker = two;
		presence_leave(one, n, 1, SLICE("ann"), 0);
		looker = NULL;
		assert_int_not_equal(looked, 0);
	}
	presence_close(&one);
	presence_close(&two);
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

static bool
count_event(void *arg, const struct table_event *e)
{
	unsigned *n = arg;

	assert_int_equal(e->was, 0);
	assert_int_equal(e->is, ANN_L);
	assert_true(e->whole);
	assert_slice(e->key, "ann");
	(*n)++;
	return (true);
}

static void
a_new_relay_is_told_what_is_held(void **state)
{
	unsigned told = 0;
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 3, SLICE("ann"));
	table_leave(w.a, table_join(w.a, 3, SLICE("bob")));
	(void)announce(&w, 1);
	table_tell_all(w.relay, count_event, &told);
	assert_int_equal(told, 1);	/* though it was announced */
	table_leave(w.a, n);
	(void)announce(&w, 2);
	table_tell_all(w.relay, count_event, &told);
	assert_int_equal(told, 1);
	world_fini(&w);
}

/* It goes as the relay dies, and is back before its absence is told: the successor
 * has no news of it, and is to know. */
static void
a_new_relay_is_told_what_may_be_back(void **state)
{
	unsigned told = 0;
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	relay_again(&w, 3 * SECOND);
	n = table_join(w.a, 3, SLICE("ann"));
	(void)announce(&w, 1);
	table_leave(w.a, n);
	relay_again(&w, 3 * SECOND);
	table_tell_all(w.relay, count_event, &told);
	assert_int_equal(told, 1);
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
	relay_again(&w, 3 * SECOND);
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
	assert_false(w.last.status);
	assert_int_equal(table_announce_due(w.relay), UINT64_MAX);
	/* once more: each leave waits for its own time */
	assert_int_equal(table_join(w.a, 1, SLICE("ann")), n);
	now = mono_now().us;
	assert_int_equal(announce(&w, now), 1);
	table_leave(w.a, n);
	assert_int_equal(announce(&w, now), 0);
	assert_int_equal(announce(&w, mono_now().us + 4 * SECOND), 1);
	assert_int_equal(w.last.is, 0);
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
	assert_int_equal(atomic_load(&w.a->seen[n]), 0);
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
	table_master_sweep(w.master, much_later(), true);
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
	relay_again(&w, 3 * SECOND);
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
		assert_int_equal(atomic_load(&w.a->seen[nodes[user]]),
		    ann(&w, nodes[user]));
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
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

/* Of several hosts, the last one counts; a node more is none more. */
static void
who_is_on_several_hosts_is_gone_with_the_last(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_mirror_add(w.relay, 1, SLICE("far"), 0);
	assert_int_equal(announce(&w, 1), 1);
	assert_int_equal(table_mirror_add(w.relay, 1, SLICE("far"), 62), n);
	assert_int_equal(table_mirror_add(w.relay, 1, SLICE("far"), 62), n);
	assert_int_equal(table_mirrored(w.relay), 1);
	assert_int_equal(atomic_load(&table_node(w.a, n)->remote),
	    UINT64_C(1) << 62 | 1);
	table_mirror_drop(w.relay, 1, SLICE("far"), 0, false);
	table_mirror_drop(w.relay, 1, SLICE("far"), 0, false);
	table_mirror_drop(w.relay, 1, SLICE("nobody"), 0, false);
	assert_int_equal(announce(&w, 1), 0);
	table_mirror_drop(w.relay, 1, SLICE("far"), 62, false);
	assert_int_equal(announce(&w, 1), 1);
	assert_int_equal(w.last.is, 0);
	assert_int_equal(table_mirrored(w.relay), 0);
	/* who is here as well goes nowhere */
	assert_int_equal(table_join(w.a, 1, SLICE("far")), n);
	assert_int_equal(table_mirror_add(w.relay, 1, SLICE("far"), 5), n);
	(void)announce(&w, 1);
	assert_int_equal(w.last.is, ANN_L | ANN_R);
	table_mirror_drop(w.relay, 1, SLICE("far"), 5, true);
	(void)announce(&w, 1);
	assert_int_equal(w.last.is, ANN_L);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

static void
a_host_is_swept_but_for_what_is_kept(void **state)
{
	uint8_t kept[32] = { 0 };
	uint32_t n[20], at = 0, i;
	struct world w;
	char name[8];

	(void)state;
	world_init(&w, 100);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "u%u", (unsigned)i);
		n[i] = table_mirror_add(w.relay, 1, slice_str(name), 3);
		assert_int_not_equal(n[i], 0);
		if (i % 4 == 0)	/* these another host has, too */
			(void)table_mirror_add(w.relay, 1, slice_str(name),
			    4);
		if (i % 2 == 0)
			kept[n[i] / 8] |= (uint8_t)(1u << n[i] % 8);
	}
	(void)announce(&w, 1);
	while (!table_mirror_sweep(w.relay, 3, kept, false, &at, 7))
		assert_true(at < table_nodes(w.relay));
	assert_int_equal(announce(&w, 1), 10);
	at = 0;
	assert_true(table_mirror_sweep(w.relay, 3, NULL, false, &at, 1000));
	assert_int_equal(announce(&w, 1), 5);
	assert_int_equal(table_mirrored(w.relay), 5);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* A leave that has waited on its own host does not wait here; one of this
 * host still does. */
static void
what_has_lapsed_is_told_at_once(void **state)
{
	struct world w;
	uint64_t now;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	relay_again(&w, 3 * SECOND);
	(void)table_mirror_add(w.relay, 1, SLICE("far"), 0);
	(void)announce(&w, mono_now().us);
	table_mirror_drop(w.relay, 1, SLICE("far"), 0, false);
	assert_int_equal(announce(&w, mono_now().us), 0);
	(void)table_mirror_add(w.relay, 1, SLICE("far"), 0);
	(void)announce(&w, mono_now().us);
	table_mirror_drop(w.relay, 1, SLICE("far"), 0, true);
	assert_int_equal(announce(&w, mono_now().us), 1);
	assert_int_equal(w.last.is, 0);
	n = table_join(w.a, 1, SLICE("both"));
	(void)table_mirror_add(w.relay, 1, SLICE("both"), 0);
	now = mono_now().us;
	(void)announce(&w, now);
	table_leave(w.a, n);
	table_mirror_drop(w.relay, 1, SLICE("both"), 0, true);
	assert_int_equal(announce(&w, now), 0);
	assert_int_equal(announce(&w, mono_now().us + 4 * SECOND), 1);
	assert_int_equal(w.last.is, 0);
	world_fini(&w);
}

static bool
collect_one(void *arg, const struct table_event *e)
{
	unsigned *n = arg;

	assert_int_equal(e->is & ANN_L, ANN_L);
	(*n)++;
	return (false);
}

static bool
count_one(void *arg, const struct table_event *e)
{
	unsigned *found = arg;

	assert_int_equal(e->ns, 1);
	assert_true(e->whole);
	(*found)++;
	return (false);
}

/* Whom the workers were told of, not who is there by now. */
static void
what_was_told_can_be_listed_piece_by_piece(void **state)
{
	uint32_t at = 0, n;
	unsigned found = 0;
	struct world w;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_not_equal(table_join(w.a, 1, SLICE("bob")), 0);
	assert_int_not_equal(table_join(w.a, 2, SLICE("other")), 0);
	(void)table_mirror_add(w.relay, 1, SLICE("far"), 0);
	(void)announce(&w, 1);
	assert_int_not_equal(table_join(w.a, 1, SLICE("not told yet")), 0);
	table_leave(w.a, n);		/* nor that */
	while (!table_tell_some(w.relay, 1, false, &at, 1000, collect_one,
	    &found))
		assert_true(found <= 2);
	assert_int_equal(found, 2);
	/* with those that are not here, or were not told of */
	found = at = 0;
	while (!table_tell_some(w.relay, 1, true, &at, 1000, count_one,
	    &found))
		assert_true(found <= 4);
	assert_int_equal(found, 4);
	world_fini(&w);
}

/* What is on its way when a relay ends is told by the next one, as a repeat. */
static void
what_was_queued_and_not_sent_is_repeated(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	table_announce_queues(w.relay);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_false(table_announce_unsent(w.relay));
	assert_int_equal(announce(&w, 1), 1);
	assert_true(table_announce_unsent(w.relay));
	/* the same relay does not repeat it, and goes on to what is new */
	table_mark(w.a, n);
	assert_int_equal(announce(&w, 1), 0);
	table_leave(w.a, n);
	assert_int_equal(announce(&w, 1), 1);
	assert_false(w.last.repeat);
	table_announce_sent(w.relay);		/* of what came before */
	assert_true(table_announce_unsent(w.relay));
	relay_again(&w, 0);
	table_announce_queues(w.relay);
	w.events = 0;
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 1);
	assert_true(w.last.repeat);
	assert_int_equal(w.last.is, 0);
	/* a repeat is on its way as well */
	relay_again(&w, 0);
	table_announce_queues(w.relay);
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 2);
	table_announce_sent(w.relay);
	table_announce_sent(w.relay);
	assert_false(table_announce_unsent(w.relay));
	relay_again(&w, 0);
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 2);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* Who has changed again since is on its way still when the first is sent. */
static void
what_is_sent_is_not_what_came_after(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	table_announce_queues(w.relay);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_equal(announce(&w, 1), 1);
	table_announce_sent(w.relay);
	table_leave(w.a, n);
	assert_int_equal(announce(&w, 1), 1);
	table_announce_sent(w.relay);
	relay_again(&w, 0);
	w.events = 0;
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 1);
	assert_int_equal(w.last.is, 0);
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
	sweep_reclaim(w.sweep, 0);
	assert_int_equal(table_find(w.a, 1, SLICE("stays")), n);
	slot_start(w.seg, 0);
	relay_again(&w, 0);
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
	sweep_reclaim(w.sweep, 0);
	sweep_round(w.sweep, now);
	sweep_round(w.sweep, mono_add_ms(now, 29000));
	assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_R);
	sweep_round(w.sweep, mono_add_ms(now, 30001));
	assert_int_equal(ann(&w, n) & ANN_LEVEL, 0);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
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
	(void)table_mirror_add(w->relay, 1, SLICE("far"), 9);
	table_mirror_drop(w->relay, 1, SLICE("far"), 0, true);
	table_mirror_drop(w->relay, 1, SLICE("far"), 9, true);
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

/* Who came or went is news once; a repeat has the same name. */
static void
assert_told_once(const struct world *w)
{
	const struct table_event *e, *f;
	unsigned i, k;

	assert_true(w->events <= nitems(w->log));
	for (i = 0; i < w->events; i++) {
		e = &w->log[i];
		assert_int_equal(e->status, !e->repeat && e->was == e->is);
		for (k = 0; k < i; k++) {
			f = &w->log[k];
			if (f->node == e->node && f->version == e->version) {
				assert_true(e->repeat || e->status);
				assert_int_equal(f->is, e->is);
			}
		}
	}
}

/* Every change was told; a repeat has the name of what it repeats. */
static void
relay_dies_in(operation *op, unsigned *k, bool *again)
{
	struct world w;
	unsigned i, told;
	uint32_t n;

	crash_world(&w);
	table_leave(w.a, old_node);
	*again = run_killed(&w, op, *k);
	w.no_room = false;
	slot_dead(w.seg, 0);
	sweep_reclaim(w.sweep, 0);
	slot_start(w.seg, 0);
	relay_again(&w, 0);
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
	assert_told_once(&w);
	/* the leave was told, if not as news then once more */
	for (i = told = 0; i < w.events; i++)
		told += w.log[i].node == old_node && w.log[i].is == 0;
	assert_true(told > 0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_seen_is_there_before_it_is_told),
		cmocka_unit_test(each_change_is_announced_once),
		cmocka_unit_test(a_new_relay_is_told_what_is_held),
		cmocka_unit_test(a_new_relay_is_told_what_may_be_back),
		cmocka_unit_test(a_short_absence_is_not_announced),
		cmocka_unit_test(what_finds_no_room_is_announced_later),
		cmocka_unit_test(not_all_that_is_held_is_tried_in_vain),
		cmocka_unit_test(each_of_many_late_leaves_is_told_once),
		cmocka_unit_test(mirrors_make_users_remote),
		cmocka_unit_test(who_is_on_several_hosts_is_gone_with_the_last),
		cmocka_unit_test(a_host_is_swept_but_for_what_is_kept),
		cmocka_unit_test(what_has_lapsed_is_told_at_once),
		cmocka_unit_test(what_was_told_can_be_listed_piece_by_piece),
		cmocka_unit_test(what_was_queued_and_not_sent_is_repeated),
		cmocka_unit_test(what_is_sent_is_not_what_came_after),
		cmocka_unit_test(
		    a_new_relay_inherits_mirrors_and_drops_what_is_gone),
		cmocka_unit_test(mirrors_of_a_relay_long_dead_are_dropped),
		cmocka_unit_test(every_step_may_be_the_relays_last),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
