/*
 * Channels of Socket.IO's adapter; see channel.h.
 */
#include "relay/bridge/channel.h"

static const char *const channel_words[] = {
	[CHANNEL_BROADCAST] = "#", [CHANNEL_REQUEST] = "-request#",
	[CHANNEL_RESPONSE] = "-response#",
};

struct slice
channel_name(struct buf *b, const char *prefix, enum channel_kind kind,
    struct slice nsp)
{
	buf_reset(b);
	buf_str(b, prefix);
	buf_str(b, channel_words[kind]);
	buf_slice(b, nsp);
	buf_byte(b, '#');
	return (buf_unread(b));
}

struct slice
channel_of_room(struct buf *b, const char *prefix, struct slice nsp,
    struct slice room)
{
	(void)channel_name(b, prefix, CHANNEL_BROADCAST, nsp);
	buf_slice(b, room);
	buf_byte(b, '#');
	return (buf_unread(b));
}

/* What means something in a glob stands for itself. */
static void
channel_escape(struct buf *b, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] != 0 && strchr("*?[]\\", s.p[i]) != NULL)
			buf_byte(b, '\\');
		buf_byte(b, s.p[i]);
	}
}

struct slice
channel_pattern(struct buf *b, const char *prefix, struct slice nsp)
{
	buf_reset(b);
	channel_escape(b, slice_str(prefix));
	buf_byte(b, '#');
	channel_escape(b, nsp);
	buf_str(b, "#*");
	return (buf_unread(b));
}

static bool
channel_take(struct slice *s, struct slice head)
{
	if (!slice_starts(*s, head))
		return (false);
	*s = slice_from(*s, head.n);
	return (true);
}

/* A room may hold the sign as well: exactly one at the end is the channel's. */
bool
channel_room(struct slice channel, const char *prefix, struct slice nsp,
    struct slice *room)
{
	if (!channel_take(&channel, slice_str(prefix)) ||
	    !channel_take(&channel, SLICE("#")) ||
	    !channel_take(&channel, nsp) ||
	    !channel_take(&channel, SLICE("#")))
		return (false);
	*room = channel;
	if (channel.n == 0)
		return (true);
	room->n--;
	return (channel.p[room->n] == '#');
}

bool
channel_concerns(struct buf *b, struct slice channel, const char *prefix,
    struct slice nsp, struct slice *room)
{
	if (channel_room(channel, prefix, nsp, room))
		return (true);
	*room = slice_of(NULL, 0);
	/* a request may be a broadcast that asks */
	return (slice_eq(channel, channel_pattern(b, prefix, nsp)) ||
	    slice_eq(channel, channel_name(b, prefix, CHANNEL_REQUEST, nsp)));
}
