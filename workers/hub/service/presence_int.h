/*
 * What the files of presence share: presence.c, where sessions are present;
 * presence_status.c, what is said of a user; presence_rooms.c, what rooms are
 * told of it; presence_list.c, who is there; presence_see.c, whom one may see;
 * presence_ask.c, what clients ask.
 */
#ifndef HUB_SERVICE_PRESENCE_INT_H
#define HUB_SERVICE_PRESENCE_INT_H

#include "hub/hub_int.h"
#include "hub/service/presence.h"
#include "hub/session/principal.h"
#include "proto/status.h"
#include "shm/presence.h"

/* Index under which the users of a namespace's rooms are kept. */
static inline uint16_t
presence_rooms_ns(const struct hub *h, const struct conf_namespace *ns)
{
	return (conf_rooms_index(h->conf, ns));
}

static inline struct presence_user
presence_user_of(const struct hub *h, const struct conf_namespace *ns,
    struct slice user)
{
	return ((struct presence_user){ .ns = ns->index,
		.stride = (uint16_t)h->conf->ns_room, .user = user });
}

/*
 * presence_status.c: a user as he is, or as he was told (as_told), to a session,
 * from which is hidden who is invisible, or to a back end (NULL).
 */
void	presence_entry_of(struct hub *, const struct conf_namespace *,
	    struct slice user, const struct session *to, bool as_told,
	    struct status_entry *);
/* A session is about to be present (anew: it takes up the status of one that has
 * ended a moment ago), and is; it is about to be so no more (true: there is a
 * status, and it was this one), and is not; it has been given to another worker. */
void	presence_status_comes(struct session *, bool anew);
void	presence_status_came(struct session *);
bool	presence_status_goes(struct session *, enum status *was);
void	presence_status_went(struct session *, enum status was);
void	presence_status_given(struct session *);

/* presence_list.c: as presence_list_json(), or as it was told to a session. */
bool	presence_put_list(struct hub *, const struct conf_namespace *,
	    struct slice room, const struct session *to, uint32_t cursor,
	    unsigned limit, struct buf *);

/* presence_see.c: may it ask for this user, and watch? */
bool	presence_may_see(const struct session *, struct slice user);

/* presence_ask.c: false: refused. */
bool	presence_is_on(struct session *, const struct inbound *);
struct slice presence_first_arg(const struct inbound *);

#endif
