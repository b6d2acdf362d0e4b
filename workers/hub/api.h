/*
 * The HTTP API's bodies: JSON in, publication out, JSON back.  What needs no
 * socket of it; key checks and HTTP itself are the worker's.
 */
#ifndef HUB_API_H
#define HUB_API_H

#include "hub/hub.h"

/* Each appends a JSON body to out and returns the HTTP status. */
int	api_publish(struct hub *, struct slice body, struct buf *out) MUST_USE;
int	api_batch(struct hub *, struct slice body, struct buf *out) MUST_USE;
/* {"error":{"code","message"}} */
void	api_error(struct buf *out, const char *code, const char *message);

#endif
