/*
 * The worker's end of the relay's stream.  Whole frames are in `out`; what a
 * stream has taken of the first of them is counted in `sent`, so that after a
 * break the next stream starts with a frame's first byte.
 */
#include "worker/net/bus_port.h"

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/bus.h"
#include "base/slotset.h"
#include "shm/counters.h"
#include "sys/log.h"

#define BUS_PORT_LAST	256	/* reads at the end: more than fits a stream
				 * whose writer is gone */

struct bus_port *
bus_port_new(struct loop *loop, uint64_t limit,
    const struct bus_port_calls *up)
{
	struct bus_port *b;

	b = calloc(1, sizeof *b);
	if (b == NULL)
		return (NULL);
	b->magic = BUS_PORT_MAGIC;
	b->loop = loop;
	b->limit = limit;
	b->up = *up;
	b->io.fd = -1;
	buf_init(&b->out);
	buf_init(&b->in);
	buf_init(&b->aside);
	return (b);
}

static void
bus_port_drop(struct bus_port *b)
{
	if (b->io.fd == -1)
		return;
	loop_del(b->loop, &b->io);
	(void)close(b->io.fd);
	b->io.fd = -1;
	b->sent = 0;
	b->blocked = b->ending = b->shut = false;
	buf_fini(&b->in);
	buf_init(&b->in);
}

void
bus_port_free(struct bus_port **bp)
{
	struct bus_port *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	bus_port_drop(b);
	buf_fini(&b->out);
	buf_fini(&b->in);
	buf_fini(&b->aside);
	b->magic = 0;
	free(b);
}

bool
bus_port_up(const struct bus_port *b)
{
	return (b->io.fd != -1);
}

static void
bus_port_lost(struct bus_port *b, const char *why)
{
	log_warnx("relay_lost why=%s queued_bytes=%zu", why,
	    buf_unread(&b->out).n);
	counter_add(COUNTER_bus_lost_bytes, buf_unread(&b->in).n);
	bus_port_drop(b);
	b->up.lost(b->up.arg);
}

/* What was in it has been read, all of it. */
static void
bus_port_ended(struct bus_port *b)
{
	log_debug("relay_stream_ended queued_bytes=%zu",
	    buf_unread(&b->out).n);
	bus_port_drop(b);
	b->ended = true;
}

/* --- out ----------------------------------------------------------------- */

bool
bus_port_send(struct bus_port *b, const struct bus_envelope *e)
{
	size_t queued, limit;

	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	queued = buf_unread(&b->out).n;
	limit = (e->flags & BUS_VOLATILE) ? b->limit / 2 : b->limit;
	if (queued >= limit || !bus_encode(&b->out, e)) {
		b->out.oom = false;	/* the next one may fit */
		counter_add(COUNTER_bus_dropped, 1);
		return (false);
	}
	counter_add(COUNTER_bus_envelopes_out, 1);
	counter_set(COUNTER_bus_queue_bytes, buf_unread(&b->out).n);
	return (true);
}

bool
bus_port_leave(struct bus_port *b, unsigned slot, uint32_t generation)
{
	struct bus_envelope e;

	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	if (b->io.fd == -1)
		return (true);
	if (!b->leaves) {
		bus_leave(&e);
		slotset_clear(e.slots);
		e.from = (uint16_t)slot;
		e.generation = (uint16_t)generation;
		e.ref = 0;
		b->leaves = bus_port_send(b, &e);
		bus_port_flush(b);
	}
	return (b->left);
}

bool
bus_port_is_behind(const struct bus_port *b)
{
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	return (b->io.fd == -1 || b->blocked || b->ending);
}

/* n more bytes are with the relay: forget the frames that are complete. */
static void
bus_port_sent(struct bus_port *b, size_t n)
{
	uint64_t slots[2];
	uint16_t flags;
	ssize_t frame;

	n += b->sent;
	while (n > 0) {
		frame = bus_frame(buf_unread(&b->out), slots, &flags);
		MUST(frame > 0); /* we encoded it */
		if (n < (size_t)frame)
			break;
		buf_consume(&b->out, (size_t)frame);
		n -= (size_t)frame;
	}
	b->sent = (uint32_t)n;
	counter_set(COUNTER_bus_queue_bytes, buf_unread(&b->out).n);
}

static void
bus_port_want(struct bus_port *b, bool out)
{
	b->blocked = out;
	/* one that is not watched is of no use: another is asked for */
	if (loop_mod(b->loop, &b->io, out ? LOOP_IN | LOOP_OUT : LOOP_IN) == -1)
		bus_port_lost(b, "watch");
}

/* Of a stream that is to end, no more than the rest of a frame. */
static struct slice
bus_port_unsent(const struct bus_port *b)
{
	struct slice s = buf_unread(&b->out);
	uint64_t slots[2];
	uint16_t flags;
	ssize_t frame;

	if (b->ending && b->sent == 0)
		return (slice_of(NULL, 0));
	if (b->ending) {
		frame = bus_frame(s, slots, &flags);
		MUST(frame > 0);
		s.n = (size_t)frame;
	}
	return (slice_from(s, b->sent));
}

static void
bus_port_write(struct bus_port *b)
{
	struct slice s;
	ssize_t n;

	s = bus_port_unsent(b);
	if (s.n == 0)
		return;
	n = send(b->io.fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
		/* the relay is gone: what it has still sent is read in the
		 * next turn, and then the end */
		b->blocked = true;
		return;
	}
	if (n == -1 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
	    errno != ENOMEM) {
		bus_port_lost(b, "write");
		return;
	}
	if (n > 0) {
		counter_add(COUNTER_bus_units_out, 1);
		counter_add(COUNTER_bus_bytes_out, (uint64_t)n);
		bus_port_sent(b, (size_t)n);
	}
	if ((n < (ssize_t)s.n) != b->blocked)
		bus_port_want(b, n < (ssize_t)s.n);
	if (buf_unread(&b->out).n == 0 && b->out.cap > 4 * BUS_PORT_READ) {
		buf_fini(&b->out);	/* a burst has passed */
		buf_init(&b->out);
	}
}

static void
bus_port_shut(struct bus_port *b)
{
	if (!b->ending || b->shut || b->sent > 0 || b->io.fd == -1)
		return;
	b->shut = true;
	(void)shutdown(b->io.fd, SHUT_WR);
}

void
bus_port_flush(struct bus_port *b)
{
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	/* twice a turn, and most turns have nothing for other workers */
	if (likely(b->out.rpos == b->out.wpos && !b->ending))
		return;
	if (b->io.fd != -1 && !b->blocked)
		bus_port_write(b);
	bus_port_shut(b);
}

void
bus_port_end(struct bus_port *b)
{
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	b->ending = b->io.fd != -1;
}

void
bus_port_end_failed(struct bus_port *b)
{
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	if (b->io.fd != -1)
		bus_port_lost(b, "ended early");
	else if (b->ended)
		b->up.lost(b->up.arg);
	b->ended = false;
}

/* --- in ------------------------------------------------------------------ */

/* The relay's word about a cut.  One that is not waited for any more is of a
 * batch that was given up. */
static void
bus_port_mark(struct bus_port *b, struct slice frame)
{
	static struct bus_envelope e;	/* large; one at a time */

	if (!bus_whole(frame, &e))
		counter_add(COUNTER_bus_bad, 1);
	else if (b->held && b->mark == BUS_PORT_UNMARKED &&
	    e.mark.batch == b->batch)
		b->mark = e.mark.refused ? BUS_PORT_REFUSED : BUS_PORT_MARKED;
	else if (b->leaves && e.mark.batch == 0)
		b->left = true;
}

/* What this worker would publish now would be behind its cut, but before the
 * mark for its own clients. */
static bool
bus_port_keeps_aside(struct bus_port *b, struct slice frame)
{
	if (!b->held || bus_frame_kind(frame) != BUS_PUBLISH_BODY)
		return (false);
	buf_slice(&b->aside, frame);
	if (!b->aside.oom)
		return (true);
	b->aside.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	b->mark = BUS_PORT_REFUSED;	/* then there is no cut */
	return (false);
}

static void
bus_port_frame(struct bus_port *b, struct slice frame)
{
	counter_add(COUNTER_bus_envelopes_in, 1);
	if (bus_frame_kind(frame) == BUS_MARK)
		bus_port_mark(b, frame);
	else if (!bus_port_keeps_aside(b, frame))
		b->up.frame(b->up.arg, frame);
}

/* Hand over the whole frames in b->in; false: the stream is nonsense. */
static bool
bus_port_frames(struct bus_port *b)
{
	uint64_t slots[2];
	uint16_t flags;
	struct slice s;
	ssize_t n;

	while (!b->held || b->mark == BUS_PORT_UNMARKED) {
		s = buf_unread(&b->in);
		n = bus_frame(s, slots, &flags);
		if (n == CODEC_BAD)
			return (false);
		if (n == 0 || (size_t)n > s.n)
			return (true);
		bus_port_frame(b, slice_of(s.p, (size_t)n));
		buf_consume(&b->in, (size_t)n);
	}
	return (true);
}

/* One read; false: nothing more now. */
static bool
bus_port_read(struct bus_port *b)
{
	ssize_t n;
	size_t room;

	if (!buf_reserve(&b->in, BUS_PORT_READ)) {
		b->in.oom = false;	/* later, perhaps */
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	room = b->in.cap - b->in.wpos;
	n = recv(b->io.fd, b->in.data + b->in.wpos, room, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR ||
	    errno == ENOBUFS || errno == ENOMEM))
		return (false);
	if (n == 0 && b->shut && buf_unread(&b->in).n == 0) {
		bus_port_ended(b);
		return (false);
	}
	if (n <= 0) {
		bus_port_lost(b, n == 0 ? "eof" : "read");
		return (false);
	}
	counter_add(COUNTER_bus_units_in, 1);
	counter_add(COUNTER_bus_bytes_in, (uint64_t)n);
	b->in.wpos += (size_t)n;
	if (!bus_port_frames(b)) {
		counter_add(COUNTER_bus_bad, 1);
		bus_port_lost(b, "malformed");
		return (false);
	}
	return ((size_t)n == room);
}

static void
bus_port_event(struct loop_fd *f, unsigned events)
{
	struct bus_port *b = container_of(f, struct bus_port, io);
	unsigned i;

	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	if (events & LOOP_OUT)
		b->blocked = false;	/* the end of the turn writes */
	if (events & (LOOP_IN | LOOP_HUP))
		for (i = 0; i < BUS_PORT_READS && bus_port_read(b); i++)
			continue;
	if (b->io.fd == -1)
		return;
	if (buf_unread(&b->in).n == 0 && b->in.cap > 4 * BUS_PORT_READ) {
		buf_fini(&b->in);
		buf_init(&b->in);
	}
	if ((events & LOOP_OUT) && !b->blocked)
		bus_port_want(b, false);
}

bool
bus_port_open(struct bus_port *b, int fd)
{
	unsigned i;

	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	/* a relay that died has perhaps sent more than was read */
	for (i = 0; b->io.fd != -1 && i < BUS_PORT_LAST &&
	    (bus_port_read(b) || b->shut); i++)
		continue;	/* one that was shut: to its end */
	if (b->io.fd != -1)
		bus_port_lost(b, "replaced");
	if (loop_add(b->loop, &b->io, fd, LOOP_IN, bus_port_event) == -1) {
		log_warn("relay_watch");
		(void)close(fd);
		return (false);
	}
	if (b->opened && !b->ended)
		counter_add(COUNTER_bus_reconnects, 1);
	b->opened = true;
	b->ended = false;
	return (true);
}

/* --- standing still ------------------------------------------------------ */

void
bus_port_hold(struct bus_port *b, uint64_t batch)
{
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	MUST(!b->held);
	b->held = true;
	b->mark = BUS_PORT_UNMARKED;
	b->batch = batch;
}

enum bus_port_mark
bus_port_marked(const struct bus_port *b)
{
	return (b->mark);
}

int
bus_port_fd(const struct bus_port *b)
{
	return (b->io.fd);
}

short
bus_port_events(const struct bus_port *b)
{
	return (bus_port_unsent(b).n == 0 ? POLLIN : POLLIN | POLLOUT);
}

void
bus_port_pump(struct bus_port *b)
{
	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	if (b->io.fd != -1)
		(void)bus_port_read(b);
	if (b->io.fd != -1)
		bus_port_write(b);
}

/* In the order in which they came: those aside were before the mark. */
void
bus_port_release(struct bus_port *b)
{
	struct buf aside = b->aside;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	CHECK_MAGIC(b, BUS_PORT_MAGIC);
	b->held = false;
	buf_init(&b->aside);
	while ((n = bus_frame(buf_unread(&aside), slots, &flags)) > 0) {
		b->up.frame(b->up.arg, slice_of(buf_unread(&aside).p,
		    (size_t)n));
		buf_consume(&aside, (size_t)n);
	}
	buf_fini(&aside);
	if (b->io.fd != -1 && !bus_port_frames(b)) {
		counter_add(COUNTER_bus_bad, 1);
		bus_port_lost(b, "malformed");
	}
}
