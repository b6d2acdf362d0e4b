/*
 * Questions to the relay, and what becomes of them; see stream.h.  Called by
 * hub.c.
 */
#include "hub/stream/stream_int.h"

#include <stdlib.h>

#include "hub/publish/post.h"

struct streams_table *
streams_table_new(const struct hub *h)
{
	struct streams_table *t = calloc(1, sizeof *t);

	if (t != NULL)
		waits_init(&t->waits, STREAM_WAITS_MAX, h->generation);
	return (t);
}

static struct streams_wait *
stream_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct streams_wait, wait));
}

void
streams_table_free(struct hub *h)
{
	struct streams_table *t = h->stream;

	if (t == NULL)
		return;
	streams_lost(h);
	waits_fini(&t->waits);
	free(t);
	h->stream = NULL;
}

bool
streams_ask(struct hub *h, struct bus_envelope *e, struct streams_wait *w)
{
	uint32_t ref = waits_ref(&h->stream->waits);

	if (ref == 0 || !post_to(h, 0, ref, e))
		return (false);
	waits_add(&h->stream->waits, &w->wait, ref,
	    h->now.us + STREAM_TIMEOUT_MS * UINT64_C(1000));
	return (true);
}

static void
stream_over(struct hub *h, struct streams_wait *w,
    const struct bus_envelope *e)
{
	waits_remove(&h->stream->waits, &w->wait);
	w->over(h, w, e);
}

void
streams_bus(struct hub *h, const struct bus_envelope *e)
{
	struct streams_wait *w = stream_of(waits_find(&h->stream->waits,
	    e->ref));

	if (w != NULL)		/* else too late, or not ours */
		stream_over(h, w, e);
}

void
streams_tick(struct hub *h)
{
	struct streams_wait *w;

	while ((w = stream_of(waits_over(&h->stream->waits,
	    h->now.us))) != NULL) {
		counter_add(COUNTER_acks_timed_out, 1);
		stream_over(h, w, NULL);
	}
}

void
streams_lost(struct hub *h)
{
	struct streams_wait *w;

	while ((w = stream_of(waits_first(&h->stream->waits))) != NULL)
		stream_over(h, w, NULL);
}
