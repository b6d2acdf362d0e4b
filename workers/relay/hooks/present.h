/*
 * Who is there, as hooks were told: users of namespaces, and of rooms, and how
 * many a room has.  Memory only.
 */
#ifndef RELAY_HOOKS_PRESENT_H
#define RELAY_HOOKS_PRESENT_H

#include "base/hashtab.h"
#include "base/slice.h"

struct present {
	struct hashtab	 table;
};

enum present_change {
	PRESENT_SAME,
	PRESENT_CHANGED,
	PRESENT_EDGE,		/* ... and the room has somebody now, or nobody */
	PRESENT_NO_MEMORY	/* it stays as it was */
};

void	present_init(struct present *);
void	present_fini(struct present *);
/* The user is there, or not.  room: empty: in the namespace. */
enum present_change present_set(struct present *, unsigned ns,
	    struct slice room, struct slice user, bool there);
/* Nobody was told of anybody there. */
void	present_forget(struct present *, unsigned ns);

#endif
