/*
 * Namespaces that come and go with another configuration, while shared memory
 * has who is in them: what is listened to for them, and what is told.  Called
 * by relay.c.
 */
#ifndef RELAY_SPACES_H
#define RELAY_SPACES_H

#include "shm/table_relay.h"

struct conf;

struct spaces {
	const struct table_relay *interest, *presence;
	table_emit	*on_interest, *on_presence;
	void		*arg;		/* of both */
};

/* Before the new one counts: rooms and users of those that are not in it any
 * more are left. */
void	spaces_leave(const struct spaces *, const struct conf *before,
	    const struct conf *);
/* When it counts, and the old one is there yet: whatever is in new ones came
 * just now.  Workers may have begun with them before we knew. */
void	spaces_come(const struct spaces *, const struct conf *before,
	    const struct conf *);

#endif
