/*
 * WebSocket frames on a connection: decoded where they were read, control
 * frames answered, messages to the hub's client or to whoever else they are
 * for; and the closing handshake.
 */
#ifndef WORKER_WEBSOCKET_FRAMES_H
#define WORKER_WEBSOCKET_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/slice.h"

struct client;
struct conn;
struct ws_event;

/* The 101 is queued: from now on frames go to this client (NULL: no memory,
 * the connection is closed with REASON_memory). */
void	frames_open(struct conn *, struct client *);
/* The same, and it ends at once: with this binary message, and for that reason. */
void	frames_refuse(struct conn *, struct slice message, enum reason);
/* The same without a client so far, for ms. */
void	frames_candidate(struct conn *, uint64_t ms);

/* Text, binary, or a pong. */
typedef void frames_message_cb(struct conn *, struct ws_event *);
/* Use of p[n], as long as the connection's state is the same. */
size_t	frames_take(struct conn *, uint8_t *p, size_t n, frames_message_cb *);

/* Hands (conn.h) of WebSockets with a client: */
size_t	frames_input(struct conn *, uint8_t *p, size_t n, size_t old);
void	frames_due(struct conn *);
/* ... and without; */
void	frames_parting(struct conn *);
/* ... of those that are closing. */
size_t	frames_closing_input(struct conn *, uint8_t *p, size_t n, size_t old);

#endif
