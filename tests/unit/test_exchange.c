/* Routing between workers, and what a peer's queue takes and drops. */
#include "relay/local/exchange.h"

#include <sys/socket.h>

#include <unistd.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/local/feed.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

#define LIMIT	1000u

static struct loop *loop;
static struct exchange x;
static struct conf conf;		/* without namespaces */
static struct peer *peers[4];	/* [1], [2]: slots 1 and 2; [3]: slot 70 */
static int far_end[4];		/* what the worker would hold */
static uint64_t counted[COUNTER__MAX];	/* at the start of the test */

static void
on_event(struct loop_fd *f, unsigned events)
{
	(void)f;
	(void)events;
}

static int
set_up(void **state)
{
	static const unsigned slots[4] = { 0, 1, 2, 70 };
	unsigned i;
	int fds[2];

	(void)state;
	loop = loop_new();
	exchange_init(&x, &conf);
	for (i = 1; i < nitems(slots); i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) ==
		    -1)
			return (-1);
		far_end[i] = fds[1];
		peers[i] = peer_new(loop, slots[i], i, fds[0], LIMIT, on_event);
		if (peers[i] == NULL)
			return (-1);
		exchange_add(&x, peers[i]);
	}
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	unsigned i;

	(void)state;
	for (i = 1; i < nitems(peers); i++) {
		if (peers[i] != NULL)
			exchange_remove(&x, peers[i]);
		peer_free(&peers[i]);
		(void)close(far_end[i]);
	}
	exchange_fini(&x);
	loop_free(&loop);
	return (0);
}

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

/* Append a frame for these slots with n bytes of arguments. */
static void
frame(struct buf *out, uint64_t low, uint64_t high, uint16_t flags, size_t n)
{
	static uint8_t bytes[100000];
	struct bus_envelope e;

	memset(&e, 0, sizeof e);
	e.kind = BUS_PUBLISH;
	e.flags = flags;
	e.slots[0] = low;
	e.slots[1] = high;
	e.from = 1;
	e.publish.nsp = SLICE("/");
	e.publish.event = SLICE("\"x\"");
	e.publish.args = slice_of(bytes, n);
	assert_true(n <= sizeof bytes);
	assert_true(bus_encode(out, &e));
}

static size_t
queued(unsigned i)
{
	return (buf_unread(&peers[i]->out).n);
}

static void
a_frame_goes_to_the_slots_it_names(void **state)
{
	struct buf in;
	ssize_t n;

	(void)state;
	buf_init(&in);
	frame(&in, 1 << 1, (uint64_t)1 << 5, 0, 10); /* slots 2 and 70 */
	n = exchange_feed(&x, buf_unread(&in));
	assert_int_equal(n, in.wpos);
	assert_int_equal(queued(1), 0);
	assert_slices(buf_unread(&peers[2]->out), buf_unread(&in));
	assert_slices(buf_unread(&peers[3]->out), buf_unread(&in));
	assert_counted(bus_envelopes_in, 1);
	assert_counted(bus_envelopes_out, 2);
	assert_counted(bus_queue_bytes, 2 * in.wpos);
	buf_fini(&in);
}

static unsigned nfar;

static void
on_far(void *arg, struct slice f)
{
	assert_ptr_equal(arg, &x);
	assert_in_range(f.n, BUS_HEADER, 1000);
	nfar++;
}

/* A frame to this room, to slot 1. */
static void
to_room(struct buf *out, struct slice room, uint16_t flags, size_t n)
{
	static uint8_t bytes[LIMIT];
	struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);

	slotset_only(e.slots, 1);
	e.from = 2;
	e.generation = 0;
	e.ref = 0;
	e.flags = flags;
	p->nsp = SLICE("/chat");
	p->event = SLICE("\"x\"");
	p->args = slice_of(bytes, n);
	if (room.n != 0)
		p->to.rooms[p->to.nrooms++] = room;
	assert_true(bus_encode(out, &e));
}

/* The event behind what else is queued for slot 1, taken away. */
static void
assert_told(const char *args)
{
	static struct bus_envelope e;
	struct slice s = buf_unread(&peers[1]->out);
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	n = bus_frame(s, slots, &flags);
	assert_int_equal(bus_decode(slice_of(s.p, (size_t)n), &e), n);
	assert_slice(e.publish.event, "\"roost:gap\"");
	assert_text(e.publish.args, args);
	assert_true(slotset_has(slots, 1));
	assert_int_equal(flags, BUS_NAMED);
	buf_consume(&peers[1]->out, (size_t)n);
}

static void
what_a_worker_has_no_room_for_it_is_told_of(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in);
	x.now_ms = 1000;
	to_room(&in, SLICE("full"), 0, LIMIT - 100);
	to_room(&in, SLICE("r"), 0, 100);		/* lost */
	to_room(&in, SLICE("v"), BUS_VOLATILE, 100);	/* not missed */
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	x.now_ms = 2000;
	buf_reset(&in);
	to_room(&in, SLICE("r"), 0, 100);
	to_room(&in, SLICE(""), 0, 100);
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	assert_counted(bus_dropped, 3);
	assert_counted(gaps_noted, 3);
	exchange_tell_gaps(&x);				/* not yet */
	assert_counted(gaps_told, 0);
	buf_consume(&peers[1]->out, queued(1));		/* it reads */
	exchange_tell_gaps(&x);
	assert_counted(gaps_told, 2);
	assert_told("{\"room\":\"r\",\"from\":1000,\"to\":2000}");
	assert_told("{\"from\":2000,\"to\":2000}");
	assert_int_equal(queued(1), 0);
	exchange_tell_gaps(&x);
	assert_counted(gaps_told, 2);
	assert_int_equal(queued(2), 0);
	buf_fini(&in);
}

/* Not more than half a queue at once: it is for what is said now. */
static void
many_gaps_are_told_by_and_by(void **state)
{
	char name[] = "r0";
	unsigned turns;

	(void)state;
	for (; name[1] <= '9'; name[1]++) {
		struct bus_audience to = { .nrooms = 1 };

		to.rooms[0] = slice_str(name);
		exchange_gap(&x, SLICE("/chat"), &to, 5);
	}
	for (turns = 0; turns < 20; turns++) {
		exchange_tell_gaps(&x);
		assert_true(queued(1) <= LIMIT / 2 + 200);
		buf_consume(&peers[1]->out, queued(1));
		buf_consume(&peers[2]->out, queued(2));
		buf_consume(&peers[3]->out, queued(3));
	}
	assert_counted(gaps_told, 30);
	assert_counted(bus_dropped, 0);
}

static void
what_is_for_other_hosts_is_handed_out(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in);
	nfar = 0;
	frame(&in, 1 << 1, 0, BUS_FAR, 10);
	frame(&in, 0, 0, BUS_FAR, 10);		/* for them alone */
	frame(&in, 1 << 1, 0, 0, 10);
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	assert_int_equal(nfar, 0);		/* nobody is interested */
	x.far = on_far;
	x.arg = &x;
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	assert_int_equal(nfar, 2);
	assert_counted(bus_envelopes_out, 4);
	x.far = NULL;
	buf_fini(&in);
}

static void
what_is_for_the_relay_goes_to_nobody_else(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in);
	nfar = 0;
	frame(&in, 0, 0, BUS_RELAY, 10);
	frame(&in, 1 << 1, 0, 0, 10);
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	x.answer = on_far;
	x.arg = &x;
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	assert_int_equal(nfar, 1);
	assert_counted(bus_envelopes_out, 2);
	x.answer = NULL;
	buf_fini(&in);
}

static void
each_filled_peer_is_dirty_once(void **state)
{
	struct peer *a, *b;
	struct buf in;

	(void)state;
	buf_init(&in);
	frame(&in, 3, 0, 0, 1);
	frame(&in, 3, 0, 0, 1);
	frame(&in, 2, 0, 0, 1);
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	a = exchange_next_dirty(&x);
	b = exchange_next_dirty(&x);
	assert_true((a == peers[1] && b == peers[2]) ||
	    (a == peers[2] && b == peers[1]));
	assert_null(exchange_next_dirty(&x));
	buf_fini(&in);
}

static void
a_frame_for_nobody_is_counted(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in);
	frame(&in, 1 << 2, (uint64_t)1 << 63, 0, 1); /* slots 3 and 128 */
	frame(&in, 0, 0, 0, 1);
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	assert_counted(bus_unroutable, 2);
	assert_null(exchange_next_dirty(&x));
	buf_fini(&in);
}

static void
a_removed_peer_is_not_dirty_any_more(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in);
	frame(&in, 3, 0, 0, 1);
	assert_int_equal(exchange_feed(&x, buf_unread(&in)), in.wpos);
	exchange_remove(&x, peers[1]);
	peer_free(&peers[1]);
	assert_null(exchange_peer(&x, 1));
	assert_ptr_equal(exchange_next_dirty(&x), peers[2]);
	assert_null(exchange_next_dirty(&x));
	buf_fini(&in);
}

static void
an_incomplete_frame_is_left(void **state)
{
	struct buf in;
	size_t one;

	(void)state;
	buf_init(&in);
	frame(&in, 1, 0, 0, 20);
	one = in.wpos;
	frame(&in, 1, 0, 0, 20);
	assert_int_equal(exchange_feed(&x, slice_of(in.data, in.wpos - 1)),
	    one);
	assert_int_equal(queued(1), one);
	buf_fini(&in);
}

/* What comes out of the stream does not depend on how it came in. */
static void
every_split_gives_the_same_frames(void **state)
{
	struct buf in;
	size_t cut;

	(void)state;
	buf_init(&in);
	frame(&in, 2, 0, 0, 7);
	frame(&in, 2, 0, BUS_VOLATILE, 0);
	frame(&in, 2, 0, 0, 90);
	for (cut = 0; cut <= in.wpos; cut++) {
		if (cut > 0)
			assert_int_equal(write(far_end[1], in.data, cut), cut);
		assert_int_equal(feed_read(&x, peers[1]),
		    cut > 0 ? PEER_OK : PEER_DRY);
		if (cut < in.wpos)
			assert_int_equal(write(far_end[1], in.data + cut,
			    in.wpos - cut), in.wpos - cut);
		assert_int_equal(feed_read(&x, peers[1]),
		    cut < in.wpos ? PEER_OK : PEER_DRY);
		assert_slices(buf_unread(&peers[2]->out), buf_unread(&in));
		assert_int_equal(buf_unread(&peers[1]->in).n, 0);
		counter_sub(COUNTER_bus_queue_bytes, queued(2));
		buf_reset(&peers[2]->out);
	}
	buf_fini(&in);
}

static void
nonsense_condemns_its_sender_only(void **state)
{
	static const uint8_t junk[64] = { 0xff, 0xff, 0xff, 0xff };
	struct buf in;

	(void)state;
	buf_init(&in);
	frame(&in, 2, 0, 0, 1);
	buf_append(&in, junk, sizeof junk);
	assert_int_equal(write(far_end[1], in.data, in.wpos), in.wpos);
	assert_int_equal(feed_read(&x, peers[1]), PEER_BAD);
	/* what came before it was delivered */
	assert_int_equal(queued(2), in.wpos - sizeof junk);
	buf_fini(&in);
}

static void
the_end_of_a_stream_is_told(void **state)
{
	(void)state;
	assert_int_equal(feed_read(&x, peers[1]), PEER_DRY); /* just empty */
	(void)shutdown(far_end[1], SHUT_RDWR);
	assert_int_equal(feed_read(&x, peers[1]), PEER_GONE);
}

static void
volatile_frames_go_when_the_queue_is_half_full(void **state)
{
	static uint8_t bytes[LIMIT];
	struct peer *p = peers[1];

	(void)state;
	assert_true(peer_queue(p, slice_of(bytes, LIMIT / 2), true));
	assert_true(peer_queue(p, slice_of(bytes, 1), true));
	assert_false(peer_queue(p, slice_of(bytes, 1), true));
	assert_counted(bus_dropped_volatile, 1);
	/* others do not mind */
	assert_true(peer_queue(p, slice_of(bytes, 10), false));
	assert_counted(bus_dropped, 0);
}

static void
the_queue_is_bounded_and_frames_are_whole(void **state)
{
	static uint8_t bytes[LIMIT];
	struct peer *p = peers[1];

	(void)state;
	assert_true(peer_queue(p, slice_of(bytes, LIMIT - 10), false));
	assert_false(peer_queue(p, slice_of(bytes, 11), false));
	assert_int_equal(queued(1), LIMIT - 10);
	assert_counted(bus_dropped, 1);
	assert_true(peer_queue(p, slice_of(bytes, 10), false));
	assert_int_equal(queued(1), LIMIT);
	assert_false(peer_queue(p, slice_of(bytes, 1), false));
}

static void
a_frame_larger_than_the_bound_passes_an_empty_queue(void **state)
{
	static uint8_t bytes[3 * LIMIT];
	struct peer *p = peers[1];

	(void)state;
	assert_true(peer_queue(p, slice_of(bytes, sizeof bytes), false));
	assert_false(peer_queue(p, slice_of(bytes, 1), false));
}

static void
a_flush_writes_all_that_was_queued_at_once(void **state)
{
	char got[64];

	(void)state;
	assert_true(peer_queue(peers[1], SLICE("one"), false));
	assert_true(peer_queue(peers[1], SLICE("two"), false));
	assert_int_equal(peer_flush(peers[1]), PEER_OK);
	assert_counted(bus_units_out, 1);
	assert_counted(bus_queue_bytes, 0);
	assert_int_equal(read(far_end[1], got, sizeof got), 6);
	assert_memory_equal(got, "onetwo", 6);
	/* nothing queued: no call */
	assert_int_equal(peer_flush(peers[1]), PEER_OK);
	assert_counted(bus_units_out, 1);
}

static void
a_stream_that_is_full_is_left_alone_until_writable(void **state)
{
	static uint8_t bytes[4 << 20], got[1 << 16];
	struct peer *p = peers[1];
	uint64_t units, sum = 0;
	ssize_t n;

	(void)state;
	assert_true(peer_queue(p, slice_of(bytes, sizeof bytes), false));
	assert_int_equal(peer_flush(p), PEER_OK);
	assert_true(p->stuck);
	assert_true(p->io.events & LOOP_OUT);
	units = counter_get(COUNTER_bus_units_out);
	assert_int_equal(peer_flush(p), PEER_OK);
	assert_int_equal(counter_get(COUNTER_bus_units_out), units);
	while (sum < sizeof bytes) {
		while ((n = read(far_end[1], got, sizeof got)) > 0)
			sum += (uint64_t)n;
		if (p->stuck)
			assert_int_equal(peer_writable(p), PEER_OK);
	}
	assert_int_equal(sum, sizeof bytes);
	assert_false(p->stuck);
	assert_false(p->io.events & LOOP_OUT);
	assert_counted(bus_queue_bytes, 0);
	/* a burst does not keep its memory */
	assert_int_equal(p->out.cap, 0);
}

static void
writing_to_a_dead_worker_is_told(void **state)
{
	(void)state;
	(void)close(far_end[1]);
	far_end[1] = -1;
	assert_true(peer_queue(peers[1], SLICE("x"), false));
	assert_int_equal(peer_flush(peers[1]), PEER_GONE);
}

/* Several reads full, the last frame cut off in the middle. */
static void
what_a_dead_worker_said_last_is_routed(void **state)
{
	struct buf in;
	size_t one;
	unsigned i;
	int big = 4 << 20;

	(void)state;
	peers[2]->limit = SIZE_MAX;
	assert_int_equal(setsockopt(far_end[1], SOL_SOCKET, SO_SNDBUFFORCE,
	    &big, sizeof big), 0);
	buf_init(&in);
	frame(&in, 2, 0, 0, 50000);
	one = in.wpos;
	for (i = 0; i < 20; i++)
		assert_int_equal(write(far_end[1], in.data, one), one);
	assert_int_equal(write(far_end[1], in.data, 1000), 1000);
	(void)close(far_end[1]);
	far_end[1] = -1;
	/* to be dropped, whatever made that known */
	assert_true(peer_queue(peers[1], SLICE("for a dead one"), false));
	assert_int_equal(peer_flush(peers[1]), PEER_GONE);
	feed_finish(&x, peers[1], PEER_GONE);
	assert_int_equal(queued(2), 20 * one);
	assert_counted(bus_envelopes_in, 20);
	assert_counted(bus_lost_bytes, 1000 + 14);
	buf_fini(&in);
}

static void
nothing_is_read_behind_nonsense(void **state)
{
	static const uint8_t junk[64] = { 0xff, 0xff, 0xff, 0xff };
	struct buf in;

	(void)state;
	buf_init(&in);
	assert_int_equal(write(far_end[1], junk, sizeof junk), sizeof junk);
	assert_int_equal(feed_read(&x, peers[1]), PEER_BAD);
	frame(&in, 2, 0, 0, 1);
	assert_int_equal(write(far_end[1], in.data, in.wpos), in.wpos);
	feed_finish(&x, peers[1], PEER_BAD);
	assert_int_equal(queued(2), 0);
	buf_fini(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_frame_goes_to_the_slots_it_names),
		T(what_a_worker_has_no_room_for_it_is_told_of),
		T(many_gaps_are_told_by_and_by),
		T(what_is_for_other_hosts_is_handed_out),
		T(what_is_for_the_relay_goes_to_nobody_else),
		T(each_filled_peer_is_dirty_once),
		T(a_frame_for_nobody_is_counted),
		T(a_removed_peer_is_not_dirty_any_more),
		T(an_incomplete_frame_is_left),
		T(every_split_gives_the_same_frames),
		T(nonsense_condemns_its_sender_only),
		T(the_end_of_a_stream_is_told),
		T(volatile_frames_go_when_the_queue_is_half_full),
		T(the_queue_is_bounded_and_frames_are_whole),
		T(a_frame_larger_than_the_bound_passes_an_empty_queue),
		T(a_flush_writes_all_that_was_queued_at_once),
		T(a_stream_that_is_full_is_left_alone_until_writable),
		T(writing_to_a_dead_worker_is_told),
		T(what_a_dead_worker_said_last_is_routed),
		T(nothing_is_read_behind_nonsense),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
