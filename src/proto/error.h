/*
 * The words of an HTTP request that is refused, as back ends and probes get
 * them.  Pure; the codes are listed in roost-protocol(7).
 */
#ifndef PROTO_ERROR_H
#define PROTO_ERROR_H

#include "base/buf.h"

/* {"error":{"code","message"}}, appended.  code: stable; message: for
 * people. */
void	error_encode(struct buf *, const char *code, const char *message);
/* The same, with more members, each with a comma before it, in between. */
void	error_begin(struct buf *, const char *code, const char *message);
void	error_end(struct buf *);

#endif
