/*
 * One user's notifications; see memory_int.h.
 */
#include "relay/box/memory_int.h"

#include <stdlib.h>

void
box_show(const struct box_memory *m)
{
	counter_set(COUNTER_notices_users, m->table.count);
	counter_set(COUNTER_notices_bytes, m->bytes);
}

/* --- boxes ---------------------------------------------------------------- */

static uint64_t
box_hash(const struct box_memory *m, struct slice nsp, struct slice user)
{
	return (hash_bytes(&m->key, user) ^ hash_bytes(&m->key, nsp) * 3);
}

static size_t
box_cost(const struct box *x)
{
	return (sizeof *x + x->nsp_n + x->user_n + x->prefs_n + 32);
}

struct box *
box_find(struct box_memory *m, struct slice nsp, struct slice user)
{
	struct hashtab_link *l = hashtab_chain(&m->table, box_hash(m, nsp,
	    user));
	struct box *x;

	for (; l != NULL; l = l->next) {
		x = container_of(l, struct box, link);
		if (!slice_eq(box_user(x), user) || !slice_eq(box_nsp(x), nsp))
			continue;
		TAILQ_REMOVE(&m->boxes, x, used);
		TAILQ_INSERT_TAIL(&m->boxes, x, used);
		return (x);
	}
	return (NULL);
}

struct box *
box_make(struct box_memory *m, struct slice nsp, struct slice user)
{
	struct box *x = box_find(m, nsp, user);

	if (x != NULL)
		return (x);
	x = calloc(1, sizeof *x + nsp.n + user.n);
	if (x == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	TAILQ_INIT(&x->notices);
	x->nsp_n = (uint16_t)nsp.n;
	x->user_n = (uint16_t)user.n;
	memcpy(x->text, nsp.p, nsp.n);
	memcpy(x->text + nsp.n, user.p, user.n);
	x->hash = box_hash(m, nsp, user);
	hashtab_insert(&m->table, x->hash, &x->link);
	TAILQ_INSERT_TAIL(&m->boxes, x, used);
	m->bytes += box_cost(x);
	return (x);
}

void
box_drop(struct box_memory *m, struct box *x)
{
	struct notice *i;

	while ((i = TAILQ_FIRST(&x->notices)) != NULL)
		box_remove(m, x, i);
	m->bytes -= box_cost(x);
	hashtab_remove(&m->table, x->hash, &x->link);
	TAILQ_REMOVE(&m->boxes, x, used);
	free(x->prefs);
	free(x);
}

void
box_drop_empty(struct box_memory *m, struct box *x)
{
	if (x->n == 0 && x->prefs == NULL)
		box_drop(m, x);
}

bool
box_set_prefs(struct box_memory *m, struct box *x, struct slice prefs)
{
	uint8_t *p = malloc(prefs.n);

	if (p == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	memcpy(p, prefs.p, prefs.n);
	m->bytes -= box_cost(x);
	free(x->prefs);
	x->prefs = p;
	x->prefs_n = (uint32_t)prefs.n;
	m->bytes += box_cost(x);
	return (true);
}

bool
box_prefs(const struct box *x, struct box_prefs *p)
{
	return (x->prefs != NULL &&
	    box_get_prefs(slice_of(x->prefs, x->prefs_n), p));
}

/* --- notices -------------------------------------------------------------- */

static size_t
box_notice_cost(const struct notice *i)
{
	return (sizeof *i + i->id_n + i->category_n + i->collapse_n +
	    i->json_n + 16);
}

struct notice *
box_notice(const struct box_memory *m, const struct box *x, struct slice id)
{
	uint64_t hash = hash_bytes(&m->key, id);
	struct notice *i;

	TAILQ_FOREACH(i, &x->notices, link)
		if (i->hash == hash && slice_eq(notice_id(i), id))
			return (i);
	return (NULL);
}

struct notice *
box_collapsed(const struct box *x, struct slice collapse)
{
	struct notice *i;

	if (collapse.n == 0)
		return (NULL);
	TAILQ_FOREACH(i, &x->notices, link)
		if (slice_eq(notice_collapse(i), collapse))
			return (i);
	return (NULL);
}

static uint8_t *
box_notice_put(uint8_t *to, struct slice s)
{
	if (s.n != 0)
		memcpy(to, s.p, s.n);
	return (to + s.n);
}

struct notice *
box_add(struct box_memory *m, struct box *x, const struct box_item *item,
    uint64_t at_ms, bool counted)
{
	struct notice *i = calloc(1, sizeof *i + item->id.n +
	    item->category.n + item->collapse.n + item->json.n);

	if (i == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	i->serial = ++x->serial;
	i->hash = hash_bytes(&m->key, item->id);
	i->at_ms = at_ms;
	i->expires_ms = item->expires_ms;
	i->counted = counted;
	i->id_n = (uint8_t)item->id.n;
	i->category_n = (uint8_t)item->category.n;
	i->collapse_n = (uint8_t)item->collapse.n;
	i->json_n = (uint32_t)item->json.n;
	(void)box_notice_put(box_notice_put(box_notice_put(box_notice_put(i->bytes, item->id),
	    item->category), item->collapse), item->json);
	TAILQ_INSERT_HEAD(&x->notices, i, link);
	x->n++;
	x->count += counted;
	x->bytes += box_notice_cost(i);
	m->bytes += box_notice_cost(i);
	if (i->expires_ms != 0 &&
	    (x->expires_ms == 0 || i->expires_ms < x->expires_ms))
		x->expires_ms = i->expires_ms;
	return (i);
}

void
box_remove(struct box_memory *m, struct box *x, struct notice *i)
{
	TAILQ_REMOVE(&x->notices, i, link);
	x->n--;
	x->count -= i->counted && !i->read;
	x->bytes -= box_notice_cost(i);
	m->bytes -= box_notice_cost(i);
	if (x->n == 0)
		x->expires_ms = 0;
	free(i);
}

void
box_set_read(struct box *x, struct notice *i)
{
	if (i->read)
		return;
	i->read = true;
	x->count -= i->counted;
}

struct notice *
box_oldest(const struct box *x)
{
	struct notice *i;

	TAILQ_FOREACH_REVERSE(i, &x->notices, notices, link)
		if (i->read)
			return (i);
	return (TAILQ_LAST(&x->notices, notices));
}

/* By their own time; the next one is known then. */
static void
box_purge_expired(struct box_memory *m, struct box *x, uint64_t now_ms)
{
	struct notice *i, *next;
	uint64_t first = 0;

	for (i = TAILQ_FIRST(&x->notices); i != NULL; i = next) {
		next = TAILQ_NEXT(i, link);
		if (i->expires_ms == 0)
			continue;
		if (i->expires_ms <= now_ms) {
			box_remove(m, x, i);
			counter_add(COUNTER_notices_expired, 1);
		} else if (first == 0 || i->expires_ms < first)
			first = i->expires_ms;
	}
	x->expires_ms = first;
}

void
box_purge(struct box_memory *m, struct box *x, const struct box_bounds *b,
    uint64_t now_ms)
{
	struct notice *i;

	while (b->keep_ms != 0 &&
	    (i = TAILQ_LAST(&x->notices, notices)) != NULL &&
	    i->at_ms + b->keep_ms <= now_ms) {
		box_remove(m, x, i);
		counter_add(COUNTER_notices_expired, 1);
	}
	if (x->expires_ms != 0 && x->expires_ms <= now_ms)
		box_purge_expired(m, x, now_ms);
}
