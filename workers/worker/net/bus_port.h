/*
 * This worker's end of the stream to the relay: envelopes out, collected and
 * written once a turn; frames in, handed over whole.  Survives the relay: a
 * new stream comes by bus_port_open(), and what was queued goes on at a frame
 * boundary.  For a hand-over it is read up to the relay's mark, and no further
 * (relay/local/cut.h).
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

/* Has the mark come? */
enum bus_port_mark { BUS_PORT_UNMARKED, BUS_PORT_MARKED, BUS_PORT_REFUSED };

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
	bool		 held;		/* until bus_port_release() */
	enum bus_port_mark mark;
	uint64_t	 batch;		/* of the mark */
	struct buf	 aside;		/* whole frames, for then */
	bool		 leaves;	/* BUS_LEAVE was sent */
	bool		 left;		/*   and is answered */
	bool		 ending;	/* nothing more is written into it than
					 * the rest of a frame, */
	bool		 shut;		/*   and no more: it is shut */
	bool		 ended;		/*   and was read to its end */
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
/* The relay is replaced: shut the stream where a frame ends, read on to its
 * end, keep what is queued for the next.  That it ends is no loss, */
void	bus_port_end(struct bus_port *);
/*   unless one hears that it was. */
void	bus_port_end_failed(struct bus_port *);
/*
 * Queue an envelope: false when it does not fit (volatile ones have half the
 * room), counted.  While there is no relay the queue fills up to its limit.
 */
bool	bus_port_send(struct bus_port *, const struct bus_envelope *) MUST_USE;
/* BUS_LEAVE, once; false: it has not been answered.  true also where there is no
 * relay. */
bool	bus_port_leave(struct bus_port *, unsigned slot, uint32_t generation);
/* What was queued in turns before is not all written. */
bool	bus_port_is_behind(const struct bus_port *);
/* End of the turn: one write. */
void	bus_port_flush(struct bus_port *);

/* --- standing still ------------------------------------------------------ */

/*
 * From now on what would make this worker publish is kept aside, and what is
 * behind the mark of that batch stays unread.  Between the two calls the loop
 * does not run: the owner waits for bus_port_events() on bus_port_fd(), and
 * calls bus_port_pump().
 */
void	bus_port_hold(struct bus_port *, uint64_t batch);
enum bus_port_mark bus_port_marked(const struct bus_port *);
int	bus_port_fd(const struct bus_port *);	/* -1: no relay */
short	bus_port_events(const struct bus_port *);	/* as poll(2) has them */
/* One read and one write, of what is possible. */
void	bus_port_pump(struct bus_port *);
/* All of it now, in order. */
void	bus_port_release(struct bus_port *);

#endif
