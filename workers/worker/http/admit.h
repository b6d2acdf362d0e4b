/*
 * What every transport asks of a request that would become a client: may this
 * page, does this worker take new ones, is its address not too fast, which
 * token does it bring, what does its path name.  What a token says is the
 * hub's; refusals are in the words of the API, or the transport's own.
 */
#ifndef WORKER_HTTP_ADMIT_H
#define WORKER_HTTP_ADMIT_H

#include "base/bug.h"
#include "proto/http.h"
#include "shm/counters.h"

struct client_request;
struct refusal;
struct request;

/* The subprotocol that brings a token, which is behind it. */
#define ADMIT_BEARER	"bearer."

/* The subprotocols that are offered. */
struct http_list admit_protocols(const struct request *);
/* The page that asks, if a page asks, may connect. */
bool	admit_origin(const struct request *) MUST_USE;
/* May one more ask at all?  Then cr has its address and token, the latter in
 * front in the worker's `decoded`.  false: no, and answered. */
bool	admit_asks(struct request *, struct client_request *cr) MUST_USE;
/*
 * May there be one more session without a connection?  It costs those who open
 * it nothing, only us memory, so there are as many as connections: of an address
 * in the whole host (*node is what to give back), of all in each worker, which
 * has n.  false: no more, answered.
 */
bool	admit_session(struct request *, size_t n, uint32_t *node) MUST_USE;
/* The token that it brings, where one is looked for first; empty: none.  In the
 * worker's `decoded`, or in the head. */
struct slice admit_token(struct request *);
/* What its client has seen of the namespace's rooms (?since=); empty: it says
 * nothing.  Valid until the next request. */
struct slice admit_since(const struct request *);
/* Namespace, route and parameters out of the path, behind the token; false:
 * there is no such endpoint. */
bool	admit_target(struct request *, struct client_request *cr) MUST_USE;

/* An upgrade that is refused ends the connection: what the client sent behind
 * it was meant for a WebSocket. */
void	admit_end(struct request *);
/* The same, counted, and told to the trail with this code. */
void	admit_refuse(struct request *, enum counter why, const char *code);
/* The hub does not take it: the answer.  user: as whom, empty: nobody. */
void	admit_refused(struct request *, const struct refusal *,
	    struct slice user);

#endif
