/*
 * Words for the operator about those who were refused at the door, and about
 * back ends that are told nothing: of each kind one line a second at most, with
 * what was wrong and the directive that decides.  A peer's own words are made
 * safe; tokens are never among them.
 */
#ifndef WORKER_HTTP_REFUSAL_H
#define WORKER_HTTP_REFUSAL_H

#include "proto/token.h"

struct request;

/* For the trail alone, with this code, and perhaps as this user: who asks. */
void	refusal_told(const struct request *, struct slice user,
	    const char *code);
void	refusal_host(const struct request *);
void	refusal_origin(const struct request *);
/* Of the HTTP API. */
void	refusal_key(const struct request *);
/* ... a key that is good, but not from there. */
void	refusal_place(const struct request *, const char *key);
/* Of Engine.IO. */
void	refusal_version(const struct request *);
/* hub_ports.refused; w: the worker. */
void	refusal_token(void *w, enum authfail, bool certificate);
/* hub_ports.unpublished; likewise. */
void	refusal_publish(void *w, struct slice code, struct slice message);

#endif
