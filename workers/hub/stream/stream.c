/*
 * The roof of stream/; see stream.h.  Called by hub.c.
 */
#include "hub/stream/stream_int.h"

#include <stdlib.h>

struct streams_table *
streams_table_new(const struct hub *h)
{
	struct streams_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	waits_init(&t->waits, STREAM_WAITS_MAX, h->generation);
	waits_init(&t->awaits, STREAM_WAITS_MAX, h->generation);
	hashtab_init(&t->takes, inbox_hash_of, h);
	TAILQ_INIT(&t->given);
	TAILQ_INIT(&t->slow);
	TAILQ_INIT(&t->later);
	return (t);
}

void
streams_table_free(struct hub *h)
{
	struct streams_table *t = h->stream;

	if (t == NULL)
		return;
	question_lost(h);
	await_free(h);
	inbox_free(h);
	waits_fini(&t->waits);
	waits_fini(&t->awaits);
	hashtab_fini(&t->takes);
	free(t);
	h->stream = NULL;
}

void
streams_bus(struct hub *h, const struct bus_envelope *e)
{
	if (!question_answered(h, e))
		inbox_unwanted(h, e);
}

void
streams_tick(struct hub *h)
{
	question_tick(h);
	await_tick(h);
	inbox_tick(h);
}

void
streams_lost(struct hub *h)
{
	question_lost(h);
}

void
streams_written(struct hub *h)
{
	inbox_written(h);
}

bool
streams_busy(const struct hub *h)
{
	return (h->stream->said);
}
