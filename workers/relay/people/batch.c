/*
 * Users on their way to Redis; see batch.h.  Called by truth.c.
 */
#include "relay/people/batch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/json.h"
#include "proto/status.h"
#include "relay/people/field.h"
#include "shm/why.h"

struct batch *
batch_new(void)
{
	struct batch *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	buf_init(&b->bytes);
	buf_init(&b->news);
	return (b);
}

void
batch_free(struct batch **bp)
{
	struct batch *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	buf_fini(&b->bytes);
	buf_fini(&b->news);
	free(b);
}

void
batch_empty(struct batch *b)
{
	buf_reset(&b->bytes);
	buf_reset(&b->news);
	b->bytes.oom = b->news.oom = false;
	b->n = 0;
}

bool
batch_is_cut(const struct batch *b)
{
	return (b->bytes.oom || b->news.oom);
}

/* The part that begins at from. */
static struct batch_part
batch_part(const struct batch *b, size_t from)
{
	return ((struct batch_part){ (uint32_t)from,
	    (uint32_t)(b->bytes.wpos - from) });
}

void
batch_add(struct batch *b, uint64_t epoch, const struct news_entry *e)
{
	struct batch_part *part = &b->part[BATCH_ARGS * b->n];
	size_t at = b->bytes.wpos;

	MUST(b->n++ < BATCH_MAX);
	news_entry_put(&b->news, e);
	field_put_name(&b->bytes, e);
	part[0] = batch_part(b, at);
	at = b->bytes.wpos;
	if (e->present)
		field_put_value(&b->bytes, epoch, e);
	part[1] = batch_part(b, at);
	at = b->bytes.wpos;
	if (e->present && !e->room) {
		buf_str(&b->bytes, "{\"user\":");
		json_escape(&b->bytes, e->key);
		if (e->all == STATUS_INVISIBLE)
			buf_str(&b->bytes, ",\"status\":\"offline\","
			    "\"last_seen\":null,\"invisible\":true");
		else
			buf_printf(&b->bytes, ",\"status\":\"%s\","
			    "\"last_seen\":%" PRIu64,
			    status_name(true, e->all), e->seen_ms);
	}
	if (!e->present && why_name(e->why) != NULL)
		buf_str(&b->bytes, why_name(e->why));
	part[2] = batch_part(b, at);
}

size_t
batch_args(const struct batch *b, struct slice *argv)
{
	size_t i, n = BATCH_ARGS * (size_t)b->n;

	for (i = 0; i < n; i++)
		argv[i] = slice_of(b->bytes.data + b->part[i].at,
		    b->part[i].n);
	return (n);
}
