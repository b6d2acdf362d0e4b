/*
 * The list of a session's memberships.  Whoever is in many rooms, or watches
 * many users, has them in an index of the hub besides, so that neither a
 * question about one of them nor its end walks the list.
 */
#ifndef HUB_AUDIENCE_SHIPS_H
#define HUB_AUDIENCE_SHIPS_H

#include <stdbool.h>
#include <stddef.h>

struct membership;
struct room;
struct session;

#define SHIPS_FEW	16	/* rooms and watches that are walked */

struct ship_entry {
	struct membership *ship;	/* NULL: free */
	struct membership *before;	/* it in the list; NULL: it is first */
};

struct ship_index {
	struct ship_entry *v;		/* found by session and room */
	size_t		 n;		/* power of two; 0: none yet */
	size_t		 used;
};
void	ship_index_fini(struct ship_index *);

/* The session's membership in that room, or NULL.  Only with s->many. */
struct membership *ships_find(const struct ship_index *,
	    const struct session *, const struct room *);
/* In front of the session's list.  Without memory for the index the list is
 * walked: it never fails. */
void	ships_push(struct ship_index *, struct session *,
	    struct membership *);
void	ships_unlink(struct ship_index *, struct session *,
	    struct membership *);

#endif
