/*
 * A user's presence as clients and back ends see it: the names of the
 * statuses and the JSON object that is in acks, in presence:update and in the
 * HTTP API.  Pure.
 */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

#include "proto/codec.h"

enum status {			/* what is kept in shared memory */
	STATUS_NONE,		/* never set: online while connected */
	STATUS_ONLINE, STATUS_AWAY, STATUS_BUSY, STATUS_DND,
	STATUS_IDLE,		/* away, found by the server itself */
	STATUS__MAX
};
/* A status that a client may set; -1: no such. */
int	status_from(struct slice name);
const char *status_name(bool online, unsigned code);

/* Namespaces twice: users of namespace i, and of its rooms at i + n.  The key
 * of the latter is room, NUL, user (neither can hold a NUL). */
#define STATUS_KEY_MAX	256	/* longer pairs are not tracked by room */
size_t	status_room_key(uint8_t out[STATUS_KEY_MAX], struct slice room,
	    struct slice user);	/* 0: too long */
bool	status_room_split(struct slice key, struct slice *room,
	    struct slice *user) MUST_USE;

struct status_entry {
	struct slice	 user;
	bool		 online;
	unsigned	 code;
	uint64_t	 connections;
	uint64_t	 last_seen_ms;	/* unix; 0: unknown, then null */
	struct slice	 room;		/* empty: not about a room */
	bool		 present;	/* in that room */
};
/* {"user","status","connections","last_seen"[,"room","present"]} */
void	status_encode(struct buf *, const struct status_entry *);

#endif
