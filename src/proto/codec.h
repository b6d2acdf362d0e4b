/*
 * What all decoders have in common: bytes in, events out; no I/O, no clock,
 * no log, no allocation unless the header says so.  Any process.
 *
 *	> 0		bytes consumed; the event is filled in
 *	CODEC_MORE	nothing consumed: call again with more bytes behind
 *	CODEC_BAD	the peer is wrong; the event says why
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/buf.h"
#include "base/slice.h"

#define CODEC_MORE	0
#define CODEC_BAD	(-1)

#endif
