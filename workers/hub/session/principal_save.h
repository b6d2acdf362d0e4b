/*
 * Who is on a connection, from one worker to another.  Its sessions share
 * principals, and are told apart by that: those of one client are numbered, and
 * cross together.
 */
#ifndef HUB_SESSION_PRINCIPAL_SAVE_H
#define HUB_SESSION_PRINCIPAL_SAVE_H

#include "base/state.h"
#include "hub/session/principal.h"

struct principals {
	struct principal **v;		/* a reference to each */
	uint32_t	 n, cap;
};

void	principals_init(struct principals *);
void	principals_fini(struct principals *);
/* Harmless when it is there, or NULL.  false: no memory. */
bool	principals_add(struct principals *, struct principal *) MUST_USE;
/* From 1; 0: NULL, or it is not there. */
uint32_t principals_number(const struct principals *,
	    const struct principal *);

void	principals_save(const struct principals *, struct buf *);
/* On an empty one.  false: bad, or no memory. */
bool	principals_load(struct principals *, struct state_in *) MUST_USE;
/* A number that is read: *who is borrowed, or NULL.  false: bad. */
bool	principals_get(const struct principals *, struct state_in *,
	    struct principal **who) MUST_USE;

#endif
