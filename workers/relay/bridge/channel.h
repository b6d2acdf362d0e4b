/*
 * Names of the channels of Socket.IO's adapter and emitter for Redis, as
 * @socket.io/redis-adapter 8 makes them: P is redis { socketio_prefix }, N a
 * namespace with its slash.
 *
 *	P#N#		broadcasts; P#N#ROOM# to just one room
 *	P-request#N#	requests to all servers
 *	P-response#N#	their answers
 *
 * Used by all that speak to such servers.  Pure.
 */
#ifndef RELAY_BRIDGE_CHANNEL_H
#define RELAY_BRIDGE_CHANNEL_H

#include "base/buf.h"

enum channel_kind { CHANNEL_BROADCAST, CHANNEL_REQUEST, CHANNEL_RESPONSE };

/* Each replaces what is in b, and is borrowed from it. */
struct slice channel_name(struct buf *b, const char *prefix,
	    enum channel_kind, struct slice nsp);
struct slice channel_of_room(struct buf *b, const char *prefix,
	    struct slice nsp, struct slice room);
/* A glob for the broadcasts of the namespace, and for nothing else. */
struct slice channel_pattern(struct buf *b, const char *prefix,
	    struct slice nsp);
/* The room for which this channel of broadcasts is: empty for none.  false:
 * it is no such channel of the namespace. */
bool	channel_room(struct slice channel, const char *prefix,
	    struct slice nsp, struct slice *room) MUST_USE;

/* This channel, or pattern, is one that this namespace's clients get something
 * by: those of the room, or (empty) all of them.  b: scratch, emptied. */
bool	channel_concerns(struct buf *b, struct slice channel,
	    const char *prefix, struct slice nsp, struct slice *room)
	    MUST_USE;

#endif
