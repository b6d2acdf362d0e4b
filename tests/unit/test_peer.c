/* A worker's stream that the host, or memory, lets down; and frames in
 * pieces. */
#include "relay/local/feed.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "relay/local/exchange.h"
#include "shm/counters.h"
#include "tests/lib/check.h"
#include "tests/lib/refuse.h"

#define LIMIT	(8u << 20)

static struct loop *loop;
static struct exchange x;
static struct conf conf;		/* without namespaces */
static struct peer *p, *to;
static int far_end, to_end;
static uint64_t counted[COUNTER__MAX];	/* at the start of the test */
static struct buf frames;

static void
on_event(struct loop_fd *f, unsigned events)
{
	(void)f;
	(void)events;
}

static struct peer *
make(unsigned slot, int *end)
{
	struct peer *made;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	*end = fds[1];
	made = peer_new(loop, slot, slot, fds[0], LIMIT, on_event);
	if (made != NULL)
		exchange_add(&x, made);
	return (made);
}

static int
set_up(void **state)
{
	unsigned i;

	(void)state;
	loop = loop_new();
	exchange_init(&x, &conf);
	p = make(1, &far_end);
	to = make(2, &to_end);
	assert_true(p != NULL && to != NULL);
	buf_init(&frames);
	for (i = 0; i < COUNTER__MAX; i++)
		counted[i] = counter_get((enum counter)i);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)refuse_end();
	exchange_remove(&x, p);
	exchange_remove(&x, to);
	peer_free(&p);
	peer_free(&to);
	if (far_end != -1)
		(void)close(far_end);
	(void)close(to_end);
	loop_free(&loop);
	buf_fini(&frames);
	return (0);
}

#define assert_counted(name, n) \
	assert_int_equal(counter_get(COUNTER_##name) - \
	    counted[COUNTER_##name], n)

/* To slot 2, with n bytes of arguments. */
static void
add_frame(size_t n)
{
	static uint8_t bytes[3u << 20];
	struct bus_envelope e = { .kind = BUS_PUBLISH, .from = 1,
		.publish.nsp = SLICE("/"), .publish.event = SLICE("\"x\""),
		.publish.args = slice_of(bytes, n), .slots = { 2, 0 } };

	assert_true(n <= sizeof bytes);
	assert_true(bus_encode(&frames, &e));
}

/* The peer reads this much more of the frames. */
static enum peer_result
takes(size_t n)
{
	assert_int_equal(write(far_end, frames.data + frames.rpos, n), n);
	frames.rpos += n;
	return (feed_read(&x, p));
}

static size_t
passed(void)
{
	return (buf_unread(&to->out).n);
}

static void
without_a_watch_there_is_no_peer(void **state)
{
	int end;

	(void)state;
	refuse("memory", 1, 1, ENOMEM);
	assert_null(make(3, &end));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(read(end, &end, 1), 0);	/* it is closed */
	(void)close(end);
	refuse("epoll_ctl", 1, 1, ENOSPC);
	assert_null(make(3, &end));
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(refuse_end(), 1);
	assert_int_equal(read(end, &end, 1), 0);
	(void)close(end);
}

static void
frames_come_in_pieces(void **state)
{
	size_t whole, i;

	(void)state;
	add_frame(10);
	whole = frames.wpos;
	add_frame(10);
	for (i = 0; i < 2 * whole; i++) {
		assert_int_equal(takes(1), PEER_OK);
		assert_int_equal(passed(), (i + 1) / whole * whole);
	}
	/* one and a half, and the rest */
	add_frame(10);
	add_frame(10);
	assert_int_equal(takes(whole + whole / 2), PEER_OK);
	assert_int_equal(passed(), 3 * whole);
	assert_int_equal(takes(whole - whole / 2), PEER_OK);
	assert_int_equal(passed(), 4 * whole);
	assert_int_equal(buf_unread(&p->in).n, 0);
}

/* Another relay is to come: this one is done when each worker has said all, and
 * has all. */
static void
a_worker_that_has_said_all_still_reads(void **state)
{
	uint8_t bytes[4096];

	(void)state;
	add_frame(10);
	assert_false(exchange_done(&x));
	assert_int_equal(takes(frames.wpos - 1), PEER_OK);
	assert_false(peer_end(p));	/* within a frame: it is broken */
	assert_int_equal(takes(1), PEER_OK);
	assert_int_equal(shutdown(far_end, SHUT_WR), 0);
	assert_int_equal(feed_read(&x, p), PEER_GONE);
	assert_true(peer_end(p));
	assert_false(exchange_done(&x));
	assert_true(peer_end(to));
	assert_false(exchange_done(&x));	/* it has not all yet */
	assert_int_equal(peer_flush(to), PEER_OK);
	assert_true(exchange_done(&x));
	assert_int_equal(read(to_end, bytes, sizeof bytes), frames.wpos);
}

static void
takes_a_large_frame(void)
{
	size_t n;

	add_frame(3u << 20);
	while (frames.rpos < frames.wpos) {
		n = frames.wpos - frames.rpos;
		assert_int_equal(takes(n > 60000 ? 60000 : n), PEER_OK);
	}
}

/* What a large frame took is given back. */
static void
a_large_frame_is_collected(void **state)
{
	(void)state;
	takes_a_large_frame();
	assert_int_equal(passed(), frames.wpos);
	assert_int_equal(p->in.cap, 0);
	/* and on the other side, once it is written */
	while (passed() > 0) {
		static uint8_t sink[1u << 20];

		assert_int_equal(peer_writable(to), PEER_OK);
		while (read(to_end, sink, sizeof sink) > 0)
			continue;
	}
	assert_int_equal(to->out.cap, 0);
	assert_counted(bus_queue_bytes, 0);
}

static void
nonsense_is_told_from_a_part(void **state)
{
	(void)state;
	buf_slice(&frames, SLICE("HTTP/1.1 400 Bad Request\r\n\r\n"));
	assert_int_equal(takes(2), PEER_OK);
	assert_int_equal(takes(frames.wpos - 2), PEER_BAD);
	assert_int_equal(passed(), 0);
}

static void
without_memory_for_a_part_the_stream_is_of_no_use(void **state)
{
	(void)state;
	add_frame(2000);
	refuse("memory", 1, 1, ENOMEM);
	assert_int_equal(takes(100), PEER_BAD);
	assert_int_equal(refuse_end(), 1);
}

static void
nor_for_what_follows(void **state)
{
	(void)state;
	add_frame(2000);
	assert_int_equal(takes(100), PEER_OK);
	refuse("memory", 1, 1, ENOMEM);
	assert_int_equal(takes(1000), PEER_BAD);
	assert_int_equal(refuse_end(), 1);
}

static void
a_frame_that_finds_no_memory_is_counted(void **state)
{
	(void)state;
	add_frame(2000);
	refuse("memory", 1, 1, ENOMEM);
	assert_int_equal(takes(frames.wpos), PEER_OK);
	assert_int_equal(refuse_end(), 1);
	assert_int_equal(passed(), 0);
	assert_counted(memory_failures, 1);
	assert_counted(bus_dropped, 1);
	frames.rpos = 0;
	assert_int_equal(takes(frames.wpos), PEER_OK);
	assert_int_equal(passed(), frames.wpos);
}

static void
reads_that_may_be_repeated(void **state)
{
	static const int soon[] = { EINTR, EAGAIN, ENOBUFS, ENOMEM };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(soon); i++) {
		refuse("recv", 1, 1, soon[i]);
		assert_int_equal(feed_read(&x, p), soon[i] == EAGAIN ?
		    PEER_DRY : PEER_OK);
		assert_int_equal(refuse_end(), 1);
	}
	refuse("recv", 1, 1, ECONNRESET);
	assert_int_equal(feed_read(&x, p), PEER_GONE);
	(void)refuse_end();
	(void)close(far_end);
	far_end = -1;
	assert_int_equal(feed_read(&x, p), PEER_GONE);
}

static void
writes_that_may_be_repeated(void **state)
{
	static const int soon[] = { EINTR, EAGAIN, ENOBUFS, ENOMEM };
	uint8_t got[4096];
	size_t i;

	(void)state;
	assert_int_equal(peer_flush(to), PEER_OK);	/* nothing to write */
	add_frame(1000);
	assert_int_equal(takes(frames.wpos), PEER_OK);
	for (i = 0; i < nitems(soon); i++) {
		refuse("send", 1, 1, soon[i]);
		assert_int_equal(i == 0 ? peer_flush(to) : peer_writable(to),
		    PEER_OK);
		assert_int_equal(refuse_end(), 1);
		assert_true(to->stuck);
		/* not before it is writable */
		assert_int_equal(peer_flush(to), PEER_OK);
		assert_int_equal(read(to_end, got, sizeof got), -1);
	}
	assert_int_equal(peer_writable(to), PEER_OK);
	assert_false(to->stuck);
	assert_int_equal(read(to_end, got, sizeof got), frames.wpos);
	assert_counted(bus_queue_bytes, 0);
}

static void
a_stream_that_is_broken_or_not_watched(void **state)
{
	(void)state;
	takes_a_large_frame();
	refuse("send", 1, 1, EPIPE);
	assert_int_equal(peer_flush(to), PEER_GONE);
	/* full, and nobody would say when it can be written */
	refuse("epoll_ctl", 1, 1, ENOMEM);
	assert_int_equal(peer_flush(to), PEER_GONE);
	assert_int_equal(refuse_end(), 1);
	to->stuck = false;
	assert_int_equal(peer_flush(to), PEER_OK);
	assert_true(to->stuck);
	refuse("epoll_ctl", 1, 1, ENOMEM);
	assert_int_equal(peer_writable(to), PEER_GONE);
	assert_int_equal(refuse_end(), 1);
}

static void
last_frames_pass_and_the_rest_is_counted(void **state)
{
	size_t whole;

	(void)state;
	add_frame(10);
	whole = frames.wpos;
	add_frame(10);
	assert_int_equal(write(far_end, frames.data, 2 * whole - 3),
	    2 * whole - 3);
	(void)close(far_end);
	far_end = -1;
	refuse("recv", 1, 1, EINTR);	/* it is no end */
	feed_finish(&x, p, PEER_GONE);
	assert_int_equal(refuse_end(), 1);
	assert_int_equal(passed(), whole);
	assert_counted(bus_lost_bytes, whole - 3);
	/* after nonsense nothing is read */
	feed_finish(&x, to, PEER_BAD);
	assert_counted(bus_lost_bytes, 2 * whole - 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(without_a_watch_there_is_no_peer),
		T(a_worker_that_has_said_all_still_reads),
		T(frames_come_in_pieces),
		T(a_large_frame_is_collected),
		T(nonsense_is_told_from_a_part),
		T(without_memory_for_a_part_the_stream_is_of_no_use),
		T(nor_for_what_follows),
		T(a_frame_that_finds_no_memory_is_counted),
		T(reads_that_may_be_repeated),
		T(writes_that_may_be_repeated),
		T(a_stream_that_is_broken_or_not_watched),
		T(last_frames_pass_and_the_rest_is_counted),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
