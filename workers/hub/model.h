/*
 * What one worker knows, on one page: clients, their sessions, the rooms that
 * these are in.  Data alone; what is done with it stands in the folders above,
 * and what belongs to one of them is a pointer to a struct that only it
 * completes, or a number.
 *
 *	client ───► session ──► membership ──► room
 *	a connection │ in a      │ its place     │ the namespace, a user's
 *	   │         │ namespace │ in            ▼ channel, a name, a watch
 *	   │         └► who      └────────► room_wire: members of one wire form
 *	   ▼           (principal)               │ each with the queue of its
 *	  outq ◄─────────────────────────────────┘ client
 *
 * A client has a session for each namespace that it is in; a session without a
 * client is parked (recover/).  A publication (queue/wire.h) goes to an
 * audience: rooms, users, sids.
 */
#ifndef HUB_MODEL_H
#define HUB_MODEL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"
#include "base/hashtab.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "hub/queue/when.h"
#include "hub/queue/wire.h"
#include "proto/offset.h"
#include "shm/interest.h"

struct asked;
struct batch;
struct client_kind;
struct hub;
struct outq;
struct place;
struct principal;
struct recover;

/* --- who gets it ---------------------------------------------------------- */

/* The union of rooms, users and sids (all empty: the whole namespace), less
 * the sessions whose sid or room is in except.  Each gets it once. */
struct audience {
	const struct slice *rooms, *users, *sids, *except;
	size_t		 nrooms, nusers, nsids, nexcept;
};

/*
 * How much of a namespace's journal (recovery = store) has come to this worker:
 * the offset of the newest, a raw JSON string; n is 0: nothing has.  All that is
 * for somebody here and comes before it is in his queue.
 */
struct journal_mark {
	uint8_t		 n;
	char		 text[OFFSET_MAX - 1];
};

/* --- rooms ---------------------------------------------------------------- */

enum room_kind {
	ROOM_NAMESPACE = INTEREST_NAMESPACE, ROOM_NAMED = INTEREST_ROOM,
	ROOM_USER = INTEREST_USER,
	ROOM_WATCH = INTEREST_WATCH	/* those who watch a user's presence */
};
#define ROOM_INDEX_MAX	((1u << 30) - 1)	/* membership.index */
#define ROOM_NAME_MAX	INTEREST_NAME_MAX	/* bytes of a room's name */

struct membership {		/* one session in one room */
	struct room	*room;
	struct session	*session;
	struct membership *next;	/* of the same session */
	uint32_t	 index : 30;	/* in the array of its wire */
	uint32_t	 lags : 1;	/* store/lag: what its room keeps comes to it
					 * from the store */
	uint32_t	 asked : 1;	/* by the client, which may lose the right;
					 * no back end or route put it there */
	uint32_t	 presence;	/* service/presence */
};

struct member {
	struct outq	*out;		/* NULL: a hole */
	struct membership *ship;
};

struct room_wire {
	struct member	*v;		/* &one, or heap */
	uint32_t	 n;		/* entries used, holes included */
	uint32_t	 cap : 26;
	uint32_t	 wire : 6;	/* enum wire */
	uint32_t	 holes;
	uint32_t	 turn;		/* of batch */
	struct batch	*batch;		/* open in that turn */
	struct room_wire *next;		/* of another form */
	struct member	 one;
};
static_assert((unsigned)WIRE__MAX <= 1u << WIRE_WINDOW_SHIFT &&
    (unsigned)DEFLATE__MAX << WIRE_WINDOW_SHIFT <= 1u << 6, "room_wire.wire");

struct room {
	unsigned	 magic;
#define ROOM_MAGIC	0x2003a003
	uint32_t	 node;		/* in the interest directory */
	uint64_t	 hash;
	struct hashtab_link link;	/* audience/room */
	struct room_wire *wires;	/* of each form that a member has had */
	struct place	*place;		/* store/: in its history; NULL: it is
					 * not known.  One allocation */
	uint32_t	 members;
	uint32_t	 holds : 31;	/* it is there without members, too */
	uint32_t	 large : 1;	/* service/presence: it has more users
					 * than are named */
	uint16_t	 ns;		/* index of the namespace */
	uint16_t	 len;		/* of key */
	char		 key[];		/* kind, then name */
};

static inline struct slice
room_key(const struct room *r)
{
	return (slice_of(r->key, r->len));
}

static inline enum room_kind
room_kind(const struct room *r)
{
	return ((enum room_kind)r->key[0]);
}

/* Without its kind. */
static inline struct slice
room_name(const struct room *r)
{
	return (slice_of(r->key + 1, r->len - 1u));
}

/* --- who is here ---------------------------------------------------------- */

#define SESSION_SID_LEN	20

/* Where a session is counted (shm/count.h); 0: not. */
struct limit_nodes {
	uint32_t	 user, ns;
};

struct session {
	unsigned	 magic;
#define SESSION_MAGIC	0x5e5510f1
	uint8_t		 wire;		/* enum wire */
	bool		 idle : 1;	/* silent for idle_after */
	bool		 warned : 1;	/* auth:expiring was sent */
	bool		 many : 1;	/* its memberships are in ships.h's
					 * index */
	uint8_t		 status;	/* enum status, as its client has set it;
					 * 0: it has not */
	struct hub	*hub;
	struct client	*client;
	struct outq	*out;
	const struct conf_namespace *ns;
	struct principal *who;		/* NULL: anonymous */
	struct session	*next;		/* of the same client */
	struct hashtab_link by_sid;	/* audience/sids */
	struct membership *memberships;
	struct recover	*recover;	/* recover/; NULL: it cannot be */
	uint32_t	 nrooms;	/* named ones */
	uint32_t	 nwatches;	/* users whose presence it watches */
	uint32_t	 presence_node;	/* service/presence */
	struct limit_nodes counted;	/* session/limit */
	uint32_t	 stamp;		/* audience/fanout */
	when		 seen;		/* its last event */
	char		 sid[SESSION_SID_LEN];	/* no NUL behind it */
};

/* How a session in that namespace has what its client has in this form. */
static inline enum wire
session_wire(const struct conf_namespace *ns, enum wire w)
{
	return (ns->deflate ? w : wire_form(w));
}

static inline struct slice
session_sid(const struct session *s)
{
	return (slice_of(s->sid, SESSION_SID_LEN));
}

struct client {
	unsigned	 magic;
#define CLIENT_MAGIC	0xc11e47c1
	bool		 closing : 1;	/* we asked the host to close */
	bool		 kept : 1;	/* some of its handshake is kept: see
					 * session/handshake */
	uint8_t		 wire;		/* enum wire */
	uint16_t	 nsessions;	/* namespaces_per_connection at most */
	const struct client_kind *kind;
	struct hub	*hub;
	struct outq	*out;		/* the host finds itself by it */
	struct session	*sessions;	/* in order of joining */
	struct principal *who;		/* from the handshake, or a refresh of
					 * it; may be NULL */
	struct asked	*asked;		/* backend/ask: events it has not
					 * acknowledged */
	uint64_t	 address;	/* limit_address(); 0: unix socket */
	when		 due;		/* client_tick is wanted; 0: not yet */
	/* heartbeat: Engine.IO packets, or WebSocket frames when plain */
	when		 ping;		/* the next one */
	when		 pong;		/* deadline of its pong; 0: none due */
	uint32_t	 ping_us;	/* low bits of when it was sent */
	/* session/limit */
	uint32_t	 serial;	/* of the hub's clients */
	uint32_t	 strikes;	/* refusals since: */
	when		 struck;
	uint8_t		 extended : 1;	/* the pong's deadline, once */
	uint8_t		 beat : 7;	/* hub.beats: what it was told */
	uint8_t		 fail;		/* enum authfail, of the handshake's
					 * token */
	uint16_t	 route;		/* it came by, from 1; 0: none */
};

static_assert(sizeof(struct client) <= 96, "of an idle client's bytes");

#endif
