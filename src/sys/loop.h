/*
 * The event loop of a role: descriptors, timers, and one hook that runs at
 * the end of each turn (where output is flushed).  One loop a process, no
 * threads.  A callback may close any descriptor, its own too: events already
 * fetched for a descriptor that was removed are dropped.
 */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include "sys/timer.h"

/*
 * Events wanted and reported.  HUP is reported, wanted or not, when the
 * connection is gone or in error (together with those of IN and OUT that are
 * wanted, so that the next read or write meets the error); wanted, it also
 * tells of a peer that has shut down its sending side.  EDGE is only wanted.
 */
enum {
	LOOP_IN = 1, LOOP_OUT = 2, LOOP_HUP = 4, LOOP_EDGE = 8
};

struct loop;
struct loop_fd;
typedef void loop_cb(struct loop_fd *, unsigned events);

struct loop_fd {		/* embed in what owns the fd; zeroed, fd = -1 */
	int		 fd;
	unsigned	 events;	/* wanted now */
	loop_cb		*on_event; /* NULL: not watched */
	uint32_t	 pending;	/* private: place in the fetched batch */
	uint32_t	 own;		/* of who embeds it; the loop lets it be */
};

struct loop *loop_new(void) MUST_USE;		/* fatal without epoll */
void	loop_free(struct loop **);
/* 0 or -1 + errno (ENOSPC, ENOMEM: the world is short). */
int	loop_add(struct loop *, struct loop_fd *, int fd, unsigned events,
	    loop_cb *) MUST_USE;
int	loop_mod(struct loop *, struct loop_fd *, unsigned events) MUST_USE;
/* Stop watching, before the fd is closed; fd keeps its value for the owner to
 * close.  Harmless when not watched. */
void	loop_del(struct loop *, struct loop_fd *);

struct wheel *loop_wheel(struct loop *);
/* The time taken once, after the wait of this turn. */
struct mono loop_now(const struct loop *);
struct wall loop_wall(const struct loop *);

struct loop_hooks {
	void	(*before_wait)(void *arg);	/* end of turn: flush */
	void	(*after_wait)(void *arg);
	/* work is left for which no event will come: do not sleep */
	bool	(*busy)(void *arg);
	void	*arg;
};
void	loop_hooks(struct loop *, const struct loop_hooks *);
/* Asked now and then between events, with the hooks' arg.  true: the turn ends,
 * and the next one goes on with the events that are left, without a wait. */
void	loop_enough(struct loop *, bool (*enough)(void *arg));
/*
 * Run until loop_stop().  A turn: before_wait, wait, after_wait, events, then
 * timers (so that a byte that came in time beats its deadline).  It waits at
 * most LOOP_WAIT_MS, so hooks run (and heartbeats beat) at least that often.
 */
#define LOOP_WAIT_MS	1000
void	loop_run(struct loop *);
void	loop_stop(struct loop *);

#endif
