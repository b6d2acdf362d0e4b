/*
 * Rooms with a history between the workers and the store: what is published is
 * numbered and goes to all who have members, in one order; what is asked for
 * comes in pages.
 */
#include "relay/store/keep.h"

#include <unistd.h>

#include "proto/bus.h"
#include "relay/local/feed.h"
#include "shm/counters.h"
#include "shm/interest.h"
#include "shm/slots.h"
#include "sys/timer.h"
#include "tests/lib/conf_text.h"
#include "tests/lib/short_memory.h"
#include "tests/lib/slot_peer.h"

#define LIMIT	(1u << 20)

static struct conf *conf;
static struct wheel wheel;
static struct loop *loop;
static struct exchange x;
static struct segment *segment;
static struct keep *k;
static struct buf said;			/* by a worker */
static struct interest *interest[4];	/* of slots 1 to 3 */
static struct peer *peers[4];
static int far_end[4];
static uint64_t counted[COUNTER__MAX];	/* at the start of the test */

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

static void
connect_slot(unsigned slot)
{
	peers[slot] = slot_peer_new(loop, &x, slot, LIMIT, &far_end[slot]);
}

static void
disconnect_slot(unsigned slot)
{
	exchange_remove(&x, peers[slot]);
	peer_free(&peers[slot]);
	(void)close(far_end[slot]);
}

static void
join(unsigned slot, const char *room)
{
	char key[INTEREST_KEY_MAX];

	interest_join(interest[slot], 0, interest_key(key, INTEREST_ROOM,
	    slice_str(room)));
}

static int
set_up(void **state)
{
	struct segment_params sp = { .max_workers = 3, .presence_max = 64,
		.interest_max = 64, .rate_ways = 8, .max_ns = 4 };
	struct keep_params p = { .exchange = &x, .wheel = &wheel };
	unsigned i;

	(void)state;
	conf = conf_text("namespace \"/n\" { auth = none\n"
	    " room \"kept:{a}\" { history = 3 }\n"
	    " room \"plain\" { }\n}\n"
	    "store { room_bytes = 8KB }\n");
	buf_init(&said);
	loop = loop_new();
	wheel_init(&wheel, (struct mono){ 0 });
	exchange_init(&x, conf);
	segment = segment_create(&sp);
	assert_non_null(segment);
	for (i = 0; i <= 3; i++) {
		atomic_store(&segment_slot(segment, i)->state, SLOT_ASSIGNED);
		slot_live(segment, i, 1);
		if (i == 0)
			continue;
		interest[i] = interest_open(segment, i);
		assert_non_null(interest[i]);
		connect_slot(i);
	}
	p.conf = conf;
	p.segment = segment;
	k = keep_new(&p);
	assert_non_null(k);
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	keep_free(&k);
	buf_fini(&said);
	for (i = 1; i <= 3; i++) {
		interest_close(&interest[i]);
		if (peers[i] != NULL)
			disconnect_slot(i);
	}
	exchange_fini(&x);
	segment_free(&segment);
	loop_free(&loop);
	conf_free(&conf);
	return (0);
}

/* --- workers --------------------------------------------------------------*/

static struct bus_publish *
event(struct bus_envelope *e, unsigned from, const char *room,
    const char *args)
{
	struct bus_publish *p = bus_keep(e);

	slotset_clear(e->slots);
	e->flags = BUS_RELAY;
	e->from = (uint16_t)from;
	e->generation = (uint16_t)from;
	e->ref = 0;
	p->nsp = SLICE("/n");
	p->event = SLICE("\"m\"");
	p->args = slice_str(args);
	p->meta = SLICE("{\"id\":\"i\"}");
	p->to.rooms[p->to.nrooms++] = slice_str(room);
	return (p);
}

static void
say(const struct bus_envelope *e)
{
	buf_reset(&said);
	assert_true(bus_encode(&said, e));
	assert_int_equal(exchange_feed(&x, buf_unread(&said)), said.wpos);
}

static void
publish(unsigned from, const char *room, const char *args)
{
	struct bus_envelope e;

	(void)event(&e, from, room, args);
	say(&e);
}

static struct bus_history *
question(struct bus_envelope *e, unsigned from, enum bus_history_from what,
    const char *room)
{
	struct bus_history *h = bus_history(e, what);

	slotset_clear(e->slots);
	e->flags = BUS_RELAY;
	e->from = (uint16_t)from;
	e->generation = (uint16_t)from;
	e->ref = 9;
	h->nsp = SLICE("/n");
	h->room = slice_str(room);
	h->limit = 100;
	h->bytes = 100000;
	return (h);
}

/* The next that this worker is given; it stays until the one after. */
static void
next(unsigned slot, struct bus_envelope *e)
{
	static uint8_t copy[LIMIT];
	struct buf *b = &peers[slot]->out;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n = bus_frame(buf_unread(b), slots, &flags);

	assert_true(n > 0);
	memcpy(copy, buf_unread(b).p, (size_t)n);
	buf_consume(b, (size_t)n);
	assert_int_equal(bus_decode(slice_of(copy, (size_t)n), e), n);
}

#define assert_nothing(slot) \
	assert_int_equal(buf_unread(&peers[slot]->out).n, 0)

static void
next_is(unsigned slot, const char *args, uint64_t kept, struct slice epoch)
{
	struct bus_envelope e;
	char meta[200];

	next(slot, &e);
	assert_int_equal(e.kind, BUS_PUBLISH);
	assert_true(e.flags & BUS_NUMBERED);
	assert_text(e.publish.args, args);
	assert_int_equal(e.publish.kept, kept);
	if (epoch.n != 0)
		assert_slices(e.publish.epoch, epoch);
	snprintf(meta, sizeof meta, "{\"id\":\"i\",\"epoch\":\"%.*s\","
	    "\"offset\":%u}", (int)e.publish.epoch.n,
	    (const char *)e.publish.epoch.p, (unsigned)kept);
	assert_text(e.publish.meta, meta);
}

/* --- keeping --------------------------------------------------------------*/

static void
all_who_have_members_get_it_in_one_order(void **state)
{
	const struct slice any = { NULL, 0 };
	struct bus_envelope e;
	unsigned i;

	(void)state;
	join(1, "kept:1");
	join(2, "kept:1");
	publish(1, "kept:1", "1");
	publish(2, "kept:1", "2");
	publish(3, "kept:1", "3");
	for (i = 1; i <= 2; i++) {
		next_is(i, "1", 1, any);
		next_is(i, "2", 2, any);
		next_is(i, "3", 3, any);
		assert_nothing(i);
	}
	assert_nothing(3);
	assert_counted(store_appends, 3);
	/* another room has its own places */
	join(3, "kept:2");
	publish(3, "kept:2", "x");
	next(3, &e);
	assert_int_equal(e.publish.kept, 1);
}

/* ... before the event; and who gets it is said, though nobody does. */
static void
the_publisher_is_told_its_place(void **state)
{
	struct bus_envelope e;
	struct bus_publish *p;
	char epoch[64];
	size_t n;

	(void)state;
	join(1, "kept:1");
	join(3, "kept:1");
	p = event(&e, 1, "kept:1", "1");
	e.ref = 5;
	e.flags |= BUS_WANT_COUNT | BUS_NAMED;
	p->sent_us = 77;
	say(&e);
	next(1, &e);
	assert_int_equal(e.kind, BUS_KEPT);
	assert_int_equal(e.ref, 5);
	assert_int_equal(e.from, 0);
	assert_int_equal(e.kept.result, BUS_STORE_OK);
	assert_int_equal(e.kept.kept, 1);
	assert_int_equal(e.kept.slots[0], 1 << 0 | 1 << 2);
	assert_true(e.kept.epoch.n > 0 && e.kept.epoch.n < sizeof epoch);
	n = e.kept.epoch.n;
	memcpy(epoch, e.kept.epoch.p, n);
	next(1, &e);
	assert_int_equal(e.kind, BUS_PUBLISH);
	assert_slices(e.publish.epoch, slice_of(epoch, n));
	next(3, &e);
	assert_int_equal(e.flags, BUS_WANT_COUNT | BUS_NAMED | BUS_NUMBERED);
	assert_int_equal(e.from, 1);
	assert_int_equal(e.generation, 1);
	assert_int_equal(e.ref, 5);
	assert_int_equal(e.publish.sent_us, 77);
	assert_int_equal(e.slots[0], 1 << 0 | 1 << 2);
	(void)event(&e, 2, "kept:2", "1");
	e.ref = 6;
	say(&e);
	next(2, &e);
	assert_int_equal(e.kept.result, BUS_STORE_OK);
	assert_true(slotset_empty(e.kept.slots));
	assert_nothing(2);
}

static void
what_is_not_kept_is_told_so(void **state)
{
	static char large[16384];
	struct bus_envelope e;
	struct bus_publish *p;

	(void)state;
	memset(large, '1', sizeof large - 1);
	join(1, "kept:1");
	(void)event(&e, 1, "kept:1", large);
	e.ref = 5;
	say(&e);
	next(1, &e);
	assert_int_equal(e.kept.result, BUS_STORE_TOO_LARGE);
	assert_nothing(1);
	p = event(&e, 1, "kept:1", "1");
	p->nsp = SLICE("/other");
	e.ref = 6;
	say(&e);
	next(1, &e);
	assert_int_equal(e.kept.result, BUS_STORE_UNAVAILABLE);
	assert_nothing(1);
	assert_counted(store_refused_too_large, 1);
	assert_counted(store_refused_unknown, 1);
	assert_counted(store_appends, 0);
	/* places are not used up by it */
	publish(1, "kept:1", "1");
	next_is(1, "1", 1, slice_of(NULL, 0));
}

/* The places that are given stay without a hole. */
static void
without_memory_it_is_not_kept(void **state)
{
	struct bus_envelope e;
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		(void)event(&e, 1, "kept:1", "1");
		e.ref = 5;
		buf_reset(&said);
		assert_true(bus_encode(&said, &e));
		arm((long)i, false);
		assert_int_equal(exchange_feed(&x, buf_unread(&said)),
		    said.wpos);
		armed = false;
		if (nfailed == 0)
			break;
		if (buf_unread(&peers[1]->out).n == 0)
			continue;	/* no memory for the answer either */
		next(1, &e);
		assert_int_equal(e.kind, BUS_KEPT);
		if (e.kept.result != BUS_STORE_OK)
			assert_int_equal(e.kept.result,
			    BUS_STORE_UNAVAILABLE);
	}
	assert_in_range(i, 3, 19);
	next(1, &e);
	assert_int_equal(e.kept.kept, counter_get(COUNTER_store_appends) -
	    counted[COUNTER_store_appends]);
	assert_true(counter_get(COUNTER_store_refused_memory) >
	    counted[COUNTER_store_refused_memory]);
}

/* A worker with another configuration thinks that it is. */
static void
a_room_without_history_is_passed(void **state)
{
	struct bus_envelope e;

	(void)state;
	join(1, "plain");
	join(2, "plain");
	(void)event(&e, 1, "plain", "1");
	e.ref = 5;
	say(&e);
	next(1, &e);
	assert_int_equal(e.kind, BUS_KEPT);
	assert_int_equal(e.kept.result, BUS_STORE_OK);
	assert_int_equal(e.kept.kept, 0);
	assert_int_equal(e.kept.epoch.n, 0);
	assert_int_equal(e.kept.slots[0], 3);
	next(1, &e);
	assert_int_equal(e.kind, BUS_PUBLISH);
	assert_true(e.flags & BUS_NUMBERED);
	assert_int_equal(e.publish.kept, 0);
	assert_slice(e.publish.meta, "{\"id\":\"i\"}");
	next(2, &e);
	assert_slice(e.publish.args, "1");
	assert_counted(store_appends, 0);
}

static void
meta_is_written_to_where_there_is_one(void **state)
{
	struct bus_envelope e;
	struct bus_publish *p;

	(void)state;
	join(1, "kept:1");
	p = event(&e, 1, "kept:1", "1");
	p->meta = slice_of(NULL, 0);
	say(&e);
	next(1, &e);
	assert_int_equal(e.publish.kept, 1);
	assert_int_equal(e.publish.meta.n, 0);
	p = event(&e, 1, "kept:1", "1");
	p->meta = SLICE("{}");
	say(&e);
	next(1, &e);
	assert_true(slice_starts(e.publish.meta, SLICE("{\"epoch\":\"")));
}

static void
an_heir_gets_what_it_has_published_itself(void **state)
{
	struct bus_envelope e;

	(void)state;
	join(1, "kept:1");
	bus_cut(&e, 1, 2, 7);
	slotset_clear(e.slots);
	e.generation = 0;
	e.ref = 0;
	e.from = 1;
	say(&e);
	e.from = 2;
	say(&e);
	next(1, &e);
	next(2, &e);
	assert_int_equal(e.kind, BUS_MARK);
	publish(2, "kept:1", "1");
	next_is(1, "1", 1, slice_of(NULL, 0));
	next(2, &e);
	assert_slice(e.publish.args, "1");
	assert_int_equal(e.flags, BUS_NUMBERED | BUS_SHADOW);
	assert_int_equal(e.slots[0], 3);
}

/* --- reading --------------------------------------------------------------*/

static struct slice
frame_args(struct slice *frames, struct bus_envelope *e)
{
	ssize_t n = bus_decode(*frames, e);

	assert_true(n > 0);
	*frames = slice_from(*frames, (size_t)n);
	assert_int_equal(e->kind, BUS_PUBLISH);
	assert_int_equal(e->ref, 0);
	assert_int_equal(e->publish.sent_us, 0);
	return (e->publish.args);
}

static void
a_page_has_what_was_kept(void **state)
{
	struct bus_envelope e, f;
	struct bus_history *h;
	struct slice frames;
	char epoch[64];
	size_t n;

	(void)state;
	(void)question(&e, 2, BUS_HISTORY_TOP, "kept:1");
	say(&e);
	next(2, &e);
	assert_int_equal(e.kind, BUS_PAGE);
	assert_int_equal(e.ref, 9);
	assert_int_equal(e.page.result, BUS_STORE_OK);
	assert_int_equal(e.page.top, 0);
	assert_int_equal(e.page.first, 0);
	assert_int_equal(e.page.frames.n, 0);
	n = e.page.epoch.n;
	assert_true(n > 0 && n < sizeof epoch);
	memcpy(epoch, e.page.epoch.p, n);
	publish(1, "kept:1", "1");
	publish(1, "kept:1", "2");
	publish(1, "kept:1", "3");
	publish(1, "kept:1", "4");
	(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_OK);
	assert_int_equal(e.page.top, 4);
	assert_int_equal(e.page.first, 2);
	assert_slices(e.page.epoch, slice_of(epoch, n));
	assert_int_equal(e.flags & BUS_MORE, 0);
	frames = e.page.frames;
	assert_slice(frame_args(&frames, &f), "2");
	assert_int_equal(f.publish.kept, 2);
	assert_slice(frame_args(&frames, &f), "3");
	assert_slice(frame_args(&frames, &f), "4");
	assert_int_equal(frames.n, 0);
	h = question(&e, 2, BUS_HISTORY_AFTER, "kept:1");
	h->epoch = slice_of(epoch, n);
	h->since = 2;
	h->limit = 1;
	say(&e);
	next(2, &e);
	assert_true(e.flags & BUS_MORE);
	frames = e.page.frames;
	assert_slice(frame_args(&frames, &f), "3");
	assert_int_equal(frames.n, 0);
	assert_counted(store_reads, 3);
	assert_counted(store_read_events, 4);
	assert_counted(store_displaced, 1);
	/* what is asked for is not all there, or of another epoch */
	h = question(&e, 2, BUS_HISTORY_AFTER, "kept:1");
	h->epoch = slice_of(epoch, n);
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_GAP);
	assert_counted(store_gaps, 1);
	h = question(&e, 2, BUS_HISTORY_AFTER, "kept:1");
	h->epoch = SLICE("another");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_EPOCH);
	assert_int_equal(e.page.frames.n, 0);
	assert_counted(store_epochs_lost, 1);
}

/* A worker that reads nothing gets no more pages than it has room for; the others
 * are read when it reads.  What is published goes ahead of those. */
static void
pages_wait_for_who_does_not_read(void **state)
{
	static char args[3000];
	struct bus_envelope e;
	unsigned i, n;

	(void)state;
	memset(args, '7', sizeof args - 1);
	publish(1, "kept:1", args);
	publish(1, "kept:1", args);
	join(2, "kept:1");
	for (i = 0; i < 200; i++) {
		(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
		e.ref = 1000 + i;
		say(&e);
		keep_turn(k);
	}
	assert_in_range(buf_unread(&peers[2]->out).n, 256u << 10,
	    (256u << 10) + 10000);
	assert_false(keep_busy(k));
	assert_false(keep_is_settled(k));
	/* somebody else is not held up */
	(void)question(&e, 3, BUS_HISTORY_FIRST, "kept:1");
	say(&e);
	next(3, &e);
	assert_int_equal(e.kind, BUS_PAGE);
	publish(1, "kept:1", "3");
	for (i = n = 0; i < 200; n++) {
		next(2, &e);
		if (e.kind == BUS_PAGE) {
			assert_int_equal(e.ref, 1000 + i++);
			assert_int_equal(e.page.result, BUS_STORE_OK);
			assert_int_equal(e.page.top, i > n ? 2 : 3);
		} else
			assert_slice(e.publish.args, "3");
		keep_turn(k);
	}
	assert_int_equal(n, 201);
	assert_true(keep_is_settled(k));
	assert_counted(store_refused_crowded, 0);
}

/* ... and so much is not done in one turn, though all would have room. */
static void
a_turn_reads_so_many_pages(void **state)
{
	struct bus_envelope e;
	unsigned i, n = 0;

	(void)state;
	publish(1, "kept:1", "1");
	for (i = 0; i < 150; i++) {
		(void)question(&e, 1 + i % 3, BUS_HISTORY_TOP, "kept:1");
		say(&e);
	}
	assert_counted(store_reads, 64);
	for (; keep_busy(k); n++)
		keep_turn(k);
	assert_counted(store_reads, 150);
	assert_int_equal(n, 3);
	for (i = 0; i < 150; i++)
		next(1 + i % 3, &e);
}

/* ... of one event that is larger than what its worker may be given. */
static void
a_page_that_finds_no_room_is_refused(void **state)
{
	static char args[6000];
	struct bus_envelope e;

	(void)state;
	memset(args, '7', sizeof args - 1);
	publish(1, "kept:1", args);
	peers[2]->limit = 500;
	(void)question(&e, 2, BUS_HISTORY_TOP, "kept:1");
	say(&e);
	(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_OK);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_UNAVAILABLE);
	assert_int_equal(e.page.frames.n, 0);
}

/* Nobody is answered before who has asked before. */
static void
questions_of_a_worker_keep_their_order(void **state)
{
	struct bus_envelope e;
	unsigned i;

	(void)state;
	publish(1, "kept:1", "1");
	for (i = 0; i < 200; i++) {
		(void)question(&e, 2, BUS_HISTORY_TOP, "kept:1");
		e.ref = 1000 + i;
		say(&e);
		if (i % 70 == 69)
			keep_turn(k);
	}
	while (keep_busy(k))
		keep_turn(k);
	for (i = 0; i < 200; i++) {
		next(2, &e);
		assert_int_equal(e.ref, 1000 + i);
	}
}

static void
a_line_of_questions_is_bounded(void **state)
{
	static char args[3000];
	struct bus_envelope e;
	unsigned i, refused;

	(void)state;
	memset(args, '7', sizeof args - 1);
	for (i = 0; i < 3; i++)
		publish(1, "kept:1", args);
	for (i = 0; i < 20000; i++) {
		(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
		say(&e);
	}
	refused = (unsigned)(counter_get(COUNTER_store_refused_crowded) -
	    counted[COUNTER_store_refused_crowded]);
	assert_in_range(refused, 9000, 15000);
	disconnect_slot(2);
	keep_worker_gone(k, 2);
	assert_true(keep_is_settled(k));
	connect_slot(2);
	(void)question(&e, 2, BUS_HISTORY_TOP, "kept:1");
	say(&e);
	keep_turn(k);
	keep_turn(k);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_OK);
}

static void
there_is_no_page_of_what_keeps_nothing(void **state)
{
	struct bus_envelope e;

	(void)state;
	(void)question(&e, 2, BUS_HISTORY_TOP, "plain");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_UNAVAILABLE);
	assert_int_equal(e.page.epoch.n, 0);
}

/* --- another configuration -------------------------------------------------*/

static void
reload(const char *text)
{
	struct conf *before = conf;

	conf = conf_text(text);
	exchange_conf(&x, conf);
	keep_conf(k, conf);
	conf_free(&before);
	while (keep_busy(k))
		keep_turn(k);
}

static void
other_bounds_apply_to_what_is_there(void **state)
{
	struct bus_envelope e;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		publish(1, "kept:1", "1");
	reload("namespace \"/n\" { auth = none\n"
	    " room \"kept:{a}\" { history = 1 keep = 10s }\n}\n");
	assert_counted(store_events, 1);
	(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.first, 3);
	assert_int_equal(e.page.top, 3);
	x.mono_ms = 10017;
	wheel_advance(&wheel, (struct mono){ x.mono_ms * 1000 });
	keep_turn(k);
	assert_counted(store_events, 0);
}

static void
a_namespace_that_goes_loses_what_it_kept(void **state)
{
	struct bus_envelope e;

	(void)state;
	publish(1, "kept:1", "1");
	reload("namespace \"/other\" { auth = none\n"
	    " room \"kept:{a}\" { history = 9 }\n}\n");
	assert_counted(store_events, 0);
	assert_counted(store_rooms, 0);
	(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.result, BUS_STORE_UNAVAILABLE);
}

static void
a_room_that_keeps_nothing_any_more_begins_anew(void **state)
{
	struct bus_envelope e;
	char epoch[64];
	size_t n;

	(void)state;
	publish(1, "kept:1", "1");
	(void)question(&e, 2, BUS_HISTORY_TOP, "kept:1");
	say(&e);
	next(2, &e);
	n = e.page.epoch.n;
	assert_true(n > 0 && n < sizeof epoch);
	memcpy(epoch, e.page.epoch.p, n);
	reload("namespace \"/n\" { auth = none room \"kept:{a}\" { } }\n");
	assert_counted(store_rooms, 0);
	reload("namespace \"/n\" { auth = none\n"
	    " room \"kept:{a}\" { history = 9 }\n}\n");
	publish(1, "kept:1", "2");
	(void)question(&e, 2, BUS_HISTORY_FIRST, "kept:1");
	say(&e);
	next(2, &e);
	assert_int_equal(e.page.first, 1);
	assert_int_equal(e.page.top, 1);
	assert_false(slice_eq(e.page.epoch, slice_of(epoch, n)));
}

static struct buf far_frames;

static void
on_far(void *arg, struct slice frame)
{
	assert_ptr_equal(arg, &far_frames);
	buf_slice(&far_frames, frame);
}

/* Nobody keeps what those publish: nothing is promised. */
static void
with_other_hosts_memory_keeps_nothing(void **state)
{
	struct bus_envelope e;

	(void)state;
	buf_init(&far_frames);
	x.far = on_far;
	x.arg = &far_frames;
	join(2, "kept:1");
	publish(1, "kept:1", "1");
	next_is(2, "1", 1, slice_of(NULL, 0));
	assert_int_equal(far_frames.wpos, 0);
	reload("namespace \"/n\" { auth = none\n"
	    " room \"kept:{a}\" { history = 3 }\n}\n"
	    "redis { url = \"redis://127.0.0.1\" }\n"
	    "store { engine = memory }\n");
	assert_counted(store_rooms, 0);
	(void)event(&e, 1, "kept:1", "2");
	e.flags |= BUS_FAR;
	e.ref = 5;
	say(&e);
	next(1, &e);
	assert_int_equal(e.kept.result, BUS_STORE_OK);
	assert_int_equal(e.kept.kept, 0);
	next(2, &e);
	assert_slice(e.publish.args, "2");
	assert_int_equal(e.publish.kept, 0);
	assert_int_equal(bus_decode(buf_unread(&far_frames), &e),
	    far_frames.wpos);
	assert_int_equal(e.kind, BUS_PUBLISH);
	assert_slice(e.publish.args, "2");
	assert_slice(e.publish.meta, "{\"id\":\"i\"}");
	buf_fini(&far_frames);
	x.far = NULL;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define KEEP_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		KEEP_TEST(all_who_have_members_get_it_in_one_order),
		KEEP_TEST(the_publisher_is_told_its_place),
		KEEP_TEST(what_is_not_kept_is_told_so),
		KEEP_TEST(a_room_without_history_is_passed),
		KEEP_TEST(without_memory_it_is_not_kept),
		KEEP_TEST(meta_is_written_to_where_there_is_one),
		KEEP_TEST(an_heir_gets_what_it_has_published_itself),
		KEEP_TEST(a_page_has_what_was_kept),
		KEEP_TEST(there_is_no_page_of_what_keeps_nothing),
		KEEP_TEST(pages_wait_for_who_does_not_read),
		KEEP_TEST(a_turn_reads_so_many_pages),
		KEEP_TEST(a_page_that_finds_no_room_is_refused),
		KEEP_TEST(questions_of_a_worker_keep_their_order),
		KEEP_TEST(a_line_of_questions_is_bounded),
		KEEP_TEST(other_bounds_apply_to_what_is_there),
		KEEP_TEST(a_namespace_that_goes_loses_what_it_kept),
		KEEP_TEST(with_other_hosts_memory_keeps_nothing),
		KEEP_TEST(a_room_that_keeps_nothing_any_more_begins_anew),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
