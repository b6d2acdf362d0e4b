/*
 * Audiences: the rooms of a namespace, the channel of each user in it, and
 * the namespace as a whole.  A room keeps its members in dense arrays, one
 * for each wire form, in the order in which they joined.  It exists while it
 * has members here, and is then known in the interest directory.
 */
#ifndef HUB_AUDIENCE_ROOM_H
#define HUB_AUDIENCE_ROOM_H

#include "base/hash.h"
#include "hub/queue/wire.h"
#include "shm/interest.h"

struct hub;
struct outq;
struct session;

enum room_kind {
	ROOM_NAMESPACE = INTEREST_NAMESPACE, ROOM_NAMED = INTEREST_ROOM,
	ROOM_USER = INTEREST_USER,
	ROOM_WATCH = INTEREST_WATCH	/* those who watch a user's presence */
};
#define ROOM_NAME_MAX	INTEREST_NAME_MAX	/* bytes of a room's name */

struct membership {		/* one session in one room */
	struct room	*room;
	struct session	*session;
	struct membership *next;	/* of the same session */
	uint32_t	 index : 31;	/* in the array of its wire */
	uint32_t	 asked : 1;	/* by the client, which may lose the right;
					 * no back end or route put it there */
	uint32_t	 presence;	/* see presence.h */
};

struct member {
	struct outq	*out;		/* NULL: a hole */
	struct membership *ship;
};

struct room_wire {
	struct member	*v;		/* &one, or heap */
	uint32_t	 n;		/* entries used, holes included */
	uint32_t	 cap;
	uint32_t	 holes;
	uint32_t	 turn;		/* of batch */
	struct batch	*batch;		/* open in that turn */
	struct member	 one;
};

struct room {
	unsigned	 magic;
#define ROOM_MAGIC	0x2003a003
	uint32_t	 node;		/* in the interest directory */
	uint64_t	 hash;
	struct room	*next;		/* in its bucket */
	struct room_wire *wires[WIRE__MAX];
	uint32_t	 members;
	uint16_t	 ns;		/* index of the namespace */
	uint16_t	 len;		/* of key */
	char		 key[];		/* kind, then name */
};

struct room_table {
	struct room	**buckets;
	size_t		 nbuckets;	/* power of two, 0 at first */
	size_t		 count;
};

void	room_table_fini(struct room_table *);

/* NULL: nobody here is in it. */
struct room *room_find(struct hub *, uint16_t ns, enum room_kind,
	    struct slice name);
/* false: no memory.  A session already in it stays in it once. */
bool	room_join(struct hub *, struct session *, enum room_kind,
	    struct slice name) MUST_USE;
/* The same for a named room by somebody who may: no right is asked for. */
bool	room_appoint(struct hub *, struct session *, struct slice name)
	    MUST_USE;
/* All memberships of the session go to another queue and wire form.  false: no
 * memory, nothing moved. */
bool	room_move(struct hub *, struct session *, struct outq *, enum wire)
	    MUST_USE;
/* Ends the membership; frees the room with its last member. */
void	room_leave(struct hub *, struct session *, struct membership *);
/* The session's membership in a room, or NULL. */
struct membership *room_membership(const struct session *, enum room_kind,
	    struct slice name);

static inline struct slice
room_key(const struct room *r)
{
	return (slice_of(r->key, r->len));
}

#endif
