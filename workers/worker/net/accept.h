/*
 * New connections: this worker's listening sockets, the limit on connections,
 * and what to do when descriptors run out.
 */
#ifndef WORKER_NET_ACCEPT_H
#define WORKER_NET_ACCEPT_H

#include <stdbool.h>

#include "base/bug.h"

struct conn;
struct worker;

/* Watch the inherited listeners; fatal when that is impossible. */
void	accept_open(struct worker *);
/* Before that: all who wait already. */
void	accept_rest(struct worker *);
/* Stop accepting for good: the sockets are closed here, the master's live. */
void	accept_close(struct worker *);
/* Now and then: listen again after a failure. */
void	accept_tick(struct worker *);
/* A descriptor of another worker's connection may not stay: too few are left
 * for ourselves.  The client is told, the descriptor closed. */
bool	accept_turned_away(struct worker *, int fd) MUST_USE;
/* The next descriptor that comes must find room: the reserve is given up for
 * now. */
void	accept_yield(struct worker *);
/* A guest asks for something else than a status page, or for nothing: the
 * answer. */
void	accept_refuse_guest(struct conn *);
/* ... is the caller's. */
void	accept_note_guest(struct conn *);

/* Its address, which is known by now, has too many: the answer. */
void	accept_refuse_address(struct conn *);

#endif
