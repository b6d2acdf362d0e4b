/*
 * A worker as the relay sees it; see peer.h.
 */
#include "relay/local/peer.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/counters.h"

#define PEER_READ	(256u << 10)	/* bytes of one read */
#define PEER_KEEP	(1u << 20)	/* larger empty queues are given back */

struct peer *
peer_new(struct loop *loop, unsigned slot, uint32_t generation, int fd,
    size_t limit, loop_cb *on_event)
{
	struct peer *p;
	int error;

	p = calloc(1, sizeof *p);
	if (p == NULL || loop_add(loop, &p->io, fd, LOOP_IN, on_event) ==
	    -1) {
		error = errno;
		free(p);
		(void)close(fd);
		errno = error;
		return (NULL);
	}
	p->magic = PEER_MAGIC;
	p->slot = slot;
	p->generation = generation;
	p->loop = loop;
	p->limit = limit;
	buf_init(&p->in);
	buf_init(&p->out);
	return (p);
}

void
peer_free(struct peer **pp)
{
	struct peer *p;

	p = *pp;
	if (p == NULL)
		return;
	*pp = NULL;
	CHECK_MAGIC(p, PEER_MAGIC);
	counter_sub(COUNTER_bus_queue_bytes, buf_unread(&p->out).n);
	loop_del(p->loop, &p->io);
	(void)close(p->io.fd);
	buf_fini(&p->in);
	buf_fini(&p->out);
	p->magic = 0;
	free(p);
}

bool
peer_queue(struct peer *p, struct slice frame, bool is_volatile)
{
	size_t queued;

	CHECK_MAGIC(p, PEER_MAGIC);
	queued = buf_unread(&p->out).n;
	if (is_volatile && queued > p->limit / 2) {
		counter_add(COUNTER_bus_dropped_volatile, 1);
		return (false);
	}
	/* one frame always fits an empty queue, however large */
	if (queued > 0 && queued + frame.n > p->limit) {
		counter_add(COUNTER_bus_dropped, 1);
		return (false);
	}
	buf_slice(&p->out, frame);
	if (p->out.oom) {
		p->out.oom = false; /* nothing was appended */
		counter_add(COUNTER_memory_failures, 1);
		counter_add(COUNTER_bus_dropped, 1);
		return (false);
	}
	p->queued += frame.n;
	counter_add(COUNTER_bus_queue_bytes, frame.n);
	counter_add(COUNTER_bus_envelopes_out, 1);
	return (true);
}

enum peer_result
peer_read(struct peer *p, struct slice *got)
{
	static uint8_t bytes[PEER_READ]; /* shared by all: one thread */
	ssize_t n;

	CHECK_MAGIC(p, PEER_MAGIC);
	*got = slice_of(NULL, 0);
	n = recv(p->io.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN)
		return (PEER_DRY);
	if (n == -1 && (errno == EINTR || errno == ENOBUFS ||
	    errno == ENOMEM))
		return (PEER_OK);
	if (n <= 0)
		return (PEER_GONE);
	counter_add(COUNTER_bus_units_in, 1);
	counter_add(COUNTER_bus_bytes_in, (uint64_t)n);
	*got = slice_of(bytes, (size_t)n);
	if (p->in.rpos != p->in.wpos) {
		buf_slice(&p->in, *got);
		*got = buf_unread(&p->in);
	}
	return (p->in.oom ? PEER_BAD : PEER_OK);
}

enum peer_result
peer_keep(struct peer *p, struct slice got, size_t taken)
{
	CHECK_MAGIC(p, PEER_MAGIC);
	if (p->in.rpos != p->in.wpos)
		buf_consume(&p->in, taken);
	else
		buf_slice(&p->in, slice_from(got, taken));
	if (p->in.oom)
		return (PEER_BAD);
	if (p->in.rpos == p->in.wpos && p->in.cap > PEER_KEEP) {
		buf_fini(&p->in);
		buf_init(&p->in);
	}
	return (PEER_OK);
}

void
peer_lose(struct peer *p)
{
	CHECK_MAGIC(p, PEER_MAGIC);
	counter_add(COUNTER_bus_lost_bytes, buf_unread(&p->in).n +
	    buf_unread(&p->out).n);
}

static enum peer_result
peer_wait_writable(struct peer *p, bool stuck)
{
	unsigned in = p->ended ? 0 : LOOP_IN;

	p->stuck = stuck;
	if (loop_mod(p->loop, &p->io, stuck ? in | LOOP_OUT : in) == -1)
		return (PEER_GONE);
	return (PEER_OK);
}

bool
peer_end(struct peer *p)
{
	CHECK_MAGIC(p, PEER_MAGIC);
	if (p->in.rpos != p->in.wpos)
		return (false);
	p->ended = true;
	return (peer_wait_writable(p, p->stuck) == PEER_OK);
}

enum peer_result
peer_flush(struct peer *p)
{
	struct slice out;
	ssize_t n;

	CHECK_MAGIC(p, PEER_MAGIC);
	out = buf_unread(&p->out);
	if (p->stuck || out.n == 0)
		return (PEER_OK);
	n = send(p->io.fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
	    errno != ENOMEM)
		return (PEER_GONE);
	if (n > 0) {
		counter_add(COUNTER_bus_units_out, 1);
		counter_add(COUNTER_bus_bytes_out, (uint64_t)n);
		counter_sub(COUNTER_bus_queue_bytes, (uint64_t)n);
		buf_consume(&p->out, (size_t)n);
		p->sent += (uint64_t)n;
	}
	if (p->out.rpos != p->out.wpos)
		return (peer_wait_writable(p, true));
	if (p->out.cap > PEER_KEEP) {
		buf_fini(&p->out);
		buf_init(&p->out);
	}
	return (PEER_OK);
}

enum peer_result
peer_writable(struct peer *p)
{
	if (peer_wait_writable(p, false) != PEER_OK)
		return (PEER_GONE);
	return (peer_flush(p));
}
