/*
 * Lists of who is there; see presence.h.  Called by presence_ask.c and api.c.
 */
#include "hub/service/presence_int.h"

/* Walk the table: users of a namespace, or of one room of it. */
bool
presence_put_list(struct hub *h, const struct conf_namespace *ns,
    struct slice room, const struct session *to, uint32_t cursor,
    unsigned limit, struct buf *b)
{
	struct presence_entry found[32];
	struct slice name, user;
	struct status_entry e;
	unsigned i, n, got = 0;

	if (room.n != 0 && ns->presence < CONF_PRESENCE_ROOMS)
		return (false);
	buf_str(b, "{\"users\":[");
	do {
		n = presence_list(h->presence, room.n == 0 ? ns->index :
		    presence_rooms_ns(h, ns), &cursor, found, nitems(found));
		work_add(&h->work, 4 + n / 4);
		for (i = 0; i < n; i++) {
			user = found[i].user;
			if (!(to != NULL ? found[i].info.told :
			    found[i].info.online))
				continue;
			if (room.n != 0 && (!status_room_split(user, &name,
			    &user) || !slice_eq(name, room)))
				continue;
			presence_entry_of(h, ns, user, to, to != NULL, &e);
			if (!e.online)
				continue;
			if (got++ != 0)
				buf_byte(b, ',');
			status_encode(b, &e);
		}
	} while (cursor != 0 && got < limit);
	buf_byte(b, ']');
	if (cursor != 0) {
		buf_str(b, ",\"next\":");
		buf_u64(b, cursor);
	}
	buf_byte(b, '}');
	return (true);
}

bool
presence_list_json(struct hub *h, const struct conf_namespace *ns,
    struct slice room, uint32_t cursor, unsigned limit, struct buf *b)
{
	return (presence_put_list(h, ns, room, NULL, cursor, limit, b));
}
