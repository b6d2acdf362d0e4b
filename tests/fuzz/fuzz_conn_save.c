/*
 * Connections out of bytes that may be anything: what does not load leaves
 * nothing behind; what loads saves as itself, goes on, and ends.
 */
#include <sys/socket.h>

#include <unistd.h>

#include "tests/lib/conn_world.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* It says the same again, but for its age, if that is too far away. */
static void
again(struct conn *c, struct slice data)
{
	struct buf b;

	buf_init(&b);
	if (conn_may_move(c)) {
		MUST(conn_save(c, NULL, &b));
		MUST(b.wpos <= data.n + 64);
	}
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct state_in in = state_in(slice_of(data, n));
	struct conn *c;
	int fds[2];

	if (world.segment == NULL)
		world_init();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds) == 0);
	c = conn_load(world.w[1], NULL, &in, fds[0]);
	if (c != NULL) {
		again(c, slice_of(data, n));
		if (conn_needs_session(c)) {
			conn_unload(c);
		} else {
			conn_activate(c);
			MUST(send(fds[1], "x\n", 2, MSG_NOSIGNAL) == 2);
			world_turn(world.w[1]);
			world_turn(world.w[1]);
		}
	}
	world_end_all(world.w[1]);
	MUST(world.nclients == 0 && world.nbodies == 0);
	MUST(counter_get(COUNTER_connections_open) == world.open);
	MUST(counter_get(COUNTER_ws_open) == world.ws_open);
	MUST(counter_get(COUNTER_send_queue_bytes) == world.queued);
	buf_reset(&world.read[1]);
	(void)close(fds[1]);
	return (0);
}
