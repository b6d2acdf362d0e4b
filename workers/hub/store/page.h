/*
 * A page of what was kept, as JSON: history:get of clients, and back ends'
 * requests.
 *
 *	{"room","epoch","offset","events":[{"offset","event","args","meta",
 *	"attachments"?}...],"more","gap"}
 *
 * Plain WebSocket clients get "data" instead of "args".
 */
#ifndef HUB_STORE_PAGE_H
#define HUB_STORE_PAGE_H

#include "hub/session/refuse.h"
#include "hub/store/history.h"
#include "hub/store/since.h"

#define PAGE_LIMIT	100	/* events, when nobody says */

/* raw: the room's name as JSON. */
/* The same as a page of one event, or of none (NULL), that ends at this place,
 * which may be the room's last. */
struct bus_publish;
void	page_put_one(struct buf *, struct slice raw, struct slice epoch,
	    uint64_t offset, const struct bus_publish *, bool finished);
void	page_put(struct buf *, struct slice raw, const struct since *asked,
	    const struct bus_envelope *page, bool plain);
/* Which part: behind a place, or the newest. */
struct history_part page_part(const struct since *, uint64_t limit);

/* history:get of a member.  false: refused, and it knows. */
bool	page_get(struct session *, const struct inbound *, struct slice name,
	    struct slice raw, const struct since *, uint64_t limit) MUST_USE;

#endif
