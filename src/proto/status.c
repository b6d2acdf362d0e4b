/*
 * Presence in words; see status.h.  Called by the hub for answers and by the
 * relay for announcements.
 */
#include "proto/status.h"

#include "proto/json.h"

static const char *const names[STATUS__MAX] = {
	[STATUS_NONE] = "online", [STATUS_ONLINE] = "online",
	[STATUS_AWAY] = "away", [STATUS_BUSY] = "busy", [STATUS_DND] = "dnd",
	[STATUS_IDLE] = "away", [STATUS_INVISIBLE] = "invisible",
};

int
status_from(struct slice name)
{
	int i;

	if (slice_eq(name, SLICE("hidden")))
		return (STATUS_AWAY);
	for (i = STATUS_ONLINE; i < STATUS__MAX; i++)
		if (i != STATUS_IDLE && slice_eq(name, slice_str(names[i])))
			return (i);
	return (-1);
}

enum status_mark
status_mark(unsigned code)
{
	switch (code) {
	case STATUS_AWAY:
	case STATUS_IDLE:
		return (MARK_AWAY);
	case STATUS_BUSY:
		return (MARK_BUSY);
	case STATUS_DND:
		return (MARK_DND);
	case STATUS_INVISIBLE:
		return (MARK_INVISIBLE);
	default:
		return (MARK__MAX);
	}
}

enum status
status_of_mark(enum status_mark mark)
{
	static const enum status of[MARK__MAX + 1] = {
		[MARK_AWAY] = STATUS_AWAY, [MARK_BUSY] = STATUS_BUSY,
		[MARK_DND] = STATUS_DND, [MARK_INVISIBLE] = STATUS_INVISIBLE,
		[MARK__MAX] = STATUS_ONLINE,
	};

	return (of[mark]);
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

static bool
status_is_invisible(const struct status_entry *e)
{
	return (e->online && e->code == STATUS_INVISIBLE);
}

void
status_hide(struct status_entry *e)
{
	if (!status_is_invisible(e))
		return;
	e->online = false;
	e->connections = 0;
	e->last_seen_ms = 0;
}

void
status_encode(struct buf *b, const struct status_entry *e)
{
	bool hidden = status_is_invisible(e) && !e->own;

	buf_str(b, "{\"user\":");
	json_escape(b, e->user);
	buf_str(b, ",\"status\":\"");
	buf_str(b, status_name(e->online && !hidden, e->code));
	buf_str(b, "\",\"connections\":");
	buf_u64(b, e->connections);
	buf_str(b, ",\"last_seen\":");
	if (e->last_seen_ms == 0 || hidden)
		buf_str(b, "null");
	else
		buf_u64(b, e->last_seen_ms);
	if (hidden)
		buf_str(b, ",\"invisible\":true");
	if (e->room.n != 0) {
		buf_str(b, ",\"room\":");
		json_escape(b, e->room);
		buf_str(b, e->present ? ",\"present\":true" :
		    ",\"present\":false");
	}
	buf_byte(b, '}');
}
