/*
 * The store in memory: each bound at it and one beyond it, what goes first, how
 * much is done in one turn; and all of it by chance against a store that is
 * written as simply as can be.
 */
#include "relay/store/memory.h"

#include <bsd/string.h>
#include <unistd.h>

#include "base/slotset.h"
#include "shm/counters.h"
#include "sys/sealed.h"
#include "sys/timer.h"
#include "tests/lib/check.h"

#define ALL	(64u << 10)

static struct wheel wheel;
static uint64_t now_ms;
static struct store *store;
static struct store_bounds bounds;	/* of every room */
static bool keeps;			/* the judge's word */
static unsigned judged;
static uint64_t counted[COUNTER__MAX];	/* at the start of the test */

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

static uint64_t
clock_ms(void *arg)
{
	(void)arg;
	return (now_ms);
}

static bool
judge(void *arg, const struct store_key *key, struct store_bounds *b)
{
	(void)arg;
	(void)key;
	judged++;
	*b = bounds;
	return (keeps);
}

static struct store *
open_store(uint64_t bytes)
{
	struct memory_params p = { .wheel = &wheel, .now_ms = clock_ms,
		.bytes = bytes, .judge = judge };
	struct store *s = memory_new(&p);

	assert_non_null(s);
	return (s);
}

static int
set_up(void **state)
{
	unsigned i;

	(void)state;
	now_ms = 64000;		/* where a tick begins */
	keeps = true;
	judged = 0;
	bounds = (struct store_bounds){ .events = 100000, .bytes = ALL };
	wheel_init(&wheel, (struct mono){ now_ms * 1000 });
	store = open_store(ALL);
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	store->does->free(store->engine);
	assert_int_equal(wheel.count, 0);
	return (0);
}

/* --- asking ---------------------------------------------------------------*/

struct answer {
	unsigned	 n;
	enum bus_store	 result;
	char		 epoch[STORE_EPOCH_MAX + 1];
	uint64_t	 kept, frame;	/* its bytes */
};

static void
on_kept(void *arg, const struct store_kept *k)
{
	struct answer *a = arg;

	a->n++;
	a->result = k->result;
	a->kept = k->kept;
	(void)snprintf(a->epoch, sizeof a->epoch, "%.*s", (int)k->epoch.n,
	    k->epoch.n == 0 ? "" : (const char *)k->epoch.p);
	a->frame = k->frame == NULL ? 0 : k->frame->wpos;
}

static struct store_key
key_of(unsigned room, char name[16])
{
	int n = snprintf(name, 16, "room%06u", room);

	return ((struct store_key){ SLICE("/n"), slice_of(name, (size_t)n) });
}

static uint64_t
room_cost(void)
{
	return (memory_room_cost() + strlen("/n") + strlen("room000000"));
}

/* With n bytes of arguments, of which the first ones say what it is. */
static struct answer
append_as(struct store *s, unsigned room, unsigned what, size_t n,
    uint16_t flags)
{
	static char args[1 << 20];
	struct bus_envelope e;
	struct bus_publish *p = bus_keep(&e);
	struct answer got = { 0 };
	struct store_append a = { .bounds = bounds, .e = &e, .done = on_kept,
		.arg = &got };
	char name[16];

	assert_true(n >= 8 && n < sizeof args);
	a.asker.flags = flags;
	memset(args, 'x', n);
	snprintf(args, 9, "%08u", what);
	args[8] = 'x';
	a.key = key_of(room, name);
	p->nsp = a.key.nsp;
	p->event = SLICE("\"m\"");
	p->args = slice_of(args, n);
	p->to.rooms[p->to.nrooms++] = a.key.room;
	s->does->append(s->engine, &a);
	assert_int_equal(got.n, 1);
	return (got);
}

static struct answer
append_to(struct store *s, unsigned room, unsigned what, size_t n)
{
	return (append_as(s, room, what, n, 0));
}

static struct answer
append(unsigned room, unsigned what, size_t n)
{
	return (append_to(store, room, what, n));
}

/* As many bytes of arguments as make it cost so much. */
static size_t
args_that_cost(unsigned room, uint64_t cost)
{
	struct answer a;
	uint64_t room_bytes = bounds.bytes;

	bounds.bytes = 0;	/* it tells its size, and is not kept */
	a = append(room, 0, 1000);
	bounds.bytes = room_bytes;
	assert_int_equal(a.result, BUS_STORE_TOO_LARGE);
	return ((size_t)(1000 + cost - (a.frame + memory_event_cost())));
}

struct got {
	struct store_page page;
	char		 epoch[STORE_EPOCH_MAX + 1];
	unsigned	 n;
	uint64_t	 places[2000];
	unsigned	 whats[2000];
	uint64_t	 bytes;
};

static void
on_page(void *arg, const struct store_page *page)
{
	struct bus_envelope e;
	struct got *g = arg;
	struct slice rest = page->page.frames;
	ssize_t n;

	g->page = *page;
	(void)snprintf(g->epoch, sizeof g->epoch, "%.*s",
	    (int)page->page.epoch.n, page->page.epoch.n == 0 ? "" :
	    (const char *)page->page.epoch.p);
	g->bytes = rest.n;
	for (g->n = 0; rest.n > 0; g->n++) {
		n = bus_decode(rest, &e);
		assert_true(n > 0);
		rest = slice_from(rest, (size_t)n);
		assert_int_equal(e.kind, BUS_PUBLISH);
		assert_int_equal(e.flags & (uint16_t)~(BUS_FINISH | BUS_EDIT),
		    BUS_NUMBERED);
		assert_int_equal(e.publish.instead.n, 0);
		assert_int_equal((e.flags & BUS_EDIT) != 0,
		    e.publish.edits != 0);
		if (e.publish.edits == 0 && e.publish.kept == page->page.top)
			assert_int_equal((e.flags & BUS_FINISH) != 0,
			    page->page.finished);
		assert_text(e.publish.epoch, g->epoch);
		assert_true(g->n < nitems(g->places));
		g->places[g->n] = e.publish.kept;
		g->whats[g->n] = (unsigned)strtoul((const char *)
		    e.publish.args.p, NULL, 10);
	}
}

static struct got got;	/* large; of the last question */

static void
ask(unsigned room, enum bus_history_from from, const char *epoch,
    uint64_t since, uint64_t limit, uint64_t bytes)
{
	char name[16];
	struct store_read q = { .key = key_of(room, name), .bounds = bounds,
		.from = from, .epoch = slice_str(epoch), .since = since,
		.limit = limit, .bytes = bytes, .done = on_page,
		.arg = &got };

	got.n = 0;
	got.page.page.result = 0;
	store->does->read(store->engine, &q);
	assert_int_not_equal(got.page.page.result, 0);
}

/* How many there are; a look that does not count as use would be another. */
static unsigned
kept_of(unsigned room)
{
	ask(room, BUS_HISTORY_FIRST, "", 0, 1000, ALL);
	assert_int_equal(got.page.more, 0);
	return (got.n);
}

static void
turns(void)
{
	unsigned i;

	for (i = 0; store->does->busy(store->engine); i++) {
		assert_true(i < 10000);
		store->does->turn(store->engine);
	}
}

static void
wait_ms(uint64_t ms)
{
	now_ms += ms;
	wheel_advance(&wheel, (struct mono){ now_ms * 1000 });
	turns();
}

/* --- changes --------------------------------------------------------------*/

/* What is kept at this place of a room, with other arguments, and in another
 * epoch if that is named; and what tells of it. */
static struct answer
edit_as(unsigned room, uint64_t place, const char *epoch, unsigned what,
    size_t n, uint16_t flags)
{
	static char args[1 << 20];
	struct bus_envelope e, tells;
	struct bus_publish *p = bus_keep(&tells);
	struct answer result = { 0 };
	struct store_append a = { .bounds = bounds, .e = &tells,
		.done = on_kept, .arg = &result };
	struct buf frame;
	char name[16];

	a.key = key_of(room, name);
	(void)bus_publish(&e);
	e.flags = BUS_NUMBERED | (flags & BUS_NAMED);
	e.slots[0] = e.slots[1] = 0;
	e.from = e.generation = 0;
	e.ref = 0;
	assert_true(n >= 8 && n < sizeof args);
	memset(args, 'y', n);
	snprintf(args, 9, "%08u", what);
	args[8] = 'y';
	e.publish.nsp = a.key.nsp;
	e.publish.event = SLICE("\"m\"");
	e.publish.args = slice_of(args, n);
	e.publish.epoch = slice_str(epoch);
	e.publish.kept = place;
	e.publish.to.rooms[e.publish.to.nrooms++] = a.key.room;
	buf_init(&frame);
	assert_true(bus_encode(&frame, &e));
	a.asker.flags = BUS_EDIT | flags;
	p->nsp = a.key.nsp;
	p->event = SLICE("\"history:edited\"");
	p->args = SLICE("00000077");
	p->instead = buf_unread(&frame);
	p->to.rooms[p->to.nrooms++] = a.key.room;
	store->does->append(store->engine, &a);
	assert_int_equal(result.n, 1);
	buf_fini(&frame);
	return (result);
}

static struct answer
edit(unsigned room, uint64_t place, const char *epoch, unsigned what, size_t n)
{
	return (edit_as(room, place, epoch, what, n, 0));
}

static void
what_is_changed_stays_at_its_place(void **state)
{
	uint64_t bytes;
	struct answer a;
	unsigned i;

	(void)state;
	bounds.events = 4;
	for (i = 1; i <= 3; i++)
		a = append(1, i, 100);
	bytes = counter_get(COUNTER_store_bytes);
	assert_int_equal(edit(1, 2, a.epoch, 22, 150).kept, 4);
	assert_int_equal(kept_of(1), 4);
	assert_int_equal(got.whats[1], 22);
	assert_int_equal(got.whats[3], 77);
	assert_int_equal(got.places[1], 2);
	/* the bytes of all are those that are there */
	assert_int_equal(edit(1, 2, a.epoch, 23, 50).kept, 5);
	assert_int_equal(kept_of(1), 4);
	assert_int_equal(got.whats[0], 23);
	assert_int_equal(edit(1, 5, a.epoch, 24, 8).kept, 6);
	assert_int_not_equal(counter_get(COUNTER_store_bytes), bytes);
	for (i = 0; i < 10; i++)
		(void)append(1, i, 100);
	keeps = false;
	store->does->conf(store->engine, ALL);
	turns();
	assert_counted(store_bytes, 0);
}

static void
what_is_not_there_is_not_changed(void **state)
{
	struct answer a = { 0 };
	unsigned i;

	(void)state;
	bounds.events = 3;
	assert_int_equal(edit(1, 1, "none", 1, 8).result, BUS_STORE_EPOCH);
	for (i = 1; i <= 5; i++)
		a = append(1, i, 8);
	assert_int_equal(edit(1, 4, "none", 1, 8).result, BUS_STORE_EPOCH);
	assert_int_equal(edit(1, 6, a.epoch, 1, 8).result, BUS_STORE_EPOCH);
	assert_int_equal(edit(1, 2, a.epoch, 1, 8).result, BUS_STORE_GAP);
	assert_int_equal(edit(1, 0, a.epoch, 1, 8).result,
	    BUS_STORE_UNAVAILABLE);
	assert_int_equal(kept_of(1), 3);
	assert_int_equal(got.whats[1], 4);
	/* the oldest goes with what tells of it */
	assert_int_equal(edit(1, 3, a.epoch, 33, 8).kept, 6);
	assert_int_equal(kept_of(1), 3);
	assert_int_equal(got.whats[0], 4);
	bounds.events = 1;
	assert_int_equal(edit(1, 6, a.epoch, 66, 8).kept, 7);
	assert_int_equal(kept_of(1), 1);
	assert_int_equal(got.whats[0], 77);
}

static void
a_change_that_does_not_fit_changes_nothing(void **state)
{
	size_t n;
	struct answer a;

	(void)state;
	n = args_that_cost(1, 1000);
	bounds.bytes = 1000;
	a = append(1, 1, 8);
	assert_int_equal(edit(1, 1, a.epoch, 2, n + 200).result,
	    BUS_STORE_TOO_LARGE);
	assert_int_equal(kept_of(1), 1);
	assert_int_equal(got.whats[0], 1);
	/* one that fits alone puts out what is before it */
	assert_int_equal(append(1, 2, 8).kept, 2);
	assert_int_equal(edit(1, 2, a.epoch, 22, n - 300).kept, 3);
	(void)kept_of(1);
	assert_true(got.bytes <= 1000);
	assert_int_equal(got.page.page.top, 3);
}

static void
what_is_finished_is_changed_by_who_knows_it(void **state)
{
	struct answer a;

	(void)state;
	(void)append(1, 1, 8);
	a = append_as(store, 1, 2, 8, BUS_FINISH);
	assert_int_equal(edit(1, 1, a.epoch, 11, 8).result,
	    BUS_STORE_FINISHED);
	assert_int_equal(edit_as(1, 1, a.epoch, 11, 8, BUS_FINISH).kept, 3);
	ask(1, BUS_HISTORY_LAST, "", 0, 1, ALL);
	assert_true(got.page.page.finished);
	assert_int_equal(append(1, 3, 8).result, BUS_STORE_FINISHED);
	/* nor does it end with the last that was there */
	bounds.events = 1;
	assert_int_equal(edit_as(1, 3, a.epoch, 33, 8, BUS_FINISH).kept, 4);
	ask(1, BUS_HISTORY_LAST, "", 0, 1, ALL);
	assert_true(got.page.page.finished);
	assert_int_equal(got.page.page.top, 4);
}

/* --- bounds of a room -----------------------------------------------------*/

static void
so_many_events_and_not_one_more(void **state)
{
	unsigned i;

	(void)state;
	bounds.events = 3;
	for (i = 1; i <= 3; i++)
		assert_int_equal(append(1, i, 8).kept, i);
	assert_int_equal(kept_of(1), 3);
	assert_int_equal(got.page.page.first, 1);
	assert_int_equal(append(1, 4, 8).kept, 4);
	assert_int_equal(kept_of(1), 3);
	assert_int_equal(got.page.page.first, 2);
	assert_int_equal(got.page.page.top, 4);
	assert_int_equal(got.whats[0], 2);
	assert_counted(store_displaced, 1);
	assert_counted(store_events, 3);
}

static void
so_many_bytes_and_not_one_more(void **state)
{
	size_t n;

	(void)state;
	n = args_that_cost(1, 500);
	bounds.bytes = 1000;
	assert_int_equal(append(1, 1, n).result, BUS_STORE_OK);
	assert_int_equal(append(1, 2, n).result, BUS_STORE_OK);
	assert_int_equal(kept_of(1), 2);
	assert_int_equal(append(1, 3, n).result, BUS_STORE_OK);
	assert_int_equal(kept_of(1), 2);
	/* one byte more and both others have to go */
	assert_int_equal(append(1, 4, n + 1).result, BUS_STORE_OK);
	assert_int_equal(kept_of(1), 1);
	assert_int_equal(got.whats[0], 4);
}

static void
an_event_as_large_as_its_room_fits_and_not_one_larger(void **state)
{
	size_t n;

	(void)state;
	n = args_that_cost(1, 1000);
	bounds.bytes = 1000;
	assert_int_equal(append(1, 1, n).result, BUS_STORE_OK);
	assert_int_equal(append(1, 2, n + 1).result, BUS_STORE_TOO_LARGE);
	assert_int_equal(kept_of(1), 1);
	assert_int_equal(got.whats[0], 1);
	assert_int_equal(append(1, 3, 8).kept, 2);
}

static void
an_event_as_large_as_the_store_fits_and_not_one_larger(void **state)
{
	size_t n;

	(void)state;
	n = args_that_cost(1, ALL - room_cost());
	bounds.bytes = 10 * ALL;
	assert_int_equal(append(1, 1, n + 1).result, BUS_STORE_TOO_LARGE);
	assert_int_equal(append(1, 1, n).result, BUS_STORE_OK);
	turns();
	assert_counted(store_bytes, ALL);
}

static void
so_long_and_not_a_moment_longer(void **state)
{
	char epoch[sizeof got.epoch];

	(void)state;
	bounds.keep_ms = 5000;
	(void)append(1, 1, 8);
	now_ms += 1;
	(void)append(1, 2, 8);
	now_ms += 4999;
	assert_int_equal(kept_of(1), 2);
	/* whether or not it has been dropped yet */
	now_ms += 1;
	assert_int_equal(kept_of(1), 1);
	assert_int_equal(got.page.page.first, 2);
	assert_counted(store_events, 2);
	wait_ms(TIMER_TICK_MS);
	assert_counted(store_events, 0);
	assert_counted(store_expired, 2);
	assert_int_equal(kept_of(1), 0);
	assert_int_equal(got.page.page.top, 2);
	assert_int_equal(got.page.page.first, 0);
	/* what is gone is no loss to who has had it */
	(void)strlcpy(epoch, got.epoch, sizeof epoch);
	ask(1, BUS_HISTORY_AFTER, epoch, 2, 10, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_OK);
	ask(1, BUS_HISTORY_AFTER, epoch, 1, 10, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_GAP);
	assert_int_equal(append(1, 3, 8).kept, 3);
	assert_counted(store_rooms, 1);
}

static void
without_an_age_it_stays(void **state)
{
	(void)state;
	(void)append(1, 1, 8);
	wait_ms(1000ull * 86400000);
	assert_int_equal(kept_of(1), 1);
}

static void
an_empty_room_is_forgotten_after_an_hour(void **state)
{
	char epoch[sizeof got.epoch];

	(void)state;
	ask(1, BUS_HISTORY_TOP, "", 0, 1, ALL);
	(void)strlcpy(epoch, got.epoch, sizeof epoch);
	assert_int_not_equal(epoch[0], '\0');
	wait_ms(3599999);
	assert_counted(store_rooms, 1);
	wait_ms(1);
	assert_counted(store_rooms, 0);
	ask(1, BUS_HISTORY_AFTER, epoch, 0, 1, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_EPOCH);
	assert_string_not_equal(got.epoch, epoch);
}

/* --- bounds of all --------------------------------------------------------*/

static void
beyond_all_bytes_the_least_used_room_goes(void **state)
{
	uint64_t each = ALL / 4;
	unsigned i;
	char epoch[sizeof got.epoch];
	size_t n;

	(void)state;
	n = args_that_cost(9, each - room_cost());
	keeps = false;		/* ... and goes again */
	store->does->conf(store->engine, ALL);
	turns();
	assert_counted(store_rooms, 0);
	for (i = 1; i <= 4; i++)
		assert_int_equal(append(i, i, n).result, BUS_STORE_OK);
	assert_counted(store_bytes, ALL);
	assert_counted(store_evicted_rooms, 0);
	/* who reads uses it */
	ask(1, BUS_HISTORY_TOP, "", 0, 1, ALL);
	(void)strlcpy(epoch, got.epoch, sizeof epoch);
	assert_int_equal(append(5, 5, 8).result, BUS_STORE_OK);
	turns();
	assert_counted(store_evicted_rooms, 1);
	assert_int_equal(kept_of(2), 0);
	assert_int_equal(got.page.page.top, 0);
	assert_int_equal(kept_of(1), 1);
	assert_string_equal(got.epoch, epoch);
	/* one that comes again is another one */
	(void)append(2, 6, 8);
	ask(2, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_string_not_equal(got.epoch, epoch);
	assert_int_equal(got.page.page.top, 1);
}

static void
what_is_empty_goes_first(void **state)
{
	size_t n;

	(void)state;
	n = args_that_cost(1, ALL - 2 * room_cost());
	assert_int_equal(append(1, 1, n).result, BUS_STORE_OK);
	ask(2, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_counted(store_rooms, 2);
	ask(3, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_counted(store_rooms, 2);
	assert_counted(store_evicted_rooms, 0);
	assert_int_equal(kept_of(1), 1);
}

/* Somebody who only asks gets nothing out. */
static void
questions_begin_no_rooms_at_others_cost(void **state)
{
	unsigned i;
	size_t n;

	(void)state;
	n = args_that_cost(1, ALL - room_cost());
	assert_int_equal(append(1, 1, n).result, BUS_STORE_OK);
	for (i = 2; i < 1000; i++)
		ask(i, BUS_HISTORY_TOP, "", 0, 1, ALL);
	turns();
	assert_int_equal(kept_of(1), 1);
	assert_counted(store_rooms, 1);
}

/* --- turns ----------------------------------------------------------------*/

static void
narrower_bounds_take_their_time(void **state)
{
	uint64_t before, most = 0, now;
	unsigned i;

	(void)state;
	store->does->free(store->engine);
	bounds.bytes = 100 << 20;
	(void)set_up(NULL);
	bounds.bytes = 100 << 20;
	store->does->conf(store->engine, 200 << 20);
	turns();
	for (i = 1; i <= 100000; i++)
		assert_int_equal(append(1, i, 8).kept, i);
	bounds.events = 10;
	store->does->conf(store->engine, 200 << 20);
	/* for who asks it has happened already */
	before = counter_get(COUNTER_store_events);
	assert_int_equal(before - counted[COUNTER_store_events], 100000);
	while (store->does->busy(store->engine)) {
		store->does->turn(store->engine);
		now = counter_get(COUNTER_store_events);
		most = before - now > most ? before - now : most;
		before = now;
	}
	assert_int_equal(most, 1024);
	assert_int_equal(kept_of(1), 10);
	assert_int_equal(got.whats[0], 99991);
	keeps = false;
	store->does->conf(store->engine, 200 << 20);
	store->does->turn(store->engine);
	assert_counted(store_rooms, 0);
	turns();
	assert_counted(store_bytes, 0);
}

static void
rooms_are_judged_some_in_a_turn(void **state)
{
	unsigned i, n;

	(void)state;
	for (i = 0; i < 100; i++)
		(void)append(i, i, 8);
	keeps = false;
	for (n = 0; n < 2; n++) {
		judged = 0;
		store->does->conf(store->engine, ALL);
		store->does->turn(store->engine);
		assert_int_equal(judged, n == 0 ? 64 : 36);
		assert_counted(store_rooms, n == 0 ? 36 : 0);
	}
}

/* A large room that goes does not go on to take memory for long. */
static void
a_large_room_is_freed_by_and_by(void **state)
{
	unsigned i;
	uint64_t before;

	(void)state;
	for (i = 0; i < 300; i++)
		(void)append(1, i, 8);
	before = counter_get(COUNTER_store_bytes);
	store->does->conf(store->engine, 2000);
	(void)append(2, 1, 8);
	assert_counted(store_evicted_rooms, 1);
	assert_in_range(counter_get(COUNTER_store_bytes), before / 2, before);
	turns();
	assert_in_range(counter_get(COUNTER_store_bytes) -
	    counted[COUNTER_store_bytes], 1, 2000);
}

/* --- pages ----------------------------------------------------------------*/

static void
pages_are_bounded(void **state)
{
	uint64_t each;
	unsigned i;
	char epoch[sizeof got.epoch];

	(void)state;
	for (i = 1; i <= 9; i++)
		each = append(1, i, 8).frame;
	ask(1, BUS_HISTORY_FIRST, "", 0, 4, ALL);
	(void)strlcpy(epoch, got.epoch, sizeof epoch);
	assert_int_equal(got.n, 4);
	assert_true(got.page.more);
	ask(1, BUS_HISTORY_FIRST, "", 0, 9, ALL);
	assert_int_equal(got.n, 9);
	assert_false(got.page.more);
	ask(1, BUS_HISTORY_FIRST, "", 0, 9, 3 * each);
	assert_int_equal(got.n, 3);
	ask(1, BUS_HISTORY_FIRST, "", 0, 9, 3 * each - 1);
	assert_int_equal(got.n, 2);
	ask(1, BUS_HISTORY_FIRST, "", 0, 9, 1);
	assert_int_equal(got.n, 1);
	ask(1, BUS_HISTORY_LAST, "", 0, 2, ALL);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.places[0], 8);
	assert_false(got.page.more);
	ask(1, BUS_HISTORY_LAST, "", 0, 9, 3 * each);
	assert_int_equal(got.places[0], 7);
	ask(1, BUS_HISTORY_LAST, "", 0, 9, 1);
	assert_int_equal(got.places[0], 9);
	ask(1, BUS_HISTORY_AFTER, epoch, 9, 9, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_OK);
	assert_int_equal(got.n, 0);
	ask(1, BUS_HISTORY_AFTER, epoch, 8, 9, ALL);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.places[0], 9);
	ask(1, BUS_HISTORY_AFTER, epoch, 0, 9, ALL);
	assert_int_equal(got.n, 9);
	ask(1, BUS_HISTORY_AFTER, epoch, 10, 9, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_EPOCH);
	assert_int_equal(got.n, 0);
	ask(1, BUS_HISTORY_AFTER, epoch, UINT64_MAX, 9, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_EPOCH);
	ask(1, BUS_HISTORY_AFTER, "another", 3, 9, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_EPOCH);
	assert_string_equal(got.epoch, epoch);
	assert_int_equal(got.page.page.top, 9);
}

static void
a_question_about_history_begins_no_room(void **state)
{
	(void)state;
	ask(1, BUS_HISTORY_FIRST, "", 0, 1, ALL);
	assert_int_equal(got.page.page.epoch.n, 0);
	ask(1, BUS_HISTORY_LAST, "", 0, 1, ALL);
	assert_int_equal(got.page.page.epoch.n, 0);
	assert_counted(store_rooms, 0);
	ask(1, BUS_HISTORY_AFTER, "x", 0, 1, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_EPOCH);
	assert_int_not_equal(got.page.page.epoch.n, 0);
	assert_counted(store_rooms, 1);
}

/* --- from one relay to the next -------------------------------------------*/

static struct slice
save(void)
{
	struct slice s;
	bool bad;
	int fd = store->does->save(store->engine, slice_of(NULL, 0), &bad);

	assert_false(bad);
	if (fd == -1)
		return (slice_of(NULL, 0));
	assert_int_equal(sealed_map(fd, 100 << 20, &s), 0);
	(void)close(fd);
	return (s);
}

/* Another store takes its place; with bytes for all. */
static bool
replace(uint64_t bytes)
{
	struct slice s = save();
	bool good = true;

	store->does->free(store->engine);
	store = open_store(bytes);
	if (s.n != 0)
		good = store->does->load(store->engine, s);
	sealed_unmap(s);
	turns();
	return (good);
}

static void
the_next_store_goes_on(void **state)
{
	char epoch[sizeof got.epoch], empty[sizeof got.epoch];
	unsigned i;

	(void)state;
	bounds.events = 3;
	bounds.keep_ms = 5000;
	for (i = 1; i <= 5; i++) {
		(void)append(1, i, 8);
		now_ms += 1000;
	}
	ask(1, BUS_HISTORY_TOP, "", 0, 1, ALL);
	(void)strlcpy(epoch, got.epoch, sizeof epoch);
	ask(2, BUS_HISTORY_TOP, "", 0, 1, ALL);
	(void)strlcpy(empty, got.epoch, sizeof empty);
	assert_true(replace(ALL));
	assert_counted(store_rooms, 2);
	assert_counted(store_events, 3);
	ask(1, BUS_HISTORY_AFTER, epoch, 3, 9, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_OK);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.places[0], 4);
	assert_int_equal(got.whats[1], 5);
	assert_int_equal(got.page.page.first, 3);
	ask(2, BUS_HISTORY_AFTER, empty, 0, 9, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_OK);
	/* its own rooms are others */
	ask(3, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_string_not_equal(got.epoch, epoch);
	assert_string_not_equal(got.epoch, empty);
	/* they are as old as they were */
	wait_ms(2001);
	assert_int_equal(kept_of(1), 2);
	assert_int_equal(append(1, 6, 8).kept, 6);
	wait_ms(5001 + TIMER_TICK_MS);
	assert_counted(store_events, 0);
	/* also of a room in which nothing is left */
	assert_true(replace(ALL));
	assert_int_equal(append(1, 7, 8).kept, 7);
}

/* --- rooms that end -------------------------------------------------------*/

static void
is_finished(unsigned room, const char *epoch, uint64_t top)
{
	ask(room, BUS_HISTORY_AFTER, epoch, 0, 100, ALL);
	assert_int_equal(got.page.page.result, BUS_STORE_OK);
	assert_true(got.page.page.finished);
	assert_int_equal(got.page.page.top, top);
	assert_int_equal(got.n, top);
}

static void
a_finished_room_takes_no_more_until_it_is_gone(void **state)
{
	struct answer a;

	(void)state;
	bounds.keep_ms = 5000;
	(void)append(1, 1, 8);
	(void)append(1, 2, 8);
	ask(1, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_false(got.page.page.finished);
	now_ms += 1000;
	a = append_as(store, 1, 3, 8, BUS_FINISH);
	assert_int_equal(a.result, BUS_STORE_OK);
	assert_int_equal(a.kept, 3);
	is_finished(1, a.epoch, 3);
	assert_int_equal(append(1, 4, 8).result, BUS_STORE_FINISHED);
	assert_int_equal(append_as(store, 1, 4, 8, BUS_FINISH).result,
	    BUS_STORE_FINISHED);
	is_finished(1, a.epoch, 3);
	/* as does the next relay's */
	assert_true(replace(ALL));
	is_finished(1, a.epoch, 3);
	assert_int_equal(append(1, 4, 8).result, BUS_STORE_FINISHED);
	/* of others nothing is said */
	assert_int_equal(append(2, 1, 8).result, BUS_STORE_OK);
	ask(2, BUS_HISTORY_FIRST, "", 0, 9, ALL);
	assert_false(got.page.page.finished);
	/* the older ones go first; with the last one the room */
	wait_ms(4001);
	ask(1, BUS_HISTORY_FIRST, "", 0, 9, ALL);
	assert_int_equal(got.n, 1);
	assert_true(got.page.page.finished);
	assert_int_equal(append(1, 4, 8).result, BUS_STORE_FINISHED);
	wait_ms(1001 + TIMER_TICK_MS);
	ask(1, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_string_not_equal(got.epoch, a.epoch);
	assert_false(got.page.page.finished);
	assert_int_equal(append(1, 5, 8).kept, 1);
	assert_int_equal(kept_of(1), 1);
}

/* --- documents --------------------------------------------------------------*/

static void
trim(unsigned room, const char *epoch, uint64_t place)
{
	char name[16];
	struct store_trim t = { .key = key_of(room, name), .bounds = bounds,
		.epoch = slice_str(epoch), .place = place };

	store->does->trim(store->engine, &t);
}

static void
what_is_trimmed_is_kept_no_more(void **state)
{
	struct answer a = { 0 };
	unsigned i;

	(void)state;
	bounds.bytes = 40 * ALL;
	store->does->conf(store->engine, bounds.bytes);
	for (i = 1; i <= 5000; i++)
		a = append(1, i, 8);
	trim(1, "another", 3);
	trim(1, a.epoch, 5000);		/* never the newest */
	trim(2, a.epoch, 3);
	assert_counted(store_trims, 0);
	trim(1, a.epoch, 4000);
	assert_counted(store_trims, 1);
	/* at once, though not all of it is dropped yet */
	assert_true(store->does->busy(store->engine));
	ask(1, BUS_HISTORY_FIRST, "", 0, 2, ALL * 10);
	assert_int_equal(got.whats[0], 4001);
	assert_int_equal(got.page.page.first, 4001);
	ask(1, BUS_HISTORY_AFTER, a.epoch, 10, 2, ALL * 10);
	assert_int_equal(got.page.page.result, BUS_STORE_GAP);
	assert_int_equal(got.whats[0], 4001);
	ask(1, BUS_HISTORY_AFTER, a.epoch, 4998, 9, ALL * 10);
	assert_int_equal(got.page.page.result, BUS_STORE_OK);
	assert_int_equal(got.n, 2);
	turns();
	assert_counted(store_trimmed, 4000);
	assert_counted(store_displaced, 0);
	assert_counted(store_events, 1000);
	trim(1, a.epoch, 100);		/* it is no more */
	assert_counted(store_trims, 1);
	assert_int_equal(append(1, 1, 8).kept, 5001);
}

static void
of_what_stays_nothing_goes_for_others(void **state)
{
	struct answer a;
	unsigned i;
	size_t n;

	(void)state;
	n = args_that_cost(1, 500);
	bounds.stays = true;
	bounds.events = 3;
	for (i = 1; i <= 3; i++)
		assert_int_equal(append(1, i, n).kept, i);
	assert_int_equal(append(1, 4, n).result, BUS_STORE_TOO_LARGE);
	assert_int_equal(kept_of(1), 3);
	a = append(2, 1, n);
	bounds.events = 100000;
	bounds.bytes = 1000;
	assert_int_equal(append(2, 2, n).result, BUS_STORE_OK);
	assert_int_equal(append(2, 3, n).result, BUS_STORE_TOO_LARGE);
	trim(2, a.epoch, 1);
	assert_int_equal(append(2, 3, n).result, BUS_STORE_OK);
	/* others come and go beside them */
	bounds.stays = false;
	bounds.bytes = ALL;
	for (i = 0; i < 300; i++)
		(void)append(3 + i % 5, i, n);
	turns();
	assert_int_equal(kept_of(1), 3);
	assert_int_equal(kept_of(2), 2);
	/* and when all that there is stays, that is the end */
	bounds.stays = true;
	for (i = 0; append(1, i, n).result == BUS_STORE_OK; i++)
		assert_true(i < 1000);
	turns();
	assert_int_equal(kept_of(2), 2);
	assert_int_equal(append(9, 1, n).result, BUS_STORE_TOO_LARGE);
	assert_counted(store_displaced, 0);
	/* the next store has them, too; with less room it is not busy for ever */
	assert_true(replace(ALL));
	assert_int_equal(kept_of(2), 2);
	store->does->conf(store->engine, 1000);
	turns();
	assert_int_equal(kept_of(2), 2);
}

/* Whoever is faster than the clock. */
static void
who_comes_when_all_is_too_old_begins_anew(void **state)
{
	struct answer a, b;

	(void)state;
	bounds.keep_ms = 5000;
	a = append_as(store, 1, 1, 8, BUS_FINISH);
	(void)append_as(store, 2, 1, 8, BUS_FINISH);
	now_ms += 5001;
	b = append(1, 2, 8);
	assert_int_equal(b.result, BUS_STORE_OK);
	assert_int_equal(b.kept, 1);
	assert_string_not_equal(a.epoch, b.epoch);
	ask(2, BUS_HISTORY_TOP, "", 0, 1, ALL);
	assert_false(got.page.page.finished);
	assert_int_equal(got.page.page.top, 0);
	turns();
	assert_counted(store_events, 1);
}

/* The namespace's own: what ends is one of its rooms. */
static void
a_journal_has_no_end(void **state)
{
	struct bus_envelope e;
	struct bus_publish *p;
	struct answer a = { 0 };
	struct store_append q = { .bounds = bounds, .e = &e, .journal = true,
		.done = on_kept, .arg = &a };
	char name[16];
	unsigned i;

	(void)state;
	for (i = 1; i <= 2; i++) {
		p = bus_journal(&e);
		q.asker.flags = BUS_FINISH;
		q.key = key_of(1, name);
		p->nsp = q.key.nsp;
		p->event = SLICE("\"m\"");
		p->args = SLICE("1");
		p->to.rooms[p->to.nrooms++] = q.key.room;
		store->does->append(store->engine, &q);
		assert_int_equal(a.result, BUS_STORE_OK);
		assert_int_equal(a.kept, i);
	}
}

static void
the_next_store_has_its_own_bounds(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++)
		(void)append(i % 4, i, 1000);
	(void)kept_of(1);
	/* room for about two of the four: those used last */
	assert_true(replace(13000));
	assert_counted(store_rooms, 2);
	assert_int_equal(kept_of(1), 5);
	assert_int_equal(kept_of(3), 5);
	bounds.events = 2;
	assert_true(replace(13000));
	assert_int_equal(kept_of(1), 2);
	keeps = false;
	assert_true(replace(13000));
	assert_counted(store_rooms, 0);
}

static void
a_large_store_is_saved_in_pieces(void **state)
{
	unsigned i, n = 0;

	(void)state;
	store->does->free(store->engine);
	store = open_store(100 << 20);
	bounds.bytes = 100 << 20;
	for (i = 0; i < 5000; i++)
		(void)append(i % 3, i, 1000 + i % 7);
	assert_true(replace(100 << 20));
	for (i = 0; i < 3; i++) {
		ask(i, BUS_HISTORY_FIRST, "", 0, 2000, 100 << 20);
		n += got.n;
		assert_int_equal(got.whats[7], 21 + i);
	}
	assert_int_equal(n, 5000);
}

/* Cut anywhere, or with one byte that is another: what is taken is whole. */
static void
what_is_not_whole_is_not_taken(void **state)
{
	struct slice s;
	uint8_t *copy;
	unsigned i, n;
	size_t at;

	(void)state;
	for (i = 0; i < 3; i++)
		(void)append(1, i, 8);
	(void)append(2, 9, 8);
	s = save();
	store->does->free(store->engine);
	for (at = 0; at < s.n; at++) {
		store = open_store(ALL);
		copy = check_copy(slice_of(s.p, at));
		assert_false(store->does->load(store->engine,
		    slice_of(copy, at)));
		free(copy);
		n = kept_of(1);
		assert_true(n == 0 || n == 3);
		store->does->free(store->engine);
	}
	copy = check_copy(s);
	for (at = 0; at < s.n; at++) {
		store = open_store(ALL);
		copy[at] ^= 0x80;
		(void)store->does->load(store->engine, slice_of(copy, s.n));
		copy[at] ^= 0x80;
		for (i = 0; i < 3; i++)
			(void)append(i, i, 8);
		turns();
		store->does->free(store->engine);
	}
	free(copy);
	sealed_unmap(s);
	store = open_store(ALL);
}

/* --- by chance ------------------------------------------------------------*/

#define TICKS	(4u * TIMER_TICK_MS)
#define ROOMS	12u
#define MOST	400u		/* events of a room that the model can hold */

struct model_event {
	unsigned	 what;
	uint64_t	 at_ms, cost, frame;
};

static struct model_room {
	bool		 there;
	char		 epoch[STORE_EPOCH_MAX + 1];
	uint64_t	 top, used, empty_ms;
	unsigned	 n;
	struct model_event v[MOST];
	uint64_t	 bytes;
} model[ROOMS];
static uint64_t model_all, model_used;
static uint32_t chance_state;

static uint32_t
chance(uint32_t below)
{
	chance_state = chance_state * 1664525 + 1013904223;
	return ((chance_state >> 8) % below);
}

static uint64_t
model_bytes(void)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < ROOMS; i++)
		if (model[i].there)
			sum += room_cost() + model[i].bytes;
	return (sum);
}

static void
model_drop(struct model_room *r)
{
	r->bytes -= r->v[0].cost;
	memmove(r->v, r->v + 1, --r->n * sizeof r->v[0]);
	if (r->n > 0)
		return;
	r->empty_ms = now_ms;
	r->used = ++model_used;
}

static uint64_t
model_room_bytes(void)
{
	uint64_t most = model_all > room_cost() ? model_all - room_cost() : 0;

	return (bounds.bytes < most ? bounds.bytes : most);
}

static void
model_trim(struct model_room *r, uint64_t events, uint64_t bytes)
{
	while (r->n > 0 && (r->n + events > bounds.events ||
	    r->bytes + bytes > model_room_bytes() || (bounds.keep_ms != 0 &&
	    now_ms - r->v[0].at_ms > bounds.keep_ms)))
		model_drop(r);
}

static void
model_put_out(const struct model_room *keep, uint64_t more)
{
	struct model_room *r, *out;
	unsigned i;

	while (model_bytes() + more > model_all) {
		out = NULL;
		for (i = 0; i < ROOMS; i++) {
			r = &model[i];
			if (r->there && r != keep && (out == NULL ||
			    (out->n != 0) > (r->n != 0) ||
			    ((out->n != 0) == (r->n != 0) &&
			    r->used < out->used)))
				out = r;
		}
		if (out == NULL)
			return;
		memset(out, 0, sizeof *out);
	}
}

static void
model_begin(struct model_room *r)
{
	memset(r, 0, sizeof *r);
	r->there = true;
	r->empty_ms = now_ms;
	r->used = ++model_used;
}

static void
model_foresee(struct model_room *r)
{
	struct model_room *out;
	unsigned i;

	while (model_bytes() + room_cost() > model_all) {
		out = NULL;
		for (i = 0; i < ROOMS; i++)
			if (model[i].there && model[i].n == 0 && (out == NULL ||
			    model[i].used < out->used))
				out = &model[i];
		if (out == NULL)
			return;
		memset(out, 0, sizeof *out);
	}
	model_begin(r);
}

static void
model_append(unsigned room, unsigned what)
{
	struct model_room *r = &model[room];
	struct answer a = append(room, what, 8 + chance(chance(4) == 0 ?
	    3000 : 100));
	uint64_t cost = a.frame + memory_event_cost();

	if (!r->there)
		model_begin(r);
	if (r->epoch[0] == '\0')
		(void)strlcpy(r->epoch, a.epoch, sizeof r->epoch);
	assert_string_equal(r->epoch, a.epoch);
	if (cost > model_room_bytes()) {
		assert_int_equal(a.result, BUS_STORE_TOO_LARGE);
		model_put_out(NULL, 0);
		return;
	}
	assert_int_equal(a.result, BUS_STORE_OK);
	assert_int_equal(a.kept, r->top + 1);
	model_trim(r, 1, cost);
	model_put_out(r, cost);
	assert_true(r->n < MOST);
	r->v[r->n++] = (struct model_event){ what, now_ms, cost, a.frame };
	r->top++;
	r->bytes += cost;
	r->used = ++model_used;
}

static void
model_ask(unsigned room)
{
	static const enum bus_history_from froms[] = { BUS_HISTORY_TOP,
		BUS_HISTORY_AFTER, BUS_HISTORY_LAST, BUS_HISTORY_FIRST };
	struct model_room *r = &model[room];
	enum bus_history_from from = froms[chance(nitems(froms))];
	uint64_t since = r->top == 0 ? 0 : chance((uint32_t)r->top + 2);
	uint64_t limit = 1 + chance(20), bytes = chance(4000), sum = 0;
	uint64_t first = r->top - r->n + 1;
	enum bus_store result = BUS_STORE_OK;
	unsigned i = 0, n = 0;
	bool known = r->there;

	ask(room, from, r->epoch, since, limit, bytes);
	if (!r->there && (from == BUS_HISTORY_TOP || from ==
	    BUS_HISTORY_AFTER))
		model_foresee(r);
	else if (r->there) {
		r->used = ++model_used;
		r->empty_ms = r->n == 0 ? now_ms : r->empty_ms;
	}
	if (!r->there) {
		assert_int_equal(got.page.page.epoch.n, 0);
		assert_int_equal(got.page.page.result,
		    from == BUS_HISTORY_AFTER ? BUS_STORE_EPOCH :
		    BUS_STORE_OK);
		return;
	}
	if (r->epoch[0] == '\0')
		(void)strlcpy(r->epoch, got.epoch, sizeof r->epoch);
	assert_string_equal(got.epoch, r->epoch);
	switch (from) {
	case BUS_HISTORY_TOP:
		i = r->n;
		break;
	case BUS_HISTORY_FIRST:
	case BUS_HISTORY_STATE:
	case BUS_HISTORY_KEY:		/* of rooms with keys */
		break;
	case BUS_HISTORY_LAST:
		for (i = r->n; i > 0 && r->n - i < limit; i--) {
			sum += r->v[i - 1].frame;
			if (sum > bytes && i < r->n)
				break;
		}
		break;
	case BUS_HISTORY_AFTER:
		if (!known || since > r->top) {
			result = BUS_STORE_EPOCH;
			i = r->n;
		} else if (since + 1 < first)
			result = BUS_STORE_GAP;
		else
			i = (unsigned)(since + 1 - first);
		break;
	}
	assert_int_equal(got.page.page.result, result);
	assert_int_equal(got.page.page.top, r->top);
	assert_int_equal(got.page.page.first, r->n == 0 ? 0 : first);
	for (sum = 0; i < r->n && n < limit; i++, n++) {
		sum += r->v[i].frame;
		if (n > 0 && sum > bytes)
			break;
		assert_true(n < got.n);
		assert_int_equal(got.places[n], first + i);
		assert_int_equal(got.whats[n], r->v[i].what);
	}
	assert_int_equal(got.n, n);
	assert_int_equal(got.page.more, i < r->n);
}

/* Those that became empty at one time did so in an order of their own. */
static void
model_touch_empty(void)
{
	unsigned i;

	for (i = 0; i < ROOMS; i++) {
		if (!model[i].there || model[i].n != 0)
			continue;
		ask(i, BUS_HISTORY_FIRST, "", 0, 1, ALL);
		assert_int_equal(got.n, 0);
		assert_string_equal(got.epoch, model[i].epoch);
		model[i].used = ++model_used;
		model[i].empty_ms = now_ms;
	}
}

/* Time passes: what is too old goes, and empty rooms after an hour. */
static void
model_wait(void)
{
	unsigned i;

	/* what is a moment too old has gone by the next time */
	wait_ms(chance(20) == 0 ? 3600000 : TICKS * chance(50));
	for (i = 0; i < ROOMS; i++) {
		if (!model[i].there)
			continue;
		model_trim(&model[i], 0, 0);
		if (model[i].n == 0 && now_ms - model[i].empty_ms >=
		    3600000)
			memset(&model[i], 0, sizeof model[i]);
	}
	model_touch_empty();
}

static void
model_conf(void)
{
	unsigned i;

	bounds.events = 1 + chance(200);
	bounds.bytes = 1000 + chance(20000);
	bounds.keep_ms = chance(3) == 0 ? 0 : TICKS * chance(200);
	keeps = chance(4) != 0;
	store->does->conf(store->engine, model_all);
	turns();
	for (i = 0; i < ROOMS; i++) {
		if (!model[i].there)
			continue;
		if (!keeps)
			memset(&model[i], 0, sizeof model[i]);
		else
			model_trim(&model[i], 0, 0);
	}
	model_touch_empty();
	/* any event fits, so that no room becomes empty by this */
	keeps = true;
	model_all = 8000 + chance(ALL);
	store->does->conf(store->engine, model_all);
	turns();
	for (i = 0; i < ROOMS; i++)
		model_trim(&model[i], 0, 0);
	model_put_out(NULL, 0);
}

/* Another one goes on; an hour begins anew for empty rooms. */
static void
model_replace(void)
{
	unsigned i;

	assert_true(replace(model_all));
	for (i = 0; i < ROOMS; i++)
		if (model[i].there && model[i].n == 0)
			model[i].empty_ms = now_ms;
}

static void
it_does_as_a_simple_one_does(void **state)
{
	unsigned run, step, i, n;

	(void)state;
	for (run = 0; run < 200; run++) {
		chance_state = run + 1;
		memset(model, 0, sizeof model);
		model_all = ALL;
		model_conf();
		for (step = 0; step < 600; step++) {
			switch (chance(40)) {
			case 0:
				model_conf();
				break;
			case 1:
				model_replace();
				break;
			case 2: case 3: case 4:
				model_wait();
				break;
			case 5: case 6: case 7: case 8: case 9: case 10:
				model_ask(chance(ROOMS));
				break;
			default:
				model_append(chance(1 + chance(ROOMS)), step);
				break;
			}
			turns();
			model_put_out(NULL, 0);
			for (i = n = 0; i < ROOMS; i++)
				n += model[i].n;
			assert_counted(store_events, n);
			assert_counted(store_bytes, model_bytes());
		}
		keeps = false;
		store->does->conf(store->engine, ALL);
		turns();
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define MEMORY_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		MEMORY_TEST(what_is_changed_stays_at_its_place),
		MEMORY_TEST(what_is_not_there_is_not_changed),
		MEMORY_TEST(a_change_that_does_not_fit_changes_nothing),
		MEMORY_TEST(what_is_finished_is_changed_by_who_knows_it),
		MEMORY_TEST(so_many_events_and_not_one_more),
		MEMORY_TEST(so_many_bytes_and_not_one_more),
		MEMORY_TEST(
		    an_event_as_large_as_its_room_fits_and_not_one_larger),
		MEMORY_TEST(
		    an_event_as_large_as_the_store_fits_and_not_one_larger),
		MEMORY_TEST(so_long_and_not_a_moment_longer),
		MEMORY_TEST(without_an_age_it_stays),
		MEMORY_TEST(an_empty_room_is_forgotten_after_an_hour),
		MEMORY_TEST(beyond_all_bytes_the_least_used_room_goes),
		MEMORY_TEST(what_is_empty_goes_first),
		MEMORY_TEST(questions_begin_no_rooms_at_others_cost),
		MEMORY_TEST(narrower_bounds_take_their_time),
		MEMORY_TEST(rooms_are_judged_some_in_a_turn),
		MEMORY_TEST(a_large_room_is_freed_by_and_by),
		MEMORY_TEST(pages_are_bounded),
		MEMORY_TEST(a_question_about_history_begins_no_room),
		MEMORY_TEST(the_next_store_goes_on),
		MEMORY_TEST(a_finished_room_takes_no_more_until_it_is_gone),
		MEMORY_TEST(what_is_trimmed_is_kept_no_more),
		MEMORY_TEST(of_what_stays_nothing_goes_for_others),
		MEMORY_TEST(who_comes_when_all_is_too_old_begins_anew),
		MEMORY_TEST(a_journal_has_no_end),
		MEMORY_TEST(the_next_store_has_its_own_bounds),
		MEMORY_TEST(a_large_store_is_saved_in_pieces),
		MEMORY_TEST(what_is_not_whole_is_not_taken),
		MEMORY_TEST(it_does_as_a_simple_one_does),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
