/*
 * What is published here, for servers with the sharded adapter; see sharded.h.
 * They get what our clients get: the event, its arguments, its meta.
 */
#include "relay/bridge/sharded_int.h"

#include "proto/bus.h"
#include "proto/json.h"
#include "relay/bridge/msgpack.h"
#include "relay/redis/redis.h"

static void
sharded_out_names(struct buf *b, bool *some, const struct slice *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (*some)
			buf_byte(b, ',');
		*some = true;
		json_escape(b, v[i]);
	}
}

static void
sharded_out_options(struct buf *b, const struct bus_audience *to,
    bool is_volatile)
{
	bool some = false;

	buf_str(b, "\"opts\":{\"rooms\":[");
	sharded_out_names(b, &some, to->rooms, to->nrooms);
	sharded_out_names(b, &some, to->sids, to->nsids);
	some = false;
	buf_str(b, "],\"except\":[");
	sharded_out_names(b, &some, to->except, to->nexcept);
	buf_str(b, is_volatile ? "],\"flags\":{\"volatile\":true}}" :
	    "],\"flags\":{}}");
}

static void
sharded_out_message(const struct sharded *s, struct buf *b,
    const struct bus_publish *p, bool is_volatile)
{
	buf_reset(b);
	buf_str(b, "{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[");
	buf_slice(b, p->event);
	if (p->args.n != 0) {
		buf_byte(b, ',');
		buf_slice(b, p->args);
	}
	if (p->meta.n != 0) {
		buf_byte(b, ',');
		buf_slice(b, p->meta);
	}
	buf_str(b, "]},");
	sharded_out_options(b, &p->to, is_volatile);
	buf_byte(b, '}');
	sharded_put_tail(s, b, p->nsp);
}

static void
sharded_out_send(struct sharded *s, const struct bus_publish *p,
    bool is_volatile)
{
	struct slice channel = sharded_channel(s, p->nsp, slice_of(NULL, 0));
	struct buf *b = &s->text;

	sharded_out_message(s, b, p, is_volatile);
	if (p->nattach > 0 && !b->oom) {
		buf_reset(&s->message);
		(void)msgpack_put_elements(&s->message, buf_unread(b),
		    p->attachments, p->nattach);
		b = &s->message;
	}
	if (b->oom || s->channel.oom) {
		b->oom = false;
		counter_add(COUNTER_memory_failures, 1);
	} else if (redis_spublish_raw(s->p.home->redis, channel, buf_unread(b),
	    NULL, NULL))
		counter_add(COUNTER_socketio_sent, 1);
}

void
sharded_publish(struct sharded *s, const struct bus_envelope *e)
{
	CHECK_MAGIC(s, SHARDED_MAGIC);
	MUST(e->kind == BUS_PUBLISH);
	sharded_out_send(s, &e->publish, (e->flags & BUS_VOLATILE) != 0);
}
