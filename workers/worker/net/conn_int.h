/*
 * What the three files of a connection share.  Private to them.
 */
#ifndef WORKER_NET_CONN_INT_H
#define WORKER_NET_CONN_INT_H

#include "sys/loop.h"

struct conn;

/* conn_in.c */
void	conn_event(struct loop_fd *, unsigned events);
/* Go on with what was kept (a response is out now), then read. */
void	conn_resume(struct conn *);
/* conn_out.c: send, whatever the queue says about being blocked. */
void	conn_out(struct conn *);
/* Blocked for as long as it may be: but some of what the kernel has for it was
 * read in this time, so there is more of it. */
bool	conn_is_read(struct conn *) MUST_USE;
/* So many bytes wait for the socket now. */
void	conn_waiting(struct conn *, uint64_t bytes);
/* conn.c: LINGER, and nothing is queued any more. */
void	conn_flushed(struct conn *);

#endif
