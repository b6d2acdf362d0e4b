/*
 * What is told of a session over polling: as of one connection, though it has
 * had many; see net/record.h.
 */
#include "base/state.h"
#include "hub/queue/out.h"
#include "worker/engineio/polling_int.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

STATE_FIELDS(poller_story, 56);

static struct record
poller_record(const struct poller *p)
{
	return ((struct record){ .w = p->all->w, .client = p->client,
		.kind = RECORD_POLLING, .number = p->story.number,
		.opened = p->story.opened, .address = p->story.address,
		.port = p->story.port, .reason = (enum reason)p->reason,
		.queued = outq_bytes(&p->outq) });
}

void
poller_story_begin(struct poller *p, const struct from *from)
{
	struct poller_story *s = &p->story;
	struct record r;

	s->opened = s->in_at = s->out_at = record_time(p->all->w);
	if (s->number == 0)
		s->number = record_number(p->all->w);
	memcpy(s->address, from->address, sizeof s->address);
	s->port = from->port;
	r = poller_record(p);
	record_open(&r);
}

void
polling_note(struct poller *p, const struct client_noted *n)
{
	static const enum trail_event events[] = {
		[CLIENT_JOINED] = TRAIL_JOINED,
		[CLIENT_REFUSED] = TRAIL_REFUSED,
		[CLIENT_RATE_LIMITED] = TRAIL_RATE_LIMITED,
	};
	struct record r = poller_record(p);

	/* it opens in a moment, with all this */
	if (p->story.number != 0)
		record_note(&r, events[n->note], n);
}

void
poller_story_in(struct poller *p, size_t n)
{
	p->story.in += n;
	p->story.in_at = record_time(p->all->w);
}

void
poller_story_out(struct poller *p, size_t n)
{
	p->story.out += n;
	p->story.out_at = record_time(p->all->w);
}

void
poller_story_end(const struct poller *p)
{
	uint32_t now = record_time(p->all->w);
	const struct record_traffic t = { .in = p->story.in,
		.out = p->story.out,
		.in_ms = (now - p->story.in_at) * (RECORD_UNIT_US / 1000),
		.out_ms = (now - p->story.out_at) * (RECORD_UNIT_US / 1000) };
	struct record r = poller_record(p);

	r.traffic = &t;
	record_end(&r);
}

void
poller_story_save(const struct poller_story *s, struct buf *b)
{
	state_put_u64(b, s->in);
	state_put_u64(b, s->out);
	state_put_u32(b, s->in_at);
	state_put_u32(b, s->out_at);
	state_put_u32(b, s->opened);
	state_put_u32(b, s->number);
	state_put_bytes(b, s->address, sizeof s->address);
	state_put_u16(b, s->port);
}

void
poller_story_load(struct poller_story *s, struct state_in *in)
{
	s->in = state_get_u64(in);
	s->out = state_get_u64(in);
	s->in_at = state_get_u32(in);
	s->out_at = state_get_u32(in);
	s->opened = state_get_u32(in);
	s->number = state_get_u32(in);
	state_get_bytes(in, s->address, sizeof s->address);
	s->port = state_get_u16(in);
}
