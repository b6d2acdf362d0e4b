/*
 * Documents that are open here; see yjs_int.h.
 */
#include "hub/yjs/yjs_int.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/audience/room.h"
#include "hub/store/heal.h"
#include "hub/store/place.h"
#include "hub/store/store.h"

#define DOC_AGAIN_US	UINT64_C(500000)	/* behind an answer that did not come */

/* --- which there are --------------------------------------------------------- */

static uint64_t
doc_hash(const struct room *r)
{
	uint64_t k = (uint64_t)(uintptr_t)r;

	k = (k ^ k >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	return (k ^ k >> 29);
}

static struct ydoc *
doc_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l, struct ydoc,
	    link));
}

static uint64_t
doc_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (doc_hash(doc_at(l)->room));
}

struct yjs_table *
yjs_table_new(void)
{
	struct yjs_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	hashtab_init(&t->docs, doc_hash_of, NULL);
	TAILQ_INIT(&t->all);
	TAILQ_INIT(&t->slow);
	return (t);
}

void
yjs_table_free(struct hub *h)
{
	struct ydoc *d, *next;

	if (h->yjs == NULL)
		return;
	for (d = TAILQ_FIRST(&h->yjs->all); d != NULL; d = next) {
		next = TAILQ_NEXT(d, all);
		ycompact_drop(d);
	}
	MUST(TAILQ_EMPTY(&h->yjs->all) && TAILQ_EMPTY(&h->yjs->slow));
	hashtab_fini(&h->yjs->docs);
	free(h->yjs);
	h->yjs = NULL;
}

struct ydoc *
ydoc_find(struct hub *h, const struct room *r)
{
	struct hashtab_link *l;

	if (h->yjs->ndocs == 0)
		return (NULL);
	for (l = hashtab_chain(&h->yjs->docs, doc_hash(r)); l != NULL;
	    l = l->next)
		if (doc_at(l)->room == r)
			return (doc_at(l));
	return (NULL);
}

/* --- life -------------------------------------------------------------------- */

static void doc_page(struct hub *, struct history_ask *,
    const struct bus_envelope *);

/* The room is held for it. */
static struct ydoc *
doc_new(struct hub *h, const struct conf_namespace *ns, struct room *r)
{
	struct slice values[CONF_PARAMS_MAX];
	struct ydoc *d = calloc(1, sizeof *d);

	if (d == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	d->magic = YDOC_MAGIC;
	d->hub = h;
	d->ns = ns;
	d->conf = conf_room_find(ns, room_name(r), values);
	d->room = r;
	d->ask.page = doc_page;
	TAILQ_INIT(&d->clients);
	TAILQ_INIT(&d->states);
	buf_init(&d->low);
	hashtab_insert(&h->yjs->docs, doc_hash(r), &d->link);
	TAILQ_INSERT_TAIL(&h->yjs->all, d, all);
	h->yjs->ndocs++;
	counter_add(COUNTER_yjs_documents, 1);
	return (d);
}

struct ydoc *
ydoc_ref(struct ydoc *d)
{
	CHECK_MAGIC(d, YDOC_MAGIC);
	d->holds++;
	return (d);
}

struct ydoc *
ydoc_open(struct hub *h, const struct conf_namespace *ns, struct slice name)
{
	struct room *r = room_hold(h, ns, name);
	struct ydoc *d;

	if (r == NULL)
		return (NULL);
	d = ydoc_find(h, r);
	if (d != NULL) {
		room_release(h, &r);
		return (ydoc_ref(d));
	}
	if (h->yjs->ndocs >= h->conf->limit_documents)
		counter_add(COUNTER_yjs_refused_documents, 1);
	else
		d = doc_new(h, ns, r);
	if (d == NULL) {
		room_release(h, &r);
		return (NULL);
	}
	return (ydoc_ref(d));
}

void
ydoc_unref(struct ydoc **dp)
{
	struct ydoc *d = *dp;
	struct hub *h;

	*dp = NULL;
	CHECK_MAGIC(d, YDOC_MAGIC);
	if (--d->holds > 0)
		return;
	h = d->hub;
	MUST(TAILQ_EMPTY(&d->clients));
	if (d->asking)
		history_forget(h, &d->ask);
	yaware_free(d);
	hashtab_remove(&h->yjs->docs, doc_hash(d->room), &d->link);
	TAILQ_REMOVE(&h->yjs->all, d, all);
	h->yjs->ndocs--;
	counter_sub(COUNTER_yjs_documents, 1);
	room_release(h, &d->room);
	buf_fini(&d->low);
	d->magic = 0;
	free(d);
}

/* --- the log ------------------------------------------------------------------- */

void
ydoc_begin(struct ydoc *d, struct slice epoch)
{
	if (slice_eq(ydoc_epoch(d), epoch) || epoch.n > sizeof d->epoch)
		return;
	if (epoch.n != 0)
		memcpy(d->epoch, epoch.p, epoch.n);
	d->epoch_n = (uint8_t)epoch.n;
	d->known = false;
	d->nanswers = 0;
	buf_reset(&d->low);
}

bool
ydoc_is_in(struct ydoc *d, struct slice epoch, uint64_t place)
{
	if (d->epoch_n == 0 && d->last == 0 && place == 0) {
		ydoc_begin(d, epoch);
		d->known = true;
	}
	return (slice_eq(ydoc_epoch(d), epoch));
}

/* The log has it: what it says of its epoch holds. */
static void
doc_note(struct ydoc *d, const struct bus_publish *b, struct yjs_note *note)
{
	struct buf low;

	*note = (struct yjs_note){ .covers = 0 };
	if (b->nattach < 2 || !yjs_note_read(b->attachments[1], note) ||
	    !slice_eq(note->epoch, b->epoch) ||
	    !slice_eq(note->epoch, ydoc_epoch(d))) {
		*note = (struct yjs_note){ .covers = 0 };
		return;
	}
	buf_init(&low);
	if (yjs_vector_merge(&low, buf_unread(&d->low), note->vector,
	    YJS_VECTOR_MAX)) {
		buf_fini(&d->low);
		d->low = low;
	} else
		buf_fini(&low);		/* less is as good */
}

bool
ydoc_has_answer(const struct ydoc *d, const uint8_t digest[YJS_DIGEST])
{
	unsigned i;

	for (i = 0; i < d->nanswers && i < YJS_ANSWERS; i++)
		if (memcmp(d->answers[i], digest, YJS_DIGEST) == 0)
			return (true);
	return (false);
}

static void
doc_add_answer(struct ydoc *d, const uint8_t digest[YJS_DIGEST])
{
	memcpy(d->answers[d->nanswers % YJS_ANSWERS], digest, YJS_DIGEST);
	/* which of them is the oldest goes on being known */
	if (++d->nanswers == 2 * YJS_ANSWERS)
		d->nanswers = YJS_ANSWERS;
}

/* What a client has answered may come again. */
static void
doc_note_answer(struct ydoc *d, const struct bus_publish *b)
{
	uint8_t digest[YJS_DIGEST];
	struct yjs_message m;

	if (b->nattach < 2 || yjs_decode(b->attachments[0], &m) <= 0)
		return;
	digest_sha1(m.body, digest);
	if (!ydoc_has_answer(d, digest))
		doc_add_answer(d, digest);
}

void
ydoc_see(struct ydoc *d, struct ylog *log, const struct bus_publish *b,
    bool news)
{
	struct yjs_note note;
	uint64_t n = b->nattach == 0 ? b->args.n : b->attachments[0].n;

	doc_note(d, b, &note);
	if (news && note.covers == 0 && note.vector.n != 0)
		doc_note_answer(d, b);
	log->entries++;
	log->bytes += n;
	if (note.covers != 0) {
		log->snapshot_bytes = n;
		log->since = b->kept > note.covers ?
		    b->kept - note.covers - 1 : 0;
		log->since_bytes = 0;
		if (news)
			ycompact_heard(d, note.covers);
		return;
	}
	log->since++;
	log->since_bytes += n;
}

bool
ydoc_is_full(const struct ydoc *d, size_t more)
{
	return (d->known && d->conf != NULL &&
	    (d->log.entries >= d->conf->history || d->log.bytes + more >
	    d->hub->conf->store_room_bytes));
}

/* They offer what they have when they come back, whatever the log lacks. */
void
ydoc_anew(struct ydoc *d)
{
	struct yjs *y;

	d->known = false;
	d->doubt = false;
	TAILQ_FOREACH(y, &d->clients, link) {
		if (!y->live || y->client.closing)
			continue;
		counter_add(COUNTER_yjs_anew, 1);
		client_close(&y->client, REASON_document_anew);
	}
	ycompact_drop(d);
}

/* It was healed: what came has not been counted, which is no more than less to
 * be known of its size. */
static void
doc_healed(struct ydoc *d)
{
	const struct place *p = d->room->place;

	if (!place_had(d->room) ||
	    !slice_eq(place_epoch(p), ydoc_epoch(d)))
		ydoc_anew(d);
	else
		d->last = p->last;
}

void
yjs_kept(struct hub *h, struct room *r, const struct bus_publish *b)
{
	struct ydoc *d = ydoc_find(h, r);

	if (d == NULL || !d->known)
		return;
	if (b == NULL) {
		doc_healed(d);
		return;
	}
	if (!ydoc_is_in(d, b->epoch, b->kept - 1) || b->kept > d->last + 1) {
		ydoc_anew(d);
		return;
	}
	d->last = b->kept;
	ydoc_see(d, &d->log, b, true);
}

/* --- where it stands -------------------------------------------------------------- */

void
yjs_lost(struct hub *h)
{
	struct ydoc *d;

	TAILQ_FOREACH(d, &h->yjs->all, all)
		d->doubt = true;
}

static void
doc_page(struct hub *h, struct history_ask *a, const struct bus_envelope *e)
{
	struct ydoc *d = container_of(a, struct ydoc, ask);

	d->asking = false;
	if (e == NULL) {
		d->ask_us = h->now.us + DOC_AGAIN_US;
		return;
	}
	d->doubt = false;
	if (!d->known || heal_is_on(h, d->room))
		return;
	if (!ydoc_is_in(d, e->page.epoch, e->page.top) ||
	    e->page.top < d->last)
		ydoc_anew(d);
	else if (e->page.top > d->last)
		heal_begin(h, d->ns, d->room, e->page.epoch);
	else
		(void)place_set(h, d->room, e->page.epoch, e->page.top);
}

static void
doc_look(struct ydoc *d)
{
	const struct history_part part = { .from = BUS_HISTORY_TOP,
		.limit = 1 };
	struct hub *h = d->hub;

	if (!d->doubt || d->asking || h->now.us < d->ask_us)
		return;
	if (!d->known || TAILQ_EMPTY(&d->clients)) {
		d->doubt = false;
		return;
	}
	d->asking = history_ask(h, &d->ask, d->ns, ydoc_name(d), &part);
	if (!d->asking)
		d->ask_us = h->now.us + DOC_AGAIN_US;
}

void
ydoc_tick(struct ydoc *d)
{
	doc_look(d);
	yaware_tell(d);
	ycompact_tick(d);	/* the document may go with it */
}
