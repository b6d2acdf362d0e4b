/*
 * What the files of a connection share.  Private to conn*.c.
 */
#ifndef WORKER_NET_CONN_INT_H
#define WORKER_NET_CONN_INT_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/counters.h"
#include "sys/loop.h"

struct conn;

/* conn_tls.c: a step of it. */
void	conn_handshake(struct conn *);
/* It will not come to its end: why, as a counter. */
void	conn_tls_lost(enum counter why);
/* conn_in.c */
void	conn_event(struct loop_fd *, unsigned events);
/* Keep these bytes, of which there are some; false: no memory. */
bool	conn_tail_keep(struct conn *, const uint8_t *p, size_t n) MUST_USE;
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
/* It parts: on the list of those, unless it is frozen. */
void	conn_list(struct conn *);
/* Forget all that hangs on it, but not the socket. */
void	conn_forget(struct conn *);

#endif
