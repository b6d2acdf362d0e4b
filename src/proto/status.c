/*
 * Presence in words; see status.h.  Called by the hub for answers and by the
 * relay for announcements.
 */
#include "proto/status.h"

#include "proto/json.h"

static const char *const names[STATUS__MAX] = {
	[STATUS_NONE] = "online", [STATUS_ONLINE] = "online",
	[STATUS_AWAY] = "away", [STATUS_BUSY] = "busy", [STATUS_DND] = "dnd",
	[STATUS_IDLE] = "away",
};

int
status_from(struct slice name)
{
	int i;

	for (i = STATUS_ONLINE; i <= STATUS_DND; i++)
		if (slice_eq(name, slice_str(names[i])))
			return (i);
	return (-1);
}

const char *
status_name(bool online, unsigned code)
{
	if (!online)
		return ("offline");
	return (names[code < STATUS__MAX ? code : STATUS_NONE]);
}

size_t
status_room_key(uint8_t out[STATUS_KEY_MAX], struct slice room,
    struct slice user)
{
	if (room.n == 0 || user.n == 0 ||
	    room.n + 1 + user.n > STATUS_KEY_MAX)
		return (0);
	memcpy(out, room.p, room.n);
	out[room.n] = '\0';
	memcpy(out + room.n + 1, user.p, user.n);
	return (room.n + 1 + user.n);
}

bool
status_room_split(struct slice key, struct slice *room, struct slice *user)
{
	const uint8_t *nul = key.n == 0 ? NULL : memchr(key.p, 0, key.n);

	if (nul == NULL || nul == key.p || nul == key.p + key.n - 1)
		return (false);
	*room = slice_of(key.p, (size_t)(nul - key.p));
	*user = slice_from(key, room->n + 1);
	return (true);
}

void
status_encode(struct buf *b, const struct status_entry *e)
{
	buf_str(b, "{\"user\":");
	json_escape(b, e->user);
	buf_str(b, ",\"status\":\"");
	buf_str(b, status_name(e->online, e->code));
	buf_str(b, "\",\"connections\":");
	buf_u64(b, e->connections);
	buf_str(b, ",\"last_seen\":");
	if (e->last_seen_ms == 0)
		buf_str(b, "null");
	else
		buf_u64(b, e->last_seen_ms);
	if (e->room.n != 0) {
		buf_str(b, ",\"room\":");
		json_escape(b, e->room);
		buf_str(b, e->present ? ",\"present\":true" :
		    ",\"present\":false");
	}
	buf_byte(b, '}');
}
