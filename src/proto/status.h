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
	STATUS_INVISIBLE,	/* to others: offline, and not seen */
	STATUS__MAX
};
/* A status that a client may set; -1: no such.  "hidden" is a page that nobody
 * looks at, which is away. */
int	status_from(struct slice name);
const char *status_name(bool online, unsigned code);

/*
 * Of a user's devices the first of these counts that one of them has: invisible,
 * dnd, busy, online, away.  All but online, which is what a device has that says
 * nothing, are kept in shared memory (shm/presence.h, "marks"), in this order.
 */
enum status_mark { MARK_AWAY, MARK_BUSY, MARK_DND, MARK_INVISIBLE, MARK__MAX };
/* Which mark a device with this status makes; MARK__MAX: none. */
enum status_mark status_mark(unsigned code);
/* The status of who has this one. */
enum status status_of_mark(enum status_mark);

/* Namespaces several times: users of namespace i; of its rooms at i + n; who
 * has mark m at i + n * (2 + m).  The key of a room is room, NUL, user (neither
 * can hold a NUL). */
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
	bool		 own;		/* told to the user: invisible by name */
	struct slice	 room;		/* empty: not about a room */
	bool		 present;	/* in that room */
};
/* What others may know: who is invisible is offline. */
void	status_hide(struct status_entry *);
/* {"user","status","connections","last_seen"[,"invisible"][,"room","present"]}:
 * to who may know that a user is invisible, that is offline, and the member. */
void	status_encode(struct buf *, const struct status_entry *);

#endif
