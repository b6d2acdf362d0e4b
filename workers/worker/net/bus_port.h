/*
 * This worker's end of the stream to the relay: envelopes out, collected and
 * written once a turn; frames in, handed over whole.  Survives the relay: a
 * new stream comes by bus_port_open(), and what was queued goes on at a frame
 * boundary.
 */
#ifndef WORKER_NET_BUS_PORT_H
#define WORKER_NET_BUS_PORT_H

#include "base/buf.h"
#include "sys/loop.h"

struct bus_envelope;

#define BUS_PORT_READ	(64u << 10)	/* bytes per read, at least */
#define BUS_PORT_READS	16		/* reads per turn, at most */

struct bus_port_calls {
	void	*arg;
	void	(*frame)(void *arg, struct slice frame);
	void	(*lost)(void *arg);	/* the stream broke */
};

struct bus_port {
	unsigned	 magic;
#define BUS_PORT_MAGIC	0xb0590001
	struct loop	*loop;
	struct loop_fd	 io;		/* fd -1: no relay now */
	struct bus_port_calls up;
	uint64_t	 limit;		/* bytes queued at most */
	uint32_t	 sent;		/* bytes of the first frame of out that
					 * this stream has taken */
	bool		 blocked;	/* the socket is full */
	bool		 opened;	/* not the first stream */
	struct buf	 out;		/* whole frames */
	struct buf	 in;		/* an incomplete frame */
};

struct bus_port *bus_port_new(struct loop *, uint64_t limit,
	    const struct bus_port_calls *) MUST_USE;	/* NULL: no memory */
void	bus_port_free(struct bus_port **);
/* A new stream, which takes the place of the old one; fd is ours, also when
 * it is of no use (false). */
bool	bus_port_open(struct bus_port *, int fd) MUST_USE;
bool	bus_port_up(const struct bus_port *);
/*
 * Queue an envelope: false when it does not fit (volatile ones have half the
 * room), counted.  While there is no relay the queue fills up to its limit.
 */
bool	bus_port_send(struct bus_port *, const struct bus_envelope *) MUST_USE;
/* What was queued in turns before is not all written. */
bool	bus_port_is_behind(const struct bus_port *);
/* End of the turn: one write. */
void	bus_port_flush(struct bus_port *);

#endif
