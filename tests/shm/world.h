/*
 * The world of the tests of the table: a segment, two workers (slots 1 and 70,
 * a word apart), a relay and a master; and operations broken off at any of
 * their accesses: the hook leaves them by longjmp(), as if the process had
 * been killed there.
 */
#ifndef TESTS_SHM_WORLD_H
#define TESTS_SHM_WORLD_H

#include <unistd.h>

#include "check.h"
#include "shm/counters.h"
#include "shm/presence.h"
#include "shm/table_master.h"
#include "shm/table_relay.h"
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

static inline void
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
	struct table	*a, *b;
	struct table_relay *relay;
	struct table_master *master;
	struct sweep	*sweep;		/* and its own */
	unsigned	 events;
	bool		 no_room;	/* for announcements */
	unsigned	 refused;
	struct table_event last;
	struct table_event log[16];	/* the first ones */
	char		 last_key[256];
};

static inline void
slot_start(struct segment *seg, unsigned slot)
{
	atomic_store(&segment_slot(seg, slot)->state, SLOT_ASSIGNED);
	slot_live(seg, slot, 1);
	slots_quiesce_leave(seg, slot);
}

static inline bool
emit(void *arg, const struct table_event *e)
{
	struct world *w = arg;

	if (w->no_room) {
		w->refused++;
		return (false);
	}
	if (w->events < nitems(w->log))
		w->log[w->events] = *e;
	w->events++;
	w->last = *e;
	memcpy(w->last_key, e->key.p, e->key.n);
	w->last_key[e->key.n] = '\0';
	return (true);
}

static inline void
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
	w->relay = table_relay_open(w->seg, TABLE_PRESENCE, 0);
	w->master = table_master_open(w->seg, TABLE_PRESENCE);
	w->sweep = sweep_new(w->seg);
	assert_true(w->a && w->b && w->relay && w->master && w->sweep);
}

static inline void
world_fini(struct world *w)
{
	table_close(&w->a);
	table_close(&w->b);
	table_relay_close(&w->relay);
	table_master_close(&w->master);
	sweep_free(&w->sweep);
	segment_free(&w->seg);
}

/* The master, or the relay, ends; a successor goes on. */
static inline void
master_again(struct world *w)
{
	table_master_close(&w->master);
	w->master = table_master_open(w->seg, TABLE_PRESENCE);
	assert_non_null(w->master);
}

static inline void
relay_again(struct world *w, uint64_t leave_delay_us)
{
	table_relay_close(&w->relay);
	w->relay = table_relay_open(w->seg, TABLE_PRESENCE, leave_delay_us);
	assert_non_null(w->relay);
}

static inline uint64_t
ann(struct world *w, uint32_t n)
{
	return (atomic_load(&table_node(w->a, n)->ann));
}

static inline unsigned
announce(struct world *w, uint64_t now_us)
{
	unsigned before = w->events;

	(void)table_announce(w->relay, (struct mono){ now_us }, emit, w);
	return (w->events - before);
}

/* A time at which everything idle may be evicted. */
static inline struct mono
much_later(void)
{
	return (mono_add_ms(mono_now(), 3600 * 1000));
}

static inline void
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
static inline bool
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

static uint32_t old_node;

static inline void
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

#endif
