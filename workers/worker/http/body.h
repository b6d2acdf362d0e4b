/*
 * The bodies of requests, for those whose route has a use for them (route.h);
 * whoever else sends one is answered and closed.
 */
#ifndef WORKER_HTTP_BODY_H
#define WORKER_HTTP_BODY_H

#include "base/bug.h"
#include "base/slice.h"

struct buf;
struct conn;
struct http_body;
struct request;
struct state_in;
struct worker;

/* The body of this request is wanted: its route's `body` gets it when it is
 * complete, or its `refused` is told. */
void	body_want(struct request *);
/* More of what c->body collects; returns bytes used. */
size_t	body_input(struct conn *, const uint8_t *p, size_t n);
/* What has come of it so far. */
struct slice body_part(const struct conn *);
void	body_free(struct http_body **);
/* For another worker.  save: false, no memory.  load: NULL, it is bad, there is
 * no memory, or the key that it came with is none any more. */
bool	body_save(const struct http_body *, struct buf *) MUST_USE;
struct http_body *body_load(const struct worker *, struct state_in *) MUST_USE;

#endif
