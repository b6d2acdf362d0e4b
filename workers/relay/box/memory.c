/*
 * What is asked of notifications in memory; see memory.h.  Called by boxes.c.
 */
#include "relay/box/memory_int.h"

#include <sys/random.h>

#include <stdlib.h>

#include "base/clock.h"
#include "proto/json.h"

#define MEMORY_SWEEP	256u	/* notifications that go in one turn */

/* --- what is told --------------------------------------------------------- */

static uint64_t
memory_version(struct box_memory *m)
{
	uint64_t us = m->calls.now_ms(m->calls.arg) * 1000;

	m->version = us > m->version ? us : m->version + 1;
	return (m->version);
}

/* When the first one goes by itself. */
static uint64_t
memory_due(const struct box *x)
{
	const struct notice *old = TAILQ_LAST(&x->notices, notices);
	uint64_t due = x->expires_ms;

	if (old != NULL && x->keep_ms != 0 &&
	    (due == 0 || old->at_ms + x->keep_ms < due))
		due = old->at_ms + x->keep_ms;
	return (due);
}

static void
memory_tell(struct box_memory *m, const struct box *x,
    enum box_news_kind kind, uint64_t version, struct slice text)
{
	const struct box_news n = { .nsp = box_nsp(x), .user = box_user(x),
		.kind = kind, .count = x->count, .version = version,
		.due_ms = memory_due(x), .text = text };

	m->calls.news(m->calls.arg, &n);
}

/* What b holds; false: there was no memory for all of it. */
static bool
memory_text(struct buf *b, struct slice *text)
{
	bool whole = !b->oom;

	*text = whole ? buf_unread(b) : slice_of(NULL, 0);
	if (!whole)
		counter_add(COUNTER_memory_failures, 1);
	b->oom = false;
	return (whole);
}

static void
memory_fail(struct box_memory *m, const struct box_question *q,
    enum bus_store why)
{
	m->calls.answer(m->calls.arg, &q->asker, why, NULL);
}

/* x may be NULL: there is none. */
static void
memory_answer(struct box_memory *m, const struct box *x,
    const struct box_question *q, struct box_reply *r)
{
	if (r->version == 0)
		r->version = memory_version(m);
	if (x != NULL) {
		r->count = x->count;
		r->due_ms = memory_due(x);
	}
	m->calls.answer(m->calls.arg, &q->asker, BUS_STORE_OK, r);
}

/* --- a new one ------------------------------------------------------------ */

static uint8_t
memory_passes(const struct box *x, const struct box_item *item, uint64_t now)
{
	struct box_prefs p;
	uint8_t did = BOX_MADE;

	if (!box_prefs(x, &p))
		return (did | BOX_COUNTED);
	if (box_mutes(&p, item->category, item->rank))
		return (did);
	did |= BOX_COUNTED;
	if (box_is_quiet(&p, now))
		did |= p.count_only ? BOX_SILENT | BOX_HELD : BOX_SILENT;
	return (did);
}

/* The bounds hold with the one that has just come, which stays. */
static void
memory_displace(struct box_memory *m, struct box *x,
    const struct box_bounds *b, const struct notice *but)
{
	struct notice *i;

	while ((x->n > b->items || x->bytes > b->bytes) &&
	    (i = box_oldest(x)) != NULL && i != but) {
		box_remove(m, x, i);
		counter_add(COUNTER_notices_displaced, 1);
	}
}

static void
memory_create(struct box_memory *m, struct box *x,
    const struct box_question *q, uint64_t now)
{
	struct box_reply r = { .did = memory_passes(x, &q->item, now) };
	struct notice *i = box_notice(m, x, q->item.id), *was;
	bool told = (r.did & BOX_COUNTED) != 0 && (r.did & BOX_HELD) == 0;

	if (i != NULL) {
		r.did = 0;
		counter_add(COUNTER_notices_duplicates, 1);
		memory_answer(m, x, q, &r);
		return;
	}
	was = box_collapsed(x, q->item.collapse);
	i = box_add(m, x, &q->item, now, (r.did & BOX_COUNTED) != 0);
	if (i == NULL) {
		memory_fail(m, q, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (was != NULL) {
		box_remove(m, x, was);
		counter_add(COUNTER_notices_collapsed, 1);
	}
	memory_displace(m, x, &q->bounds, i);
	counter_add(COUNTER_notices_created, 1);
	r.version = memory_version(m);
	buf_reset(&m->told);
	box_put_told(&m->told, q->item.json, false,
	    (r.did & BOX_SILENT) != 0);
	told = memory_text(&m->told, &r.text) && told;
	memory_tell(m, x, told ? BOX_NEWS_NEW : BOX_NEWS_COUNT, r.version,
	    told ? r.text : slice_of(NULL, 0));
	memory_answer(m, x, q, &r);
}

/* --- which they are ------------------------------------------------------- */

static bool
memory_shows(const struct notice *i, const struct box_look *l)
{
	return ((l->cursor == 0 || i->serial < l->cursor) &&
	    (!l->unread || !i->read) && (l->category.n == 0 ||
	    slice_eq(notice_category(i), l->category)));
}

static void
memory_list(struct box_memory *m, const struct box *x,
    const struct box_question *q)
{
	const struct box_look *l = &q->look;
	struct box_reply r = { .did = 0 };
	const struct notice *i;
	uint64_t last = 0;
	uint32_t n = 0;

	buf_reset(&m->text);
	TAILQ_FOREACH(i, &x->notices, link) {
		if (!memory_shows(i, l))
			continue;
		if (n == l->limit || (n > 0 && m->text.wpos + i->json_n >
		    BOX_PAGE_BYTES)) {
			r.next = last;
			break;
		}
		if (n++ != 0)
			buf_byte(&m->text, ',');
		box_put_told(&m->text, notice_json(i), i->read, false);
		last = i->serial;
	}
	if (memory_text(&m->text, &r.text))
		memory_answer(m, x, q, &r);
	else
		memory_fail(m, q, BUS_STORE_UNAVAILABLE);
}

/* --- read, deleted ---------------------------------------------------------- */

static bool
memory_pick_one(struct box_memory *m, struct box *x, bool deletes,
    struct notice *i)
{
	if (!deletes && i->read)
		return (false);
	if (m->text.wpos != 0)
		buf_byte(&m->text, ',');
	json_escape(&m->text, notice_id(i));
	if (deletes)
		box_remove(m, x, i);
	else
		box_set_read(x, i);
	counter_add(deletes ? COUNTER_notices_deleted : COUNTER_notices_read,
	    1);
	return (true);
}

static void
memory_pick(struct box_memory *m, struct box *x, const struct box_question *q)
{
	const struct box_pick *p = &q->pick;
	bool deletes = q->op == BOX_DELETE, any = false, whole;
	struct notice *i, *next;
	struct box_reply r = { .did = 0 };
	uint32_t k;

	buf_reset(&m->text);
	for (k = 0; k < p->n; k++)
		if ((i = box_notice(m, x, p->ids[k])) != NULL)
			any |= memory_pick_one(m, x, deletes, i);
	for (i = p->all ? TAILQ_FIRST(&x->notices) : NULL; i != NULL;
	    i = next) {
		next = TAILQ_NEXT(i, link);
		if (p->category.n == 0 ||
		    slice_eq(notice_category(i), p->category))
			any |= memory_pick_one(m, x, deletes, i);
	}
	whole = memory_text(&m->text, &r.text);
	if (any) {
		r.version = memory_version(m);
		memory_tell(m, x, !whole ? BOX_NEWS_COUNT : deletes ?
		    BOX_NEWS_DELETED : BOX_NEWS_READ, r.version, r.text);
	}
	memory_answer(m, x, q, &r);
}

/* --- preferences ------------------------------------------------------------ */

static void
memory_prefs(struct box_memory *m, struct box *x,
    const struct box_question *q)
{
	struct box_reply r = { .did = 0 };
	struct box_prefs p;

	if (q->prefs.n != 0) {
		if (!box_set_prefs(m, x, q->prefs)) {
			memory_fail(m, q, BUS_STORE_UNAVAILABLE);
			return;
		}
		r.version = memory_version(m);
	}
	if (box_prefs(x, &p))
		r.text = p.json;
	if (q->prefs.n != 0)
		memory_tell(m, x, BOX_NEWS_PREFS, r.version, r.text);
	memory_answer(m, x, q, &r);
}

/* --- all of it ------------------------------------------------------------ */

static bool
memory_makes(const struct box_question *q)
{
	return (q->op == BOX_CREATE ||
	    (q->op == BOX_PREFS && q->prefs.n != 0));
}

static void
memory_do(struct box_memory *m, struct box *x, const struct box_question *q,
    uint64_t now)
{
	struct box_reply r = { .did = 0 };

	switch (q->op) {
	case BOX_CREATE:
		memory_create(m, x, q, now);
		break;
	case BOX_LIST:
		memory_list(m, x, q);
		break;
	case BOX_READ:
	case BOX_DELETE:
		memory_pick(m, x, q);
		break;
	case BOX_PREFS:
		memory_prefs(m, x, q);
		break;
	case BOX_COUNT:
	case BOX_STALE:
	case BOX_DUE:
		memory_answer(m, x, q, &r);
		break;
	}
}

static void
memory_ask(void *engine, const struct box_question *q)
{
	struct box_memory *m = engine;
	struct box_reply none = { .did = 0 };
	uint64_t now = m->calls.now_ms(m->calls.arg);
	struct box *x;
	uint32_t count;

	CHECK_MAGIC(m, BOX_MEMORY_MAGIC);
	x = memory_makes(q) ? box_make(m, q->nsp, q->user) :
	    box_find(m, q->nsp, q->user);
	if (x == NULL && memory_makes(q)) {
		memory_fail(m, q, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (x == NULL) {
		memory_answer(m, NULL, q, &none);
		return;
	}
	count = x->count;
	x->keep_ms = q->bounds.keep_ms;
	box_purge(m, x, &q->bounds, now);
	if (x->count != count)
		memory_tell(m, x, BOX_NEWS_COUNT, memory_version(m),
		    slice_of(NULL, 0));
	memory_do(m, x, q, now);
	box_drop_empty(m, x);
	box_show(m);
}

const struct box_engine box_memory_engine = { memory_ask };

/* --- the bound of all ------------------------------------------------------- */

/* Of the user who was asked about least lately: what is read, then the rest. */
bool
box_memory_turn(struct box_memory *m)
{
	unsigned budget = MEMORY_SWEEP;
	struct notice *i;
	struct box *x;
	uint32_t count;

	CHECK_MAGIC(m, BOX_MEMORY_MAGIC);
	while (m->bytes > m->max_bytes && budget > 0 &&
	    (x = TAILQ_FIRST(&m->boxes)) != NULL) {
		count = x->count;
		while (m->bytes > m->max_bytes && budget-- > 0 &&
		    (i = box_oldest(x)) != NULL) {
			box_remove(m, x, i);
			counter_add(COUNTER_notices_evicted, 1);
			if (budget == 0)
				break;
		}
		if (x->count != count)
			memory_tell(m, x, BOX_NEWS_COUNT, memory_version(m),
			    slice_of(NULL, 0));
		if (x->n == 0)
			box_drop(m, x);	/* its preferences, too */
		box_show(m);
	}
	return (m->bytes > m->max_bytes && !TAILQ_EMPTY(&m->boxes));
}

void
box_memory_bound(struct box_memory *m, uint64_t bytes)
{
	CHECK_MAGIC(m, BOX_MEMORY_MAGIC);
	m->max_bytes = bytes;
}

/* --- birth and death -------------------------------------------------------- */

static uint64_t
memory_box_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (container_of((struct hashtab_link *)(uintptr_t)l, struct box,
	    link)->hash);
}

struct box_memory *
box_memory_new(const struct box_calls *calls, uint64_t bytes)
{
	struct box_memory *m = calloc(1, sizeof *m);

	if (m == NULL)
		return (NULL);
	m->magic = BOX_MEMORY_MAGIC;
	m->calls = *calls;
	m->max_bytes = bytes;
	if (getrandom(&m->key, sizeof m->key, 0) != (ssize_t)sizeof m->key)
		m->key.k0 = mono_now().us;
	hashtab_init(&m->table, memory_box_hash_of, NULL);
	TAILQ_INIT(&m->boxes);
	buf_init(&m->text);
	buf_init(&m->told);
	return (m);
}

void
box_memory_free(struct box_memory **mp)
{
	struct box_memory *m = *mp;
	struct box *x;

	if (m == NULL)
		return;
	*mp = NULL;
	CHECK_MAGIC(m, BOX_MEMORY_MAGIC);
	while ((x = TAILQ_FIRST(&m->boxes)) != NULL)
		box_drop(m, x);
	hashtab_fini(&m->table);
	buf_fini(&m->text);
	buf_fini(&m->told);
	m->magic = 0;
	free(m);
}
