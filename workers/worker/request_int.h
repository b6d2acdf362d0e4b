/*
 * Between request.c and request_body.c.
 */
#ifndef WORKER_REQUEST_INT_H
#define WORKER_REQUEST_INT_H

#include "worker/request.h"

/* One more response of this status. */
void	request_count(int status);
/* A request that cannot be told apart from what follows it. */
void	request_bad(struct conn *, int status, const char *why);
/* More of the body that c->body collects; returns bytes used. */
size_t	request_body_input(struct conn *, const uint8_t *p, size_t n);

#endif
