/*
 * From HTTP to WebSocket: the handshake and its 101.
 */
#ifndef WORKER_WEBSOCKET_UPGRADE_H
#define WORKER_WEBSOCKET_UPGRADE_H

#include <stdbool.h>

#include "base/bug.h"

struct request;
struct ws_offer;

/* It is a WebSocket handshake; false: no, and answered. */
bool	upgrade_offer(struct request *, struct ws_offer *) MUST_USE;
/* The 101.  plain: to a client of ours, whose subprotocol it is. */
void	upgrade_accept(struct request *, const struct ws_offer *, bool plain);
/* A route's serve: plain WebSocket. */
void	upgrade_plain(struct request *);

#endif
