/*
 * What is kept of the request by which a client came, where rules or back ends
 * ask for some of it: {"trace":{...},"address","query":{...},"headers":{...}}, as JSON.  It
 * belongs to the connection: a session that is recovered has that of its new one.
 * Those that keep nothing have none, and pay a bit.
 */
#ifndef HUB_SESSION_HANDSHAKE_H
#define HUB_SESSION_HANDSHAKE_H

#include "base/bug.h"
#include "base/slice.h"

struct buf;
struct client;
struct conf_namespace;
struct handshake;
struct hub;
struct principal;
struct session;

struct handshakes *handshakes_new(void) MUST_USE;
void	handshakes_free(struct hub *);

/* Copied; at most HANDSHAKE_MAX bytes.  NULL: no memory, which is counted. */
struct handshake *handshake_new(struct slice json) MUST_USE;
void	handshake_free(struct handshake **);	/* one that nobody has */
/* Takes it over; NULL is none. */
void	handshake_give(struct client *, struct handshake **);
void	handshake_drop(struct client *);

/* Empty: none. */
struct slice handshake_of_client(const struct client *);
/* A value, raw JSON, of "query" or "headers", or of the whole (part empty);
 * false: it is not there. */
bool	handshake_value(const struct session *, struct slice part,
	    struct slice name, struct slice *value) MUST_USE;
/* {"query":{...},"headers":{...}}: what the namespace of the session may see;
 * nothing, where there is none. */
void	handshake_put(const struct session *, struct buf *);
/* {"address":...,"query":{...},"headers":{...},"claims":{...}}: the same of one
 * who is about to come, with the claims of his token that the namespace keeps.
 * json: what is kept of his handshake, or empty; who may be NULL. */
void	handshake_put_all(const struct conf_namespace *, struct slice json,
	    const struct principal *who, struct buf *);

#endif
