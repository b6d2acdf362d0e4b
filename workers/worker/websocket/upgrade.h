/*
 * From HTTP to WebSocket: the handshake and its 101.
 */
#ifndef WORKER_WEBSOCKET_UPGRADE_H
#define WORKER_WEBSOCKET_UPGRADE_H

#include <stdbool.h>

#include "base/bug.h"
#include "base/press_message.h"

struct conf_namespace;
struct request;
struct ws_offer;

/* It is a WebSocket handshake; false: no, and answered. */
bool	upgrade_offer(struct request *, struct ws_offer *) MUST_USE;
/*
 * The 101.  plain: to a client of ours, whose subprotocol it is.  ns: that its
 * session is in, NULL: it says so later.  Returns for what window messages to it
 * may be compressed.
 */
enum deflate_window upgrade_accept(struct request *, struct ws_offer *,
	    bool plain, const struct conf_namespace *ns);
struct admission;
struct client;
struct hub;
struct outq;

/* A client of that kind, which has no more than its messages of a plain one. */
void	upgrade_client(struct request *, struct client *(*open)(struct hub *,
	    struct admission *, struct outq *));
/* A route's serve: plain WebSocket. */
void	upgrade_plain(struct request *);

#endif
