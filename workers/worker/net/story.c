/*
 * Stories of sessions over HTTP; see story.h.
 */
#include "worker/net/story.h"

#include <string.h>

#include "base/state.h"
#include "hub/queue/out.h"
#include "worker/worker.h"

STATE_FIELDS(story, 56);

static struct record
story_record(const struct story *s, const struct story_of *of)
{
	return ((struct record){ .w = of->w, .client = of->client,
		.kind = of->kind, .number = s->number, .opened = s->opened,
		.address = s->address, .port = s->port, .reason = of->reason,
		.queued = outq_bytes(of->queue) });
}

void
story_begin(struct story *s, const struct story_of *of,
    const uint8_t address[16], uint16_t port)
{
	struct record r;

	s->opened = s->in_at = s->out_at = record_time(of->w);
	if (s->number == 0)
		s->number = record_number(of->w);
	memcpy(s->address, address, sizeof s->address);
	s->port = port;
	r = story_record(s, of);
	record_open(&r);
}

void
story_note(const struct story *s, const struct story_of *of,
    const struct client_noted *n)
{
	static const enum trail_event events[] = {
		[CLIENT_JOINED] = TRAIL_JOINED,
		[CLIENT_REFUSED] = TRAIL_REFUSED,
		[CLIENT_RATE_LIMITED] = TRAIL_RATE_LIMITED,
	};
	struct record r = story_record(s, of);

	/* it opens in a moment, with all this */
	if (s->number != 0)
		record_note(&r, events[n->note], n);
}

void
story_in(struct story *s, const struct worker *w, size_t n)
{
	s->in += n;
	s->in_at = record_time(w);
}

void
story_out(struct story *s, const struct worker *w, size_t n)
{
	s->out += n;
	s->out_at = record_time(w);
}

void
story_end(const struct story *s, const struct story_of *of)
{
	uint32_t now = record_time(of->w);
	const struct record_traffic t = { .in = s->in, .out = s->out,
		.in_ms = (now - s->in_at) * (RECORD_UNIT_US / 1000),
		.out_ms = (now - s->out_at) * (RECORD_UNIT_US / 1000) };
	struct record r = story_record(s, of);

	r.traffic = &t;
	record_end(&r);
}

void
story_save(const struct story *s, struct buf *b)
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
story_load(struct story *s, struct state_in *in)
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
