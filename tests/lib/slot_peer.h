/*
 * A worker in this slot, as an exchange knows it: the other end of its stream is
 * the test's.
 */
#ifndef TESTS_LIB_SLOT_PEER_H
#define TESTS_LIB_SLOT_PEER_H

#include <sys/socket.h>

#include "check.h"
#include "relay/local/exchange.h"
#include "relay/local/peer.h"

static inline void
slot_peer_event(struct loop_fd *f, unsigned events)
{
	(void)f;
	(void)events;
}

static inline struct peer *
slot_peer_new(struct loop *loop, struct exchange *x, unsigned slot,
    size_t limit, int *far_end)
{
	struct peer *p;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
	*far_end = fds[1];
	p = peer_new(loop, slot, slot, fds[0], limit, slot_peer_event);
	assert_non_null(p);
	exchange_add(x, p);
	return (p);
}

#endif
