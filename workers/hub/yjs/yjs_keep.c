/*
 * Updates into the log; see yjs_int.h.  Whose update is not kept, or may not be,
 * is closed: it offers it again when it comes back.
 */
#include "hub/yjs/yjs_int.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/store/keep.h"
#include "hub/store/waiter.h"

struct ykeep {
	struct waiter	 waiter;
	struct ydoc	*doc;		/* held */
	bool		 snapshot;
	uint8_t		 raw[1];	/* no ack has any */
};

static void
keep_closes(struct yjs *y, enum bus_store result)
{
	bool full = result == BUS_STORE_TOO_LARGE;

	counter_add(full ? COUNTER_yjs_refused_full :
	    COUNTER_yjs_refused_store, 1);
	client_close(&y->client, full ? REASON_document_full :
	    REASON_document_unavailable);
}

static void
keep_told(struct hub *h, void *arg, const struct keep_told *t)
{
	struct ykeep *k = arg;
	struct session *s = waiter_session(h, &k->waiter);
	bool good = t->result == BUS_STORE_OK;

	if (k->snapshot)
		ycompact_kept(k->doc, t->epoch, good);
	if (!good && s != NULL)
		keep_closes(yjs_of(s->client), t->result);
	else if (good && !k->snapshot)
		ycompact_look(k->doc);
	waiter_end(h, &k->waiter);
	ydoc_unref(&k->doc);
	free(k);
}

static struct ykeep *
keep_new(struct yjs *y, const struct yjs_keep *what)
{
	const struct ack none = { .kind = ACK_NONE };
	struct ykeep *k = calloc(1, sizeof *k);

	if (k == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	k->doc = ydoc_ref(y->doc);
	k->snapshot = what->covers != 0;
	waiter_begin(&k->waiter, WAITER_YJS, y->client.sessions, &none,
	    k->raw);
	return (k);
}

static void
keep_unsent(struct yjs *y, struct ykeep *k)
{
	bool snapshot = k->snapshot;

	waiter_end(y->client.hub, &k->waiter);
	ydoc_unref(&k->doc);
	free(k);
	if (snapshot)
		ycompact_kept(y->doc, slice_of(NULL, 0), false);
	keep_closes(y, BUS_STORE_UNAVAILABLE);
}

/* The message that all get, and a note beside it; both stand in b. */
static unsigned
keep_encode(struct buf *b, const struct yjs_keep *what, struct slice v[2])
{
	struct yjs_note note = { what->epoch, what->covers, what->vector };
	size_t at;

	buf_reset(b);
	yjs_put(b, YJS_UPDATE, what->update);
	at = b->wpos;
	if (what->vector.n != 0)
		yjs_note_put(b, &note);
	v[0] = slice_of(b->data, at);
	v[1] = slice_of(b->data + at, b->wpos - at);
	return (what->vector.n != 0 ? 2 : 1);
}

void
yjs_keep(struct yjs *y, const struct yjs_keep *what)
{
	struct session *s = y->client.sessions;
	struct hub *h = y->client.hub;
	struct slice name = ydoc_name(y->doc), sid = session_sid(s), v[2];
	struct audience to = { .rooms = &name, .nrooms = 1, .except = &sid,
		.nexcept = 1 };
	uint8_t digest[YJS_DIGEST];
	struct publication p;
	struct ykeep *k;
	struct buf b;

	if (what->answer) {
		digest_sha1(what->update, digest);
		if (ydoc_has_answer(y->doc, digest)) {
			counter_add(COUNTER_yjs_repeated, 1);
			return;
		}
	}
	if (what->covers == 0 && ydoc_is_full(y->doc, what->update.n)) {
		ycompact_look(y->doc);
		keep_closes(y, BUS_STORE_TOO_LARGE);
		return;
	}
	if ((k = keep_new(y, what)) == NULL) {
		client_close(&y->client, REASON_memory);
		return;
	}
	buf_init(&b);
	p = yjs_publication(y->doc, YJS_EVENT, v, keep_encode(&b, what, v));
	if (b.oom || !keep_ask(h, &(struct keep){ .ns = y->doc->ns,
	    .to = &to, .p = &p }, keep_told, k))
		keep_unsent(y, k);
	else {
		counter_add(COUNTER_yjs_updates, 1);
		counter_add(COUNTER_yjs_update_bytes, what->update.n);
	}
	buf_fini(&b);
}
