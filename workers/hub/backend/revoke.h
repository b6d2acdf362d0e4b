/*
 * A user, or a token, is revoked: its sessions end here, on the other workers,
 * which are all told, and on other hosts.  What keeps it out from now on is in
 * shared memory before anybody is told (shm/table_revoked.h): who was let in before
 * is there when the word comes.
 */
#ifndef HUB_BACKEND_REVOKE_H
#define HUB_BACKEND_REVOKE_H

#include "hub/backend/members.h"
#include "shm/table_revoked.h"

struct client;

/*
 * r becomes what is in force; reason: raw JSON string, or empty.  grace: 0, or
 * (of a user) when the sessions that he has now end, unix seconds, if they show
 * no later token until then: they are asked to.  false: there
 * is no room for it, and nothing was done.  The question is where the others
 * report; NULL: they do not.
 */
bool	revoke(struct hub *, struct revocation *r, struct slice reason,
	    uint32_t grace, const struct ask *, struct members_done *)
	    MUST_USE;
/* BUS_REVOKE. */
void	revoke_bus(struct hub *, const struct bus_envelope *);
/* The next piece of what is looked for, since there was no way to be told of it
 * (tokens_look()). */
void	revoke_turn(struct hub *);
/* It comes from another worker, where that was not known: sessions of revoked
 * tokens end.  false: and with them the client. */
bool	revoke_recheck(struct client *) MUST_USE;

#endif
