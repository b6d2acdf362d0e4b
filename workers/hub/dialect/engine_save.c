/*
 * An engine from one worker to another, whatever is on top of it; see engine.h.
 * Its sid stays, and names the worker that opened it.
 */
#include <stdlib.h>

#include "base/state.h"
#include "hub/hub_int.h"
#include "hub/dialect/engine.h"
#include "hub/queue/book.h"
#include "hub/queue/sentlog.h"

/* back.asks is empty: who waits for an answer does not move. */
STATE_FIELDS(engine, 168);

#define ENGINE_TAG	0x4e45		/* "EN" */
#define ENGINE_VERSION	2

void
engine_save(const struct client *c, struct book *k, struct buf *b)
{
	const struct engine *e = (const struct engine *)(const void *)c;
	size_t at = state_open(b, ENGINE_TAG, ENGINE_VERSION);

	MUST(LIST_EMPTY(&e->back.asks));
	state_put_u64(b, e->connect_us);
	state_put_u16(b, e->failed);
	state_put_bool(b, e->b64);
	state_put_bytes(b, e->sid, EIO_SID_LEN);
	engine_was_save(e, b);
	state_put_bool(b, e->assembly != NULL);
	if (e->assembly != NULL)
		assembly_save(e->assembly, b);
	state_put_bool(b, e->back.log != NULL);
	if (e->back.log != NULL)
		sentlog_save(e->back.log, c->hub->out.scratch, k, b);
	state_close(b, at);
}

static bool
engine_load_log(struct engine *e, struct book *k, struct state_in *in)
{
	struct client *c = &e->client;
	const struct hub *h = c->hub;

	if (!state_get_bool(in))
		return (!in->bad);
	e->back.log = sentlog_load(h->conf->recovery_packets,
	    h->conf->recovery_bytes, (enum wire)c->wire, k, in);
	if (e->back.log == NULL || c->kind->comeback == NULL)
		return (false);
	return (true);
}

static bool
engine_load_assembly(struct engine *e, struct state_in *in)
{
	if (!state_get_bool(in))
		return (!in->bad);
	e->assembly = assembly_load(in);
	return (e->assembly != NULL && e->client.kind->comeback != NULL);
}

/* One of its kind's, and as it said that it can take binary. */
static bool
engine_has_wire(const struct engine *e)
{
	const struct engine_kind *k = engine_kind_of(e);
	enum wire w = wire_form(e->client.wire);

	return (w == k->polling || w == (e->b64 ? k->b64 : k->ws));
}

static bool
engine_load_fields(struct engine *e, struct book *k, struct state_in *in)
{
	struct eio_owner owner;

	e->connect_us = state_get_u64(in);
	e->failed = state_get_u16(in);
	e->b64 = state_get_bool(in);
	state_get_bytes(in, e->sid, EIO_SID_LEN);
	return (!in->bad && engine_has_wire(e) &&
	    eio_sid_owner(slice_of(e->sid, EIO_SID_LEN), &owner) &&
	    engine_was_load(e, in) &&
	    engine_load_assembly(e, in) && engine_load_log(e, k, in) &&
	    state_end(in));
}

bool
engine_load(struct client *c, struct book *k, struct state_in *in)
{
	struct engine *e = engine_of(c);
	struct state_in body;
	uint16_t version;

	if (!state_section(in, ENGINE_TAG, &version, &body) ||
	    version != ENGINE_VERSION)
		return (false);
	LIST_INIT(&e->back.asks);
	if (!engine_load_fields(e, k, &body)) {
		free(e->was);
		e->was = NULL;
		assembly_free(&e->assembly);
		sentlog_unref(&e->back.log);
		return (false);
	}
	counter_add(COUNTER_eio_sessions, 1);
	if (wire_is_polling((enum wire)c->wire))
		counter_add(COUNTER_eio_polling, 1);
	return (true);
}
