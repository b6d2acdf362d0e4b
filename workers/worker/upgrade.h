/*
 * From HTTP to WebSocket, and what both transports of Engine.IO ask of a
 * handshake: origin, token, rates.
 */
#ifndef WORKER_UPGRADE_H
#define WORKER_UPGRADE_H

#include "base/bug.h"
#include "proto/eio.h"

struct admission;
struct request;

/* The page that asks, if a page asks, may connect. */
bool	upgrade_origin_allowed(const struct request *) MUST_USE;
/* May a session be opened?  adm says for whom; false: no, and answered. */
bool	upgrade_admit(struct request *, struct admission *adm) MUST_USE;
/* Engine.IO's error, in the words of the transport. */
void	upgrade_engine_error(struct request *, enum eio_error);
/* Open a session on a WebSocket. */
void	upgrade_engine(struct request *, bool b64);
/* 101 without a session; false: no WebSocket handshake, and answered. */
bool	upgrade_candidate(struct request *) MUST_USE;

#endif
