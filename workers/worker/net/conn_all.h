/*
 * The connections that one session of requests has at a time, of which each has a
 * number and stands in a field of its own: what goes over to another worker with
 * the session, and what is done to all of them.
 */
#ifndef WORKER_NET_CONN_ALL_H
#define WORKER_NET_CONN_ALL_H

#include "worker/worker.h"

struct buf;
struct conn;
struct hub_move;
struct state_in;

/* The fields, by number; NULL in one: there is none. */
struct conn_all {
	struct conn	**const *at;
	unsigned	 n;
};

unsigned conn_all_count(struct conn_all);
/* All but except (or NULL) may move now. */
bool	conn_all_may_move(struct conn_all, const struct conn *except) MUST_USE;
/* Of each that there is: conn_freeze(), conn_thaw(), conn_activate(). */
void	conn_all_each(struct conn_all, void (*)(struct conn *));
/* The fields are NULL, then f() has each; back() first, so that it knows its
 * session no more. */
void	conn_all_forget(struct conn_all, void (*back)(struct conn *),
	    void (*f)(struct conn *));

/* fds: of those that there are, in their order.  false: no memory. */
bool	conn_all_save(struct conn_all, struct hub_move *, struct buf *, int fds[])
	    MUST_USE;
/*
 * From n descriptors, of which those that are a connection now are -1.  fits():
 * it is what its number says, and knows its session from now on.  false: bad, or
 * no memory; what is in the fields stays there.
 */
bool	conn_all_load(struct conn_all, struct worker *, struct hub_move *,
	    struct state_in *, int fds[], unsigned n,
	    bool (*fits)(void *arg, unsigned i, struct conn *), void *arg)
	    MUST_USE;

#endif
