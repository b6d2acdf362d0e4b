/*
 * Documents of Yjs, edited by y-websocket providers as they are (format = yjs).
 * The log of a document is a room that keeps a history, and what is in it is
 * opaque here: an update is a kept publication with one attachment, the message
 * that clients are sent, and perhaps another, a note (proto/yjs/yjs.h).
 *
 *	client ─step 1─► hold the room ─► pages of the log ─► client, as updates
 *	                                     │ all of it
 *	client ◄─step 2, empty─ our step 1 ◄─┘ join
 *	client ─update─► keep ─BUS_KEEP─► relay ─► all who have the document open
 *	client ─awareness─► all of them, not kept
 *
 * This header is the roof's; what the host calls is in hub/client.h.
 */
#ifndef HUB_YJS_YJS_H
#define HUB_YJS_YJS_H

#include "hub/session/client.h"

struct bus_envelope;
struct bus_publish;
struct hub;
struct room;

extern const struct client_kind yjs_kind;

struct yjs_table;
struct yjs_table *yjs_table_new(void) MUST_USE;		/* NULL: no memory */
void	yjs_table_free(struct hub *);	/* behind store/'s: nobody is here */

/* The clock; the stream to the relay broke. */
void	yjs_tick(struct hub *);
void	yjs_lost(struct hub *);
/* hub_events.kept */
void	yjs_kept(struct hub *, struct room *, const struct bus_publish *);
/* A publication that is not kept, before those who are here get it. */
void	yjs_bus(struct hub *, const struct bus_envelope *);
/* Of slab CLIENT_YJS. */
size_t	yjs_client_bytes(void);

#endif
