/* The worker's end of the relay's stream: limits, order, and new streams. */
#include "worker/net/bus_port.h"

#include <sys/socket.h>

#include <poll.h>
#include <unistd.h>

#include "base/slotset.h"
#include "proto/bus.h"
#include "shm/counters.h"

#include "tests/lib/check.h"

struct world {
	struct loop	*loop;
	struct bus_port	*b;
	int		 relay;		/* the other end, -1: none */
	struct buf	 got;		/* counts of the frames handed up */
	unsigned	 lost;
};

static void
on_frame(void *arg, struct slice frame)
{
	struct world *t = arg;
	struct bus_envelope e;

	assert_int_equal(bus_decode(frame, &e), (ssize_t)frame.n);
	if (e.kind == BUS_PUBLISH_BODY)
		buf_printf(&t->got, "b%c ", e.publish_body.body.p[0]);
	else
		buf_printf(&t->got, "%llu ",
		    (unsigned long long)e.recover_late.number);
}

static void
on_lost(void *arg)
{
	struct world *t = arg;

	t->lost++;
}


static bool
busy(void *arg)
{
	struct world *t = arg;

	loop_stop(t->loop);
	return (true);
}

static void
turn(struct world *t)
{
	loop_run(t->loop);
}

static void
connect_relay(struct world *t)
{
	int fds[2], small = 4096;

	assert_int_equal(socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small,
	    sizeof small), 0);
	assert_true(bus_port_open(t->b, fds[0]));
	t->relay = fds[1];
}

static int
setup(void **state)
{
	static struct world w;
	const struct bus_port_calls up = { &w, on_frame, on_lost };
	const struct loop_hooks hooks = { .busy = busy, .arg = &w };

	memset(&w, 0, sizeof w);
	w.loop = loop_new();
	loop_hooks(w.loop, &hooks);
	buf_init(&w.got);
	w.b = bus_port_new(w.loop, 100000, &up);
	assert_non_null(w.b);
	w.relay = -1;
	*state = &w;
	return (0);
}

static int
teardown(void **state)
{
	struct world *t = *state;

	bus_port_free(&t->b);
	loop_free(&t->loop);
	buf_fini(&t->got);
	if (t->relay != -1)
		(void)close(t->relay);
	return (0);
}

/* An envelope that carries a number, and bytes to give it size. */
static bool
put(struct world *t, uint64_t count, size_t bytes, uint16_t flags)
{
	static uint8_t filler[60000];
	struct bus_envelope e = { .kind = BUS_RECOVER_LATE, .from = 1,
		.flags = flags, .recover_late = { count,
		slice_of(filler, bytes) } };

	return (bus_port_send(t->b, &e));
}

/* What the relay has now, as the counts of whole frames; the rest is kept. */
static void
relay_reads(struct world *t, struct buf *in, struct buf *counts)
{
	struct bus_envelope e;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	assert_true(buf_reserve(in, 200000));
	n = recv(t->relay, in->data + in->wpos, in->cap - in->wpos, 0);
	if (n > 0)
		in->wpos += (size_t)n;
	while ((n = bus_frame(buf_unread(in), slots, &flags)) > 0) {
		assert_int_equal(bus_decode(slice_of(buf_unread(in).p,
		    (size_t)n), &e), n);
		buf_printf(counts, "%llu ", (unsigned long long)e.recover_late.number);
		buf_consume(in, (size_t)n);
	}
	assert_int_equal(n, 0);
}

static void
envelopes_of_a_turn_go_in_one_write(void **state)
{
	struct world *t = *state;
	struct buf in, counts;

	buf_init(&in);
	buf_init(&counts);
	connect_relay(t);
	assert_true(put(t, 1, 10, 0) && put(t, 2, 10, 0) && put(t, 3, 10, 0));
	bus_port_flush(t->b);
	relay_reads(t, &in, &counts);
	assert_buf(&counts, "1 2 3 ");
	assert_int_equal(buf_unread(&t->b->out).n, 0);
	buf_fini(&in);
	buf_fini(&counts);
}

static void
the_queue_is_bounded_and_volatile_goes_first(void **state)
{
	struct world *t = *state;

	assert_true(put(t, 1, 30000, 0));	/* no relay: it waits */
	assert_true(put(t, 2, 30000, BUS_VOLATILE));
	assert_false(put(t, 3, 10, BUS_VOLATILE));
	assert_true(put(t, 4, 30000, 0));
	assert_true(put(t, 5, 30000, 0));
	assert_false(put(t, 6, 10, 0));
}

static void
a_new_stream_starts_at_a_frame(void **state)
{
	struct world *t = *state;
	struct buf in, counts;

	buf_init(&in);
	buf_init(&counts);
	connect_relay(t);
	assert_true(put(t, 1, 100, 0) && put(t, 2, 50000, 0) &&
	    put(t, 3, 100, 0));
	bus_port_flush(t->b);
	relay_reads(t, &in, &counts);
	assert_buf(&counts, "1 ");
	assert_true(buf_unread(&in).n > 0);	/* a piece of the second */
	(void)close(t->relay);
	turn(t);
	assert_int_equal(t->lost, 1);
	assert_false(bus_port_up(t->b));
	assert_true(put(t, 4, 100, 0));

	connect_relay(t);
	buf_reset(&in);
	while (buf_unread(&t->b->out).n > 0) {
		bus_port_flush(t->b);
		relay_reads(t, &in, &counts);
		turn(t);
	}
	relay_reads(t, &in, &counts);
	assert_buf(&counts, "2 3 4 ");
	buf_fini(&in);
	buf_fini(&counts);
}

/* Another relay is to come: the stream is shut where a frame ends, and read to
 * its end; what is queued is the next one's.  Nothing is lost. */
static void
a_stream_ends_at_a_frame_and_nothing_is_lost(void **state)
{
	struct world *t = *state;
	struct buf in, counts, said;
	struct bus_envelope e = { .kind = BUS_RECOVER_LATE, .from = 1,
		.recover_late = { 7, SLICE("x") } };
	unsigned i;
	char byte;

	buf_init(&in);
	buf_init(&counts);
	buf_init(&said);
	connect_relay(t);
	assert_true(put(t, 1, 100, 0) && put(t, 2, 50000, 0) &&
	    put(t, 3, 100, 0));
	bus_port_flush(t->b);
	bus_port_end(t->b);
	assert_true(bus_port_is_behind(t->b));
	assert_true(put(t, 4, 100, 0));
	for (i = 0; i < 100; i++) {
		bus_port_flush(t->b);
		relay_reads(t, &in, &counts);
		turn(t);
	}
	/* the second was cut: it is whole now, and no other has begun */
	assert_buf(&counts, "1 2 ");
	assert_int_equal(buf_unread(&in).n, 0);
	assert_int_equal(recv(t->relay, &byte, 1, 0), 0);
	/* what the relay still has for us comes */
	assert_true(bus_encode(&said, &e));
	assert_int_equal(write(t->relay, said.data, said.wpos), said.wpos);
	turn(t);
	assert_buf(&t->got, "7 ");
	assert_int_equal(write(t->relay, said.data, said.wpos), said.wpos);
	(void)close(t->relay);
	connect_relay(t);
	assert_buf(&t->got, "7 ");
	assert_int_equal(t->lost, 0);
	for (i = 0; i < 3; i++) {
		bus_port_flush(t->b);
		relay_reads(t, &in, &counts);
		turn(t);
	}
	assert_buf(&counts, "3 4 ");
	buf_fini(&in);
	buf_fini(&counts);
	buf_fini(&said);
}

static void
a_stream_that_ended_too_early_is_lost(void **state)
{
	struct world *t = *state;

	connect_relay(t);
	bus_port_end(t->b);
	bus_port_flush(t->b);
	(void)close(t->relay);
	turn(t);
	assert_false(bus_port_up(t->b));
	assert_int_equal(t->lost, 0);
	bus_port_end_failed(t->b);
	assert_int_equal(t->lost, 1);
	bus_port_end_failed(t->b);
	assert_int_equal(t->lost, 1);
	/* a relay that dies before it was shut is lost at once */
	connect_relay(t);
	bus_port_end(t->b);
	(void)close(t->relay);
	turn(t);
	assert_int_equal(t->lost, 2);
	t->relay = -1;
}

static void
frames_come_up_whole_at_any_split(void **state)
{
	struct world *t = *state;
	struct buf b;
	size_t cut;
	unsigned i;

	buf_init(&b);
	for (i = 1; i <= 2; i++) {
		struct bus_envelope e = { .kind = BUS_RECOVER_LATE, .from = 1,
			.recover_late.number = i };

		assert_true(bus_encode(&b, &e));
	}
	connect_relay(t);
	for (cut = 1; cut < b.wpos; cut++) {
		assert_int_equal(send(t->relay, b.data, cut, 0), (ssize_t)cut);
		turn(t);
		assert_int_equal(send(t->relay, b.data + cut, b.wpos - cut, 0),
		    (ssize_t)(b.wpos - cut));
		turn(t);
		assert_buf(&t->got, "1 2 ");
	}
	assert_int_equal(t->lost, 0);
	buf_fini(&b);
}

static void
nonsense_ends_the_stream(void **state)
{
	struct world *t = *state;
	uint64_t bad = counter_get(COUNTER_bus_bad);

	connect_relay(t);
	assert_int_equal(send(t->relay, "\xff\xff\xff\xff garbage", 12, 0),
	    12);
	turn(t);
	assert_int_equal(counter_get(COUNTER_bus_bad), bad + 1);
	assert_int_equal(t->lost, 1);
	assert_false(bus_port_up(t->b));
}

static void
a_second_stream_takes_the_place_of_the_first(void **state)
{
	struct world *t = *state;
	int first;

	connect_relay(t);
	first = t->relay;
	connect_relay(t);
	assert_int_equal(t->lost, 1);
	assert_true(bus_port_up(t->b));
	(void)close(first);
	turn(t);
	assert_true(bus_port_up(t->b));
}

static void
relay_says(struct world *t, unsigned from, unsigned to)
{
	struct buf b;

	buf_init(&b);
	for (; from <= to; from++) {
		struct bus_envelope e = { .kind = BUS_RECOVER_LATE, .from = 1,
			.recover_late.number = from };

		assert_true(bus_encode(&b, &e));
	}
	assert_int_equal(send(t->relay, b.data, b.wpos, 0), (ssize_t)b.wpos);
	buf_fini(&b);
}

/* The worker learns of the relay's death by writing to it. */
static void
what_a_dead_relay_said_last_is_taken(void **state)
{
	struct world *t = *state;
	uint64_t lost = counter_get(COUNTER_bus_lost_bytes);

	connect_relay(t);
	relay_says(t, 1, 3);
	assert_int_equal(send(t->relay, "\x40\0\0\0", 4, 0), 4);
	(void)close(t->relay);
	t->relay = -1;
	assert_true(put(t, 7, 10, 0));
	bus_port_flush(t->b);
	turn(t);
	turn(t);
	assert_buf(&t->got, "1 2 3 ");
	assert_int_equal(t->lost, 1);
	assert_false(bus_port_up(t->b));
	assert_int_equal(counter_get(COUNTER_bus_lost_bytes) - lost, 4);
	assert_true(buf_unread(&t->b->out).n > 0);	/* for the next one */
}

/* ... or because there is a new one. */
static void
a_second_stream_waits_for_what_the_first_has_brought(void **state)
{
	struct world *t = *state;
	int first;

	connect_relay(t);
	relay_says(t, 1, 3);
	first = t->relay;
	connect_relay(t);
	assert_buf(&t->got, "1 2 3 ");
	relay_says(t, 4, 4);
	(void)close(first);
	turn(t);
	assert_buf(&t->got, "4 ");
	assert_int_equal(t->lost, 1);
}

/* What the relay writes: one of that kind, with a number. */
static void
relay_writes(struct world *t, enum bus_kind kind, uint64_t number)
{
	struct bus_envelope e;
	struct buf b;

	buf_init(&b);
	if (kind == BUS_MARK)
		bus_mark(&e, number, false);
	else if (kind == BUS_PUBLISH_BODY)
		bus_publish_body(&e, number == 1 ? SLICE("1") : SLICE("2"));
	else
		bus_recover_late(&e, number, SLICE(""));
	slotset_only(e.slots, 1);
	e.from = kind == BUS_RECOVER_LATE ? 1 : 0;
	e.generation = 0;
	e.ref = 0;
	assert_true(bus_encode(&b, &e));
	assert_int_equal(write(t->relay, b.data, b.wpos), b.wpos);
	buf_fini(&b);
}

/* It is asked once, and what comes before the answer is taken. */
static void
who_leaves_waits_for_the_relay(void **state)
{
	struct world *t = *state;

	assert_true(bus_port_leave(t->b, 1, 1));	/* there is none */
	connect_relay(t);
	relay_writes(t, BUS_MARK, 0);			/* not asked for */
	turn(t);
	assert_false(bus_port_leave(t->b, 1, 1));
	assert_false(bus_port_leave(t->b, 1, 1));
	assert_int_equal(buf_unread(&t->b->out).n, 0);
	relay_writes(t, BUS_RECOVER_LATE, 5);
	turn(t);
	assert_false(bus_port_leave(t->b, 1, 1));
	relay_writes(t, BUS_MARK, 0);
	turn(t);
	assert_true(bus_port_leave(t->b, 1, 1));
	assert_buf(&t->got, "5 ");
}

/* Up to the mark, and not the mark of another batch; what would make this
 * worker publish comes then, before what is behind it. */
static void
it_is_read_up_to_the_mark(void **state)
{
	struct world *t = *state;

	connect_relay(t);
	assert_true(put(t, 1, 10, 0));
	assert_true(bus_port_events(t->b) == (POLLIN | POLLOUT));
	bus_port_hold(t->b, 7);
	relay_writes(t, BUS_RECOVER_LATE, 11);
	relay_writes(t, BUS_MARK, 6);
	relay_writes(t, BUS_PUBLISH_BODY, 1);
	relay_writes(t, BUS_PUBLISH_BODY, 2);
	relay_writes(t, BUS_RECOVER_LATE, 12);
	bus_port_pump(t->b);
	assert_int_equal(bus_port_events(t->b), POLLIN);
	assert_int_equal(bus_port_marked(t->b), BUS_PORT_UNMARKED);
	assert_buf(&t->got, "11 12 ");
	relay_writes(t, BUS_MARK, 7);
	relay_writes(t, BUS_RECOVER_LATE, 13);
	relay_writes(t, BUS_PUBLISH_BODY, 1);
	bus_port_pump(t->b);
	assert_int_equal(bus_port_marked(t->b), BUS_PORT_MARKED);
	assert_buf(&t->got, "");
	bus_port_release(t->b);
	assert_buf(&t->got, "b1 b2 13 b1 ");
	/* a mark that nobody waits for */
	relay_writes(t, BUS_MARK, 8);
	relay_writes(t, BUS_RECOVER_LATE, 14);
	turn(t);
	assert_buf(&t->got, "14 ");
	assert_int_equal(t->lost, 0);
}

/* The relay dies: what was kept aside is not lost with it. */
static void
what_is_kept_aside_outlives_the_relay(void **state)
{
	struct world *t = *state;

	connect_relay(t);
	bus_port_hold(t->b, 7);
	relay_writes(t, BUS_PUBLISH_BODY, 1);
	bus_port_pump(t->b);
	(void)close(t->relay);
	t->relay = -1;
	bus_port_pump(t->b);
	assert_int_equal(bus_port_fd(t->b), -1);
	assert_int_equal(t->lost, 1);
	assert_int_equal(bus_port_marked(t->b), BUS_PORT_UNMARKED);
	bus_port_release(t->b);
	assert_buf(&t->got, "b1 ");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(envelopes_of_a_turn_go_in_one_write),
		T(the_queue_is_bounded_and_volatile_goes_first),
		T(a_new_stream_starts_at_a_frame),
		T(a_stream_ends_at_a_frame_and_nothing_is_lost),
		T(a_stream_that_ended_too_early_is_lost),
		T(who_leaves_waits_for_the_relay),
		T(frames_come_up_whole_at_any_split),
		T(nonsense_ends_the_stream),
		T(a_second_stream_takes_the_place_of_the_first),
		T(what_a_dead_relay_said_last_is_taken),
		T(a_second_stream_waits_for_what_the_first_has_brought),
		T(it_is_read_up_to_the_mark),
		T(what_is_kept_aside_outlives_the_relay),
	};
#undef T

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
