/*
 * What both transports of Engine.IO ask of a handshake, and how they refuse
 * one; a session that opens on a WebSocket.
 */
#ifndef WORKER_ENGINEIO_OPEN_H
#define WORKER_ENGINEIO_OPEN_H

#include "base/bug.h"
#include "proto/eio.h"

struct admission;
struct request;

/* Engine.IO's error, in the words of the transport. */
void	open_error(struct request *, enum eio_error);
/* May a session be opened?  adm says for whom; false: no, and answered. */
bool	open_admit(struct request *, struct admission *adm) MUST_USE;
/* Open a session on a WebSocket. */
void	open_websocket(struct request *, bool b64);

#endif
