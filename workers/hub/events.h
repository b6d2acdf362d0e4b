/*
 * What happens to sessions, for the parts above that want to know: floors
 * below call event_x(), hub.c has the table of who hears of it, in the order
 * of the calls.  Nobody registers while the program runs.
 */
#ifndef HUB_EVENTS_H
#define HUB_EVENTS_H

#include <stddef.h>

#include "base/slice.h"

struct admission;
struct bus_publish;
struct client_request;
struct hub;
struct membership;
struct principal;
struct publication;
struct refusal;
struct room;
struct session;

#define EVENT_HEARERS	4	/* of one event, at most */

struct hub_events {
	/* A session, which may be parked, has entered a named room; it is
	 * about to leave it, and what the membership says still holds. */
	void	(*room_entered[EVENT_HEARERS])(struct session *,
		    struct membership *);
	void	(*room_left[EVENT_HEARERS])(struct session *,
		    struct membership *);
	/* It has a client: it is new and in no named room, or back. */
	void	(*session_begun[EVENT_HEARERS])(struct session *);
	/* It loses its client, which is still known: it is over and in no room
	 * any more, or is parked. */
	void	(*session_ended[EVENT_HEARERS])(struct session *);
	/* It is about to be freed, parked or not. */
	void	(*session_freed[EVENT_HEARERS])(struct session *);
	/* Nothing came from it for idle_after. */
	void	(*session_silent[EVENT_HEARERS])(struct session *);
	/* One more connection of this user is counted. */
	void	(*user_came[EVENT_HEARERS])(struct hub *,
		    const struct principal *);
	/* Too much is queued for this member to be given what its room keeps;
	 * true: so it is not, from this one on. */
	bool	(*lags)(struct membership *, const struct publication *);
	/* The members of a room have got this one, which it keeps; NULL: some
	 * that were missing. */
	void	(*kept)(struct hub *, struct room *,
		    const struct bus_publish *);
	/* An event stream is about to be given what a room keeps: the id by
	 * which it will ask for what comes behind it, until the next call;
	 * empty: it keeps the one before. */
	struct slice (*stream_id)(struct session *,
		    const struct publication *);
	/* May he come, whose namespace, or room, asks its hook?  See
	 * stream/hearing.h, rule/door.h. */
	bool	(*hearing)(struct hub *, const struct client_request *,
		    struct admission *, struct refusal *);
};

static inline void
event_session(void (*const to[EVENT_HEARERS])(struct session *),
    struct session *s)
{
	size_t i;

	for (i = 0; i < EVENT_HEARERS && to[i] != NULL; i++)
		to[i](s);
}

static inline void
event_room(void (*const to[EVENT_HEARERS])(struct session *,
    struct membership *), struct session *s, struct membership *m)
{
	size_t i;

	for (i = 0; i < EVENT_HEARERS && to[i] != NULL; i++)
		to[i](s, m);
}

static inline void
event_user(void (*const to[EVENT_HEARERS])(struct hub *,
    const struct principal *), struct hub *h, const struct principal *who)
{
	size_t i;

	for (i = 0; i < EVENT_HEARERS && to[i] != NULL; i++)
		to[i](h, who);
}

#endif
