/*
 * HTTP on a connection: one request after the other, read, routed, answered.
 * Who serves a route gets a struct request, and replies exactly once (reply.h),
 * wants its body first (body.h), or turns the connection into a WebSocket.
 */
#ifndef WORKER_HTTP_REQUEST_H
#define WORKER_HTTP_REQUEST_H

#include "proto/http.h"
#include "worker/http/from.h"
#include "worker/http/route.h"
#include "worker/http/trace.h"

struct conn;
struct conf_api_key;
struct hearing;
struct worker;

struct request {
	struct worker	*w;
	struct conn	*c;
	struct http_request head;	/* points into the worker's buffer */
	struct from	 from;		/* who asks; of a body that came later:
					 * nobody */
	struct trace	 trace;		/* its name; of a body that came
					 * later it stands in lines */
	struct route_match match;
	const struct route_row *row;	/* of the route */
	const struct conf_api_key *key;	/* API: whose it is */
	const char	*lines;		/* of the head of its response, each
					 * with CRLF; NULL: none */
	struct slice	 all;		/* the head and all behind it */
	struct slice	 rest;		/* bytes behind the head */
	size_t		 body_used;	/* of rest */
	bool		 passed;	/* all of it, to another worker */
	bool		 wait;		/* not now: what is queued goes first */
	bool		 later;		/* not now: it is asked again, each turn */
	bool		 keep_alive;	/* the connection stays */
	struct hearing	*hearing;	/* what a hook was asked about it; NULL: it
					 * has not been */
	bool		 hears;		/* not now: an answer of that is to come */
	bool		 again;		/* an event source asks: it comes back if
					 * it is told so, and never after a
					 * status of an error */
};

/* Hands (conn.h) of HTTP: */
size_t	request_input(struct conn *, uint8_t *p, size_t n, size_t old);
/* The request was not complete in time. */
void	request_due(struct conn *);
void	request_parting(struct conn *);
/* ... while it is not known what a hook says. */
size_t	request_hearing_input(struct conn *, uint8_t *p, size_t n, size_t old);
void	request_hearing_parting(struct conn *);
/* hub_ports.heard: it is known now. */
void	request_heard(void *worker, void *asker);
/* ... while a response comes later. */
size_t	request_held_input(struct conn *, uint8_t *p, size_t n, size_t old);
/* A route's serve: 404. */
void	request_not_found(struct request *);

#endif
