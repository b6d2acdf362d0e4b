/*
 * The sessions of this worker by their Socket.IO sid.
 */
#ifndef HUB_AUDIENCE_SIDS_H
#define HUB_AUDIENCE_SIDS_H

#include <stddef.h>

#include "base/bug.h"
#include "base/slice.h"

struct hub;
struct session;

struct sid_table;
struct sid_table *sid_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	sid_table_free(struct hub *);		/* nobody is here */

size_t	sid_count(const struct hub *);
/* NULL: not on this worker. */
struct session *sid_find(struct hub *, struct slice sid);
/* A random one for a session to come: SESSION_SID_LEN bytes. */
void	sid_make(struct hub *, char *sid);
/* With its sid, or, when it has none yet, a random one. */
void	sid_add(struct hub *, struct session *);
void	sid_remove(struct hub *, struct session *);

#endif
