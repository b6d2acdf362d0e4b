/*
 * Audiences: the rooms of a namespace, the channel of each user in it, and
 * the namespace as a whole.  A room keeps its members in dense arrays, one
 * for each wire form, in the order in which they joined.  It exists while it
 * has members here, or somebody who is about to join holds it, and is then
 * known in the interest directory.
 */
#ifndef HUB_AUDIENCE_ROOM_H
#define HUB_AUDIENCE_ROOM_H

#include "hub/model.h"

struct hub;

struct room_table;
struct room_table *room_table_new(void) MUST_USE;	/* NULL: no memory */
void	room_table_free(struct hub *);		/* nobody is in a room */

size_t	room_count(const struct hub *);	/* of all kinds */
/*
 * Some of the named rooms of a namespace, from `at` on, which is 0 at first;
 * returns where to go on, 0: these were all.  Some may come twice.  f must not
 * change who is in a room.
 */
size_t	room_some(const struct hub *, uint16_t ns, size_t at,
	    void (*f)(void *arg, const struct room *), void *arg);
/* NULL: nobody here is in it, or about to be. */
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
/* The named room is here, and others know it, be it without members, until it
 * is released.  NULL: no memory. */
struct room *room_hold(struct hub *, const struct conf_namespace *,
	    struct slice name) MUST_USE;
void	room_release(struct hub *, struct room **);
/* The most bytes that are queued for one of its members; walks them. */
uint64_t room_queued(const struct room *);
/* Ends the membership; frees the room with its last member. */
void	room_leave(struct hub *, struct session *, struct membership *);
/* A session that was another worker's has been in it there; it is in it now
 * over there.  Neither is counted as news.  take: false: no memory, or it is in
 * it already. */
bool	room_take(struct hub *, struct session *, enum room_kind,
	    struct slice name, bool asked) MUST_USE;
void	room_give(struct hub *, struct session *, struct membership *);
/* The session's membership in a room, or NULL. */
struct membership *room_membership(const struct session *, enum room_kind,
	    struct slice name);

#endif
