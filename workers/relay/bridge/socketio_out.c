/*
 * What is published here, on its way to other servers' clients; see
 * socketio.h.  They get what ours get: the event, its arguments, its meta.
 */
#include "relay/bridge/socketio_int.h"

#include "proto/bus.h"
#include "relay/bridge/channel.h"
#include "relay/redis/redis.h"

#define OUT_EVENT	2	/* type of a packet */

static void
out_member(struct buf *b, struct slice name)
{
	msgpack_put_str(b, name);
}

static void
out_names(struct buf *b, const struct slice *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		msgpack_put_str(b, v[i]);
}

static void
out_packet(struct buf *b, const struct bus_publish *p)
{
	msgpack_put_map(b, 3);
	out_member(b, SLICE("type"));
	msgpack_put_uint(b, OUT_EVENT);
	out_member(b, SLICE("data"));
	msgpack_put_array(b, 1 + msgpack_count_elements(p->args) +
	    (p->meta.n != 0));
	(void)msgpack_put_elements(b, p->event, NULL, 0);
	(void)msgpack_put_elements(b, p->args, p->attachments, p->nattach);
	(void)msgpack_put_elements(b, p->meta, NULL, 0);
	out_member(b, SLICE("nsp"));
	msgpack_put_str(b, p->nsp);
}

static void
out_options(struct buf *b, const struct bus_audience *to, bool is_volatile)
{
	msgpack_put_map(b, 3);
	out_member(b, SLICE("rooms"));
	msgpack_put_array(b, to->nrooms + to->nsids);
	out_names(b, to->rooms, to->nrooms);
	out_names(b, to->sids, to->nsids);
	out_member(b, SLICE("except"));
	msgpack_put_array(b, to->nexcept);
	out_names(b, to->except, to->nexcept);
	out_member(b, SLICE("flags"));
	msgpack_put_map(b, is_volatile);
	if (is_volatile) {
		out_member(b, SLICE("volatile"));
		msgpack_put_bool(b, true);
	}
}

/* To just one room by the channel that says so: servers without it need not
 * look inside. */
static struct slice
out_channel(struct socketio *s, const struct bus_publish *p)
{
	const char *prefix = s->p.home->conf->redis.socketio_prefix;
	const struct bus_audience *to = &p->to;

	if (to->nrooms + to->nsids != 1)
		return (channel_name(&s->channel, prefix, CHANNEL_BROADCAST,
		    p->nsp));
	return (channel_of_room(&s->channel, prefix, p->nsp,
	    to->nrooms == 1 ? to->rooms[0] : to->sids[0]));
}

static void
out_send(struct socketio *s, const struct bus_publish *p, bool is_volatile)
{
	struct slice channel = out_channel(s, p);
	struct buf *b = &s->message;

	buf_reset(b);
	msgpack_put_array(b, SOCKETIO_PARTS);
	msgpack_put_str(b, slice_str(s->uid));
	out_packet(b, p);
	out_options(b, &p->to, is_volatile);
	if (b->oom || s->channel.oom) {
		buf_fini(b);
		buf_init(b);
		s->channel.oom = false;
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	if (redis_publish_classic(s->p.home->redis, channel, buf_unread(b),
	    NULL, NULL))
		counter_add(COUNTER_socketio_sent, 1);
}

void
socketio_publish(struct socketio *s, const struct bus_envelope *e)
{
	CHECK_MAGIC(s, SOCKETIO_MAGIC);
	MUST(e->kind == BUS_PUBLISH);
	if (conf_socketio_on(&s->p.home->conf->redis, CONF_ADAPTER_CLASSIC))
		out_send(s, &e->publish, (e->flags & BUS_VOLATILE) != 0);
}
