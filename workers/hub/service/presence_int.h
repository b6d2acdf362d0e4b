/*
 * What the files of presence share: presence.c, where sessions are present;
 * presence_status.c, what is said of a user; presence_list.c, who is there;
 * presence_ask.c, what clients ask.
 */
#ifndef HUB_SERVICE_PRESENCE_INT_H
#define HUB_SERVICE_PRESENCE_INT_H

#include "hub/hub_int.h"
#include "hub/service/presence.h"
#include "hub/session/principal.h"
#include "proto/status.h"

/* Index under which the users of a namespace's rooms are kept. */
static inline uint16_t
presence_rooms_ns(const struct hub *h, const struct conf_namespace *ns)
{
	return (conf_rooms_index(h->conf, ns));
}

/* presence_status.c: a user as he is, or as he was told (as_told). */
void	presence_entry_of(struct hub *, const struct conf_namespace *,
	    struct slice user, bool as_told, struct status_entry *);
void	presence_no_longer_idle(struct session *);

/* presence_list.c: as presence_list_json(), and as it was told. */
bool	presence_put_list(struct hub *, const struct conf_namespace *,
	    struct slice room, bool as_told, uint32_t cursor, unsigned limit,
	    struct buf *);

/* presence_ask.c: false: refused. */
bool	presence_is_on(struct session *, const struct inbound *);
struct slice presence_first_arg(const struct inbound *);

#endif
