/*
 * Presence: who of a namespace is there.  The table in shared memory knows
 * (shm/presence.h), the relay tells each change once; here are the events
 * that ask, set and watch, the idle clock, and presence in rooms.
 */
#ifndef HUB_SERVICE_PRESENCE_H
#define HUB_SERVICE_PRESENCE_H

#include "hub/session/refuse.h"

struct bus_envelope;
struct membership;

#define PRESENCE_USERS_MAX	1000	/* users in one question */
#define PRESENCE_LIST_MAX	1000	/* users in one answer */
/* membership.presence, session.presence_node */
#define PRESENCE_UNTRACKED	UINT32_MAX

bool	presence_do_get(struct session *, const struct inbound *);
bool	presence_do_set(struct session *, const struct inbound *);
bool	presence_do_watch(struct session *, const struct inbound *);
bool	presence_do_unwatch(struct session *, const struct inbound *);

/* A session begins and ends; it enters and leaves a named room. */
void	presence_session_begin(struct session *);
void	presence_session_end(struct session *);
void	presence_room_enter(struct session *, struct membership *);
void	presence_room_leave(struct session *, struct membership *);

/* It comes from another worker, where it is present until it has come; it has
 * gone to another one, and is present there: no news for anybody. */
void	presence_session_take(struct session *);
void	presence_session_give(struct session *);

/* Something came from the session: it is not idle. */
void	presence_active(struct session *);
/* Nothing has for idle_after. */
void	presence_session_silent(struct session *);

/* It has another token: it watches nobody whom that does not let it see. */
void	presence_see_again(struct session *);
/* Of the relay: a user has another status; the rooms that he is in by sessions
 * of this worker are told. */
void	presence_bus_status(struct hub *, const struct bus_envelope *);
/* ... and how many are in a room: whether it is still told their names. */
void	presence_bus_count(struct hub *, const struct bus_envelope *);

/* {"users":[...],"next"?:CURSOR} of a namespace or of one of its rooms
 * (empty: all); false: not kept for rooms here. */
bool	presence_list_json(struct hub *, const struct conf_namespace *,
	    struct slice room, uint32_t cursor, unsigned limit, struct buf *);
/* One user, offline when unknown. */
void	presence_user_json(struct hub *, const struct conf_namespace *,
	    struct slice user, struct buf *);

#endif
