/*
 * HTTP on a connection: one request after the other, read, routed, answered.
 * Bodies are read for the API and Engine.IO only; whoever else sends one is
 * answered and closed.  Handlers get a struct request and reply exactly once, or turn the
 * connection into a WebSocket.
 */
#ifndef WORKER_REQUEST_H
#define WORKER_REQUEST_H

#include "proto/http.h"
#include "worker/coded.h"
#include "worker/route.h"

struct conn;
struct http_body;
struct outq;
struct worker;

struct request {
	struct worker	*w;
	struct conn	*c;
	struct http_request head;	/* points into the worker's buffer */
	struct route_match match;
	const struct conf_api_key *key;	/* API: whose it is */
	const char	*lines;		/* of the head of its response, each
					 * with CRLF; NULL: none */
	struct slice	 all;		/* the head and all behind it */
	struct slice	 rest;		/* bytes behind the head */
	size_t		 body_used;	/* of rest */
	bool		 handed_over;	/* all of it, to another worker */
	bool		 wait;		/* not now: what is queued goes first */
	bool		 keep_alive;	/* the connection stays */
};

/*
 * From conn.c: use of p[n] (n > 0), the first `old` bytes of which were seen
 * before.  Returns bytes used, 0: more are needed, or the response first.
 */
size_t	request_input(struct conn *, uint8_t *p, size_t n, size_t old);
/* The request was not complete in time. */
void	request_timeout(struct conn *);
void	http_body_free(struct http_body **);

/* For handlers.  type may be NULL; extra: header lines, each with CRLF. */
void	request_reply(struct request *, int status, const char *type,
	    struct slice body, const char *extra);
/* The same in the coding that the client likes, if that is worth while. */
void	request_reply_coded(struct request *, int status, const char *type,
	    struct slice body, const char *extra);
/* {"error":{"code","message"}} */
void	request_error(struct request *, int status, const char *code,
	    const char *message);
/* 429, with the time from which on it is allowed (0: nobody knows). */
void	request_later(struct request *, const char *code, const char *message,
	    uint64_t retry_ms);
/* The body of this request is wanted: when it is complete, api_body() or
 * polling_body(). */
void	request_want_body(struct request *);
/* What has come of it so far. */
struct slice request_body_part(const struct conn *);
/* It is answered later; what follows it on the connection waits. */
void	request_hold(struct request *);
/* Now: n bytes of that queue are the body, in a coding if that may be. */
void	request_answer(struct conn *, int status, const char *type,
	    const char *lines, struct coded_wish, struct outq *, size_t n);

/* Now: these bytes are the body. */
void	request_answer_bytes(struct conn *, int status, const char *type,
	    const char *lines, struct slice body);

/* Handlers: transport.c, index.c, status.c, api_http.c */
void	transport_serve(struct request *);
void	index_serve(struct request *);
void	status_health(struct request *);
void	status_probe(struct request *);		/* livez, readyz, healthz */
void	status_metrics(struct request *);
void	demo_serve(struct request *);
void	api_head(struct request *);
void	api_presence_get(struct request *);
void	api_body(struct request *, struct slice body);
/* hub_ports.answered; the connection that waits for it is closing. */
void	api_answered(void *worker, void *conn, struct slice body);
void	api_conn_gone(struct conn *);

#endif
