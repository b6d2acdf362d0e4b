/*
 * A y-websocket provider: one connection, one session, one document; see yjs.h.
 * Called by the host through client.h.
 */
#include "hub/yjs/yjs_int.h"

#include <stdlib.h>

#include "hub/dialect/single.h"
#include "hub/publish/publish.h"
#include "hub/queue/send.h"
#include "hub/service/presence.h"
#include "hub/session/limit.h"
#include "hub/session/principal.h"
#include "proto/ws.h"

/* Larger ones are not kept for the next message. */
#define SCRATCH_KEPT	(64u << 10)

/* --- out ------------------------------------------------------------------- */

static void
yjs_scratch_done(struct buf *b)
{
	b->oom = false;
	if (b->cap > SCRATCH_KEPT) {
		buf_fini(b);
		buf_init(b);
	}
}

void
yjs_say(struct yjs *y, enum yjs_kind kind, struct slice body)
{
	struct client *c = &y->client;
	struct buf *b = &c->hub->text;

	buf_reset(b);
	yjs_put(b, kind, body);
	if (b->oom)
		send_lost(&c->hub->out, c->out);
	else
		client_send_binary(c, buf_unread(b));
	yjs_scratch_done(b);
}

struct publication
yjs_publication(const struct ydoc *d, struct slice event,
    const struct slice *attachments, unsigned n)
{
	static const struct slice arg = { (const uint8_t *)
		"{\"_placeholder\":true,\"num\":0}", 29 };

	return ((struct publication){
	    .nsp = slice_of(d->ns->name, d->ns->name_len), .event = event,
	    .args = arg, .first = arg, .attachments = attachments,
	    .nattach = n, .room = ydoc_name(d) });
}

/* --- steps ------------------------------------------------------------------ */

void
yjs_ask(struct yjs *y, enum yjs_asked asked)
{
	const struct ydoc *d = y->doc;

	y->asked = asked;
	y->was_asked = true;
	y->epoch_n = d->epoch_n;
	memcpy(y->epoch, d->epoch, sizeof y->epoch);
	yjs_say(y, YJS_STEP1, asked == YJS_ASKED_REST && d->low.wpos > 0 ?
	    buf_unread(&d->low) : slice_of("\0", 1));
}

/* It came with nothing: all that it has later is ours, or comes by itself. */
static bool
yjs_has_nothing(const struct yjs *y)
{
	return (y->vector_n == 1 && y->vector[0] == 0);
}

/* What it lacks it has got, so there is nothing to be said; what we lack is asked
 * for, once. */
void
yjs_answer(struct yjs *y)
{
	yjs_say(y, YJS_STEP2, slice_of("\0\0", 2));
	if (y->was_asked || !y->writer)
		return;
	if (ycompact_is_due(y->doc) && ycompact_ask(y))
		return;
	if (yjs_has_nothing(y))
		y->was_asked = true;
	else
		yjs_ask(y, YJS_ASKED_REST);
}

static void
yjs_ignore(void)
{
	counter_add(COUNTER_yjs_ignored, 1);
}

static void
yjs_step1(struct yjs *y, struct slice vector)
{
	uint8_t *copy;

	if (!yjs_vector_is_good(vector)) {
		yjs_ignore();
		return;
	}
	/* what it says later is of what it has since then */
	if (!y->was_asked && vector.n <= YJS_VECTOR_MAX &&
	    (copy = malloc(vector.n)) != NULL) {
		memcpy(copy, vector.p, vector.n);
		free(y->vector);
		y->vector = copy;
		y->vector_n = (uint32_t)vector.n;
	}
	y->stepped = true;
	if (y->live)
		yjs_answer(y);
}

static void
yjs_step2(struct yjs *y, struct slice update)
{
	enum yjs_asked asked = y->asked;
	struct yjs_keep k = { .update = update, .answer = true };

	y->asked = YJS_ASKED_NOTHING;
	if (asked == YJS_ASKED_ALL && ycompact_answer(y, update))
		return;
	/* what we asked with, the log covers, and this is the rest of it */
	if (asked != YJS_ASKED_NOTHING && y->vector != NULL) {
		k.epoch = slice_of(y->epoch, y->epoch_n);
		k.vector = slice_of(y->vector, y->vector_n);
	}
	if (!yjs_is_empty(update))
		yjs_keep(y, &k);
	free(y->vector);
	y->vector = NULL;
	y->vector_n = 0;
}

static void
yjs_edit(struct yjs *y, const struct yjs_message *m)
{
	struct yjs_keep k = { .update = m->body };

	if (!y->writer) {
		counter_add(COUNTER_yjs_read_only, 1);
		return;
	}
	if (m->body.n == 0)
		yjs_ignore();
	else if (m->kind == YJS_STEP2)
		yjs_step2(y, m->body);
	else if (!yjs_is_empty(m->body))
		yjs_keep(y, &k);
}

/* --- in --------------------------------------------------------------------- */

static void
yjs_take(struct yjs *y, const struct yjs_message *m)
{
	switch (m->kind) {
	case YJS_STEP1:
		yjs_step1(y, m->body);
		break;
	case YJS_STEP2:
	case YJS_UPDATE:
		yjs_edit(y, m);
		break;
	case YJS_AWARENESS:
		yaware_say(y, m->body);
		break;
	case YJS_QUERY:
		yaware_give(y);
		break;
	case YJS_AUTH:
	case YJS_UNKNOWN:
		yjs_ignore();
		break;
	}
}

static bool
yjs_may(struct session *s, struct slice data)
{
	struct slice arg = SLICE("{\"_placeholder\":true,\"num\":0}");
	struct inbound in = { .event = YJS_EVENT, .args = arg, .first = arg,
		.attachments = &data, .nattach = 1 };

	counter_ns_add(s->ns->index, NS_events_in, 1);
	counter_ns_add(s->ns->index, NS_bytes_in, data.n);
	return (limit_message(s, &in));
}

static void
yjs_binary(struct client *c, uint8_t *data, size_t n)
{
	struct session *s = c->sessions;
	struct yjs_message m;

	if (client_expired(s))
		return;
	if (yjs_decode(slice_of(data, n), &m) == CODEC_BAD) {
		yjs_ignore();
		return;
	}
	/* what is dropped of a document would be missing in it, until its client
	 * comes back */
	if (!yjs_may(s, slice_of(data, n))) {
		if (m.kind != YJS_AWARENESS)
			client_close(c, REASON_too_many_requests);
		return;
	}
	presence_active(s);
	yjs_take(yjs_of(c), &m);
}

static void
yjs_text(struct client *c, uint8_t *data, size_t n)
{
	(void)c;
	(void)data;
	(void)n;
	yjs_ignore();
}

/* --- life ------------------------------------------------------------------- */

/* A provider that hears nothing for 30 seconds comes anew, and pings are nothing
 * to it. */
static void
yjs_heartbeat(struct client *c)
{
	uint8_t ping[WS_HEADER_MAX];

	if (client_beat(c, slice_of(ping,
	    ws_encode_header(ping, WS_OP_PING, 0))))
		yjs_say(yjs_of(c), YJS_AWARENESS, slice_of("\0", 1));
}

static void
yjs_pong(struct client *c)
{
	if (client_beat_answered(c))
		client_schedule(c);
}

static void
yjs_parting(struct client *c, enum reason why)
{
	(void)why;
	if (yjs_of(c)->doc != NULL)
		yaware_leave(yjs_of(c));
}

/* It is in no room any more. */
static void
yjs_gone(struct client *c)
{
	struct yjs *y = yjs_of(c);

	counter_sub(COUNTER_yjs_open, 1);
	free(y->vector);
	y->vector = NULL;
	if (y->doc == NULL)
		return;
	yjs_open_end(y);
	yaware_forget(y);
	ycompact_left(y->doc, y);
	TAILQ_REMOVE(&y->doc->clients, y, link);
	ydoc_unref(&y->doc);
}

size_t
yjs_client_bytes(void)
{
	return (sizeof(struct yjs));
}

const struct client_kind yjs_kind = {
	.slab = CLIENT_YJS, .number = CLIENT_IS_YJS, .documents = true, .due = client_beat_due,
	.text = yjs_text, .binary = yjs_binary, .pong = yjs_pong,
	.tick = yjs_heartbeat, .parting = yjs_parting, .gone = yjs_gone,
	.expire = single_expire, .kick = single_kick,
	.save = yjs_save, .load = yjs_load,
};

void
yjs_denied(struct buf *b, const struct refusal *r)
{
	counter_add(COUNTER_yjs_denied, 1);
	yjs_put(b, YJS_AUTH, slice_str(r->message));
}

static bool
yjs_begin(struct yjs *y, struct admission *a)
{
	struct client *c = &y->client;
	struct slice name = slice_of(a->room, a->room_len);
	char *room = a->room;
	bool ok;

	a->room = NULL;		/* it joins when it has all of it */
	ok = single_begin(c, a);
	a->room = room;
	if (!ok)
		return (false);
	y->doc = ydoc_open(c->hub, a->ns, name);
	if (y->doc == NULL)
		return (false);
	TAILQ_INSERT_TAIL(&y->doc->clients, y, link);
	y->doc->compact = a->route->compact;
	y->writer = principal_has_role(c->who, a->route->writers,
	    a->route->nwriters);
	return (true);
}

struct client *
yjs_open(struct hub *h, struct admission *a, struct outq *out)
{
	struct client *c;

	a->window = DEFLATE_NONE;
	c = client_new(h, &yjs_kind, WIRE_YJS, out, a);
	if (c == NULL)
		return (NULL);
	counter_add(COUNTER_yjs_open, 1);
	if (!yjs_begin(yjs_of(c), a)) {
		client_gone(&c, REASON_memory);
		return (NULL);
	}
	counter_add(COUNTER_opened_websocket, 1);
	client_beat_start(c);
	client_schedule(c);
	yjs_open_begin(yjs_of(c));
	yaware_query(yjs_of(c)->doc);
	return (c);
}

/* --- for all of them ----------------------------------------------------------- */

#define SWEEP_US	UINT64_C(5000000)

void
yjs_tick(struct hub *h)
{
	struct yjs_table *t = h->yjs;
	bool sweep = h->now.us - t->swept_us > SWEEP_US;
	struct ydoc *d, *next;

	if (t->ndocs == 0)
		return;
	yjs_open_tick(h);
	if (sweep)
		t->swept_us = h->now.us;
	for (d = TAILQ_FIRST(&t->all); d != NULL; d = next) {
		next = TAILQ_NEXT(d, all);
		if (sweep)
			yaware_sweep(d);
		ydoc_tick(d);
	}
}

void
yjs_bus(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_publish *b = &e->publish;
	const struct conf_namespace *ns;
	struct yjs_message m;
	struct room *r = NULL;
	struct ydoc *d;

	if (h->yjs->ndocs == 0 || b->to.nrooms != 1 || b->kept != 0)
		return;
	ns = conf_namespace_find(h->conf, b->nsp);
	if (ns != NULL)
		r = room_find(h, ns->index, ROOM_NAMED, b->to.rooms[0]);
	d = r == NULL ? NULL : ydoc_find(h, r);
	if (d == NULL)
		return;
	if (slice_eq(b->event, YJS_QUERY_EVENT))
		d->tells = true;	/* once for all, with the next tick */
	else if (slice_eq(b->event, YJS_CLAIM_EVENT))
		ycompact_claimed(d);
	else if (slice_eq(b->event, YJS_EVENT) && b->nattach > 0 &&
	    yjs_decode(b->attachments[0], &m) > 0 && m.kind == YJS_AWARENESS)
		(void)yaware_take(d, NULL, m.body);
}
