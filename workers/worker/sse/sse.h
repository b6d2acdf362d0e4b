/*
 * Event streams: /sse/NAMESPACE?room=...&room=..., a response that does not end.
 * What goes out is the hub's; here are the request, and the words at the end.
 */
#ifndef WORKER_SSE_SSE_H
#define WORKER_SSE_SSE_H

#include <stddef.h>
#include <stdint.h>

struct conn;
struct request;

/* A route's serve. */
void	sse_serve(struct request *);

/* Hands (conn.h) of streams. */
size_t	sse_input(struct conn *, uint8_t *p, size_t n, size_t old);
void	sse_due(struct conn *);
void	sse_parting(struct conn *);

#endif
