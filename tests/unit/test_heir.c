/*
 * What a new relay makes of what its predecessor left: each node, wherever it
 * is in the table, is told; what was perhaps told is told again, when there
 * is room; mirrors are kept or dropped.  And relays short of memory, or that
 * do not come back.
 */
#include <errno.h>

#include "world.h"

#define MIRRORED	1u	/* a host */

static unsigned left;		/* allocations that succeed */
static bool short_of_memory;

void	*__real_calloc(size_t, size_t);
void	*__wrap_calloc(size_t, size_t);

void *
__wrap_calloc(size_t n, size_t size)
{
	if (short_of_memory && left-- == 0) {
		left = 0;
		errno = ENOMEM;
		return (NULL);
	}
	return (__real_calloc(n, size));
}

/* Which nodes were told, and of some how often. */
static uint8_t	*told;

static bool
note(void *arg, const struct table_event *e)
{
	struct world *w = arg;

	told[e->node]++;
	return (emit(w, e));
}

/* Refuses what was perhaps told before. */
static bool
only_news(void *arg, const struct table_event *e)
{
	return (!e->repeat && emit(arg, e));
}

static void
relay_dies(struct world *w)
{
	slot_dead(w->seg, 0);
	sweep_reclaim(w->sweep, 0);
	table_relay_close(&w->relay);
}

static void
relay_comes(struct world *w, uint64_t leave_delay_us)
{
	slot_start(w->seg, 0);
	relay_again(w, leave_delay_us);
	w->events = 0;
}

/* All nodes but the one that is never used, by slot 1. */
static void
fill(struct world *w)
{
	uint32_t user;

	for (user = 1; user < w->a->cap; user++)
		assert_int_not_equal(table_join(w->a, 1,
		    slice_of(&user, sizeof user)), 0);
	told = calloc(w->a->cap, 1);
	assert_non_null(told);
}

static void
assert_each_told(struct world *w, unsigned times)
{
	uint32_t n;

	assert_int_equal(told[0], 0);
	for (n = 1; n < w->a->cap; n++)
		assert_int_equal(told[n], times);
	free(told);
}

static void
a_new_relay_tells_of_each_node(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 500);
	fill(&w);
	relay_dies(&w);
	relay_comes(&w, 0);
	table_announce_all(w.relay, mono_now(), note, &w);
	assert_int_equal(w.events, w.a->cap - 1);
	/* ... once */
	table_announce_all(w.relay, mono_now(), note, &w);
	assert_int_equal(table_announce(w.relay, mono_now(), note, &w),
	    w.a->cap - 1);
	assert_each_told(&w, 1);
	world_fini(&w);
}

/* The last node is the only one of its word, in both levels of marks. */
static void
each_mark_is_found(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 9829);
	assert_int_equal(w.a->cap, 3 * 4096 + 1);
	fill(&w);
	assert_false(segment_relay_sleep(w.seg));
	assert_int_equal(table_announce(w.relay, mono_now(), note, &w),
	    w.a->cap - 1);
	assert_true(segment_relay_sleep(w.seg));
	segment_relay_woke(w.seg);
	assert_int_equal(table_announce(w.relay, mono_now(), note, &w), 0);
	assert_each_told(&w, 1);
	world_fini(&w);
}

static void
each_that_is_held_is_told(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 500);
	fill(&w);
	w.no_room = true;
	assert_int_equal(announce(&w, 1), 0);
	assert_int_equal(table_held(w.relay), w.a->cap - 1);
	w.no_room = false;
	table_announce_held(w.relay, mono_now(), note, &w);
	assert_int_equal(table_held(w.relay), 0);
	assert_each_told(&w, 1);
	world_fini(&w);
}

/* The predecessor died between PEND and its end. */
static void
leave_pending(struct world *w, uint32_t n)
{
	atomic_fetch_or(&w->a->seen[n], ANN_PEND);
	relay_dies(w);
	relay_comes(w, 0);
}

static void
a_repeat_waits_for_room(void **state)
{
	struct world w;
	uint64_t named;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_equal(announce(&w, 1), 1);
	named = w.last.version;
	leave_pending(&w, n);
	w.no_room = true;
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(table_held(w.relay), 1);
	assert_int_equal(atomic_load(&w.a->seen[n]), ann(&w, n) | ANN_PEND);
	w.no_room = false;
	table_announce_held(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 1);
	assert_true(w.last.repeat);
	assert_int_equal(w.last.version, named);
	assert_int_equal(w.last.is, ANN_L);
	assert_int_equal(table_held(w.relay), 0);
	assert_int_equal(atomic_load(&w.a->seen[n]), ann(&w, n));
	table_announce_all(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 1);
	world_fini(&w);
}

/* ... and what came after it does not overtake it. */
static void
news_come_after_the_repeat(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_equal(announce(&w, 1), 1);
	leave_pending(&w, n);
	table_leave(w.a, n);
	table_announce_all(w.relay, mono_now(), only_news, &w);
	assert_int_equal(w.events, 0);
	assert_int_equal(table_held(w.relay), 1);
	table_announce_held(w.relay, mono_now(), emit, &w);
	assert_int_equal(w.events, 2);
	assert_true(w.log[0].repeat);
	assert_int_equal(w.log[0].is, ANN_L);
	assert_false(w.log[1].repeat);
	assert_int_equal(w.log[1].was, ANN_L);
	assert_int_equal(w.log[1].is, 0);
	assert_int_equal(table_held(w.relay), 0);
	world_fini(&w);
}

/* Died with the hosts in the node and before saying so: at each place. */
static void
mirrors_that_were_not_told_are_told(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 500);
	fill(&w);
	(void)announce(&w, 1);
	for (n = 1; n < w.a->cap; n++) {
		atomic_store(&table_node(w.a, n)->remote, MIRRORED);
		atomic_store(&table_col(w.a, 0)[n], 1);
	}
	relay_dies(&w);
	relay_comes(&w, 0);
	table_inherit_begin(w.relay);
	assert_int_equal(table_announce(w.relay, mono_now(), note, &w),
	    w.a->cap - 1);
	assert_int_equal(w.last.is, ANN_L | ANN_R);
	for (n = 1; n < w.a->cap; n++)
		assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_L | ANN_R);
	assert_each_told(&w, 1);
	table_inherit_end(w.relay);
	for (n = 1; n < w.a->cap; n++)
		assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_L);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* What was confirmed once is not for ever. */
static void
mirrors_are_confirmed_each_time(void **state)
{
	struct world w;
	uint32_t user, n;

	(void)state;
	world_init(&w, 500);
	for (user = 1; user < w.a->cap; user++)
		assert_int_not_equal(table_mirror(w.relay, 1,
		    slice_of(&user, sizeof user), MIRRORED), 0);
	table_inherit_begin(w.relay);
	user = 77;
	n = table_mirror(w.relay, 1, slice_of(&user, sizeof user), MIRRORED);
	table_inherit_end(w.relay);
	for (user = 1; user < w.a->cap; user++)
		assert_int_equal(ann(&w, user) & ANN_LEVEL,
		    user == n ? ANN_R : 0);
	assert_int_equal(verify_segment(w.seg), 0);
	world_fini(&w);
}

/* No other host has it: nothing is let go that was not a mirror. */
static void
what_is_not_mirrored_is_not_let_go(void **state)
{
	struct world w;
	uint32_t n, m;

	(void)state;
	world_init(&w, 100);
	n = table_join(w.a, 1, SLICE("ann"));
	m = table_mirror(w.relay, 1, SLICE("far"), MIRRORED);
	assert_int_equal(table_mirror(w.relay, 1, SLICE("ann"), 0), 0);
	assert_int_equal(table_mirror(w.relay, 1, SLICE("nobody"), 0), 0);
	assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_L);
	assert_int_equal(ann(&w, m) & ANN_LEVEL, ANN_R);
	assert_int_equal(table_mirror(w.relay, 1, SLICE("far"), 0), 0);
	assert_int_equal(ann(&w, m) & ANN_LEVEL, 0);
	world_fini(&w);
}

static void
a_relay_without_memory_does_not_start(void **state)
{
	struct world w;
	unsigned k;

	(void)state;
	world_init(&w, 100);
	relay_dies(&w);
	slot_start(w.seg, 0);
	for (k = 0; k < 6; k++) {
		errno = 0;
		left = k;
		short_of_memory = true;
		w.relay = table_relay_open(w.seg, TABLE_PRESENCE, 0);
		short_of_memory = false;
		assert_null(w.relay);
		assert_int_equal(errno, ENOMEM);
	}
	relay_again(&w, 0);
	assert_int_not_equal(table_join(w.a, 1, SLICE("ann")), 0);
	assert_int_equal(announce(&w, 1), 1);
	world_fini(&w);
}

/* A leave for which there is no place to wait is told at once. */
static void
without_memory_leaves_are_not_late(void **state)
{
	struct world w;
	uint32_t n;

	(void)state;
	world_init(&w, 100);
	relay_dies(&w);
	relay_comes(&w, 3 * SECOND);
	n = table_join(w.a, 1, SLICE("ann"));
	assert_int_equal(announce(&w, 1), 1);
	table_leave(w.a, n);
	left = 0;
	short_of_memory = true;
	assert_int_equal(announce(&w, 1), 1);
	short_of_memory = false;
	assert_int_equal(w.last.is, 0);
	assert_int_equal(table_announce_due(w.relay), UINT64_MAX);
	world_fini(&w);
}

/* Half a minute without a relay, in both tables; each time anew. */
static void
mirrors_last_half_a_minute(void **state)
{
	struct world w;
	struct mono now = mono_now(), end;
	struct table_relay *rooms;
	struct table *t;
	uint32_t n, m;

	(void)state;
	world_init(&w, 100);
	rooms = table_relay_open(w.seg, TABLE_INTEREST, 0);
	t = table_open(w.seg, TABLE_INTEREST, 1);
	assert_true(rooms != NULL && t != NULL);
	n = table_mirror(w.relay, 1, SLICE("far"), MIRRORED);
	m = table_mirror(rooms, 1, SLICE("r"), MIRRORED);
	relay_dies(&w);
	sweep_round(w.sweep, now);
	/* one that came meanwhile */
	slot_start(w.seg, 0);
	now = mono_add_ms(now, 20000);
	sweep_round(w.sweep, now);
	slot_dead(w.seg, 0);
	sweep_reclaim(w.sweep, 0);
	now = mono_add_ms(now, 1000);
	sweep_round(w.sweep, now);
	end = mono_add_ms(now, 30000);
	sweep_round(w.sweep, (struct mono){ end.us - 1 });
	assert_int_equal(ann(&w, n) & ANN_LEVEL, ANN_R);
	assert_int_equal(table_level(t, m), ANN_R);
	sweep_round(w.sweep, end);
	assert_int_equal(ann(&w, n) & ANN_LEVEL, 0);
	assert_int_equal(table_level(t, m), 0);
	assert_int_equal(verify_segment(w.seg), 0);
	table_close(&t);
	table_relay_close(&rooms);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_relay_tells_of_each_node),
		cmocka_unit_test(each_mark_is_found),
		cmocka_unit_test(each_that_is_held_is_told),
		cmocka_unit_test(a_repeat_waits_for_room),
		cmocka_unit_test(news_come_after_the_repeat),
		cmocka_unit_test(mirrors_that_were_not_told_are_told),
		cmocka_unit_test(mirrors_are_confirmed_each_time),
		cmocka_unit_test(what_is_not_mirrored_is_not_let_go),
		cmocka_unit_test(a_relay_without_memory_does_not_start),
		cmocka_unit_test(without_memory_leaves_are_not_late),
		cmocka_unit_test(mirrors_last_half_a_minute),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
