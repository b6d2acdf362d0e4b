/*
 * Questions to the relay, and what becomes of them; see stream_int.h.  Called by
 * stream.c, and by those who ask.
 */
#include "hub/stream/stream_int.h"

#include "hub/publish/post.h"

static struct question *
question_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct question, wait));
}

bool
question_ask(struct hub *h, struct bus_envelope *e, struct question *q)
{
	return (question_ask_for(h, e, q, STREAM_TIMEOUT_MS));
}

bool
question_ask_for(struct hub *h, struct bus_envelope *e, struct question *q,
    uint64_t ms)
{
	uint32_t ref = waits_ref(&h->stream->waits);

	if (ref == 0 || !post_to(h, 0, ref, e))
		return (false);
	waits_add(&h->stream->waits, &q->wait, ref,
	    h->now.us + ms * 1000);
	return (true);
}

void
verdict_count(uint64_t kind)
{
	counter_add(COUNTER_verdicts, 1);
	if (kind == FORWARD_ASKS_CONNECT)
		counter_add(COUNTER_verdicts_connects, 1);
	else if (kind == FORWARD_ASKS_JOIN)
		counter_add(COUNTER_verdicts_joins, 1);
}

static void
question_over(struct hub *h, struct question *q, const struct bus_envelope *e)
{
	waits_remove(&h->stream->waits, &q->wait);
	q->over(h, q, e);
}

bool
question_answered(struct hub *h, const struct bus_envelope *e)
{
	struct question *q = question_of(waits_find(&h->stream->waits,
	    e->ref));
	bool late;

	if (q == NULL)
		return (false);		/* or it is not ours */
	late = h->now.us >= q->wait.until_us;
	question_over(h, q, late ? NULL : e);
	return (!late);
}

void
question_tick(struct hub *h)
{
	struct question *q;

	while ((q = question_of(waits_over(&h->stream->waits,
	    h->now.us))) != NULL) {
		counter_add(COUNTER_acks_timed_out, 1);
		question_over(h, q, NULL);
	}
}

void
question_lost(struct hub *h)
{
	struct question *q;

	while ((q = question_of(waits_first(&h->stream->waits))) != NULL)
		question_over(h, q, NULL);
}
