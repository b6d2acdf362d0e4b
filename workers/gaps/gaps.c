/*
 * The set of what was lost; see gaps.h.
 */
#include "gaps/gaps.h"

#include <stdlib.h>

#include "base/hash.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/json.h"
#include "shm/counters.h"

static uint64_t
gap_hash_of(const void *arg, const struct hashtab_link *l)
{
	const struct gap *g = (const void *)((const uint8_t *)l -
	    offsetof(struct gap, link));

	(void)arg;
	return (g->hash);
}

void
gaps_init(struct gaps *g, const struct conf *conf)
{
	memset(g, 0, sizeof *g);
	g->magic = GAPS_MAGIC;
	g->conf = conf;
	TAILQ_INIT(&g->list);
	hashtab_init(&g->table, gap_hash_of, NULL);
}

void
gaps_fini(struct gaps *g)
{
	CHECK_MAGIC(g, GAPS_MAGIC);
	while (!TAILQ_EMPTY(&g->list))
		gaps_drop_first(g);
	hashtab_fini(&g->table);
	g->magic = 0;
}

void
gaps_conf(struct gaps *g, const struct conf *conf)
{
	CHECK_MAGIC(g, GAPS_MAGIC);
	g->conf = conf;
}

/* --- notes ----------------------------------------------------------------*/

static struct gap *
gap_find(struct gaps *g, uint64_t hash, enum gap_kind kind, struct slice nsp,
    struct slice name)
{
	struct hashtab_link *l;
	struct gap *p;

	for (l = hashtab_chain(&g->table, hash); l != NULL; l = l->next) {
		p = container_of(l, struct gap, link);
		if (p->hash == hash && p->kind == kind &&
		    slice_eq(p->nsp, nsp) && slice_eq(p->name, name))
			return (p);
	}
	return (NULL);
}

/* The names are strangers', where the set is nobody knows. */
static uint64_t
gap_hash(const struct gaps *g, enum gap_kind kind, struct slice nsp,
    struct slice name)
{
	struct hash_key key = { (uint64_t)(uintptr_t)g,
		(uint64_t)kind << 32 | GAPS_MAGIC };

	return (hash_bytes(&key, nsp) * 31 + hash_bytes(&key, name));
}

static struct gap *
gap_new(struct gaps *g, uint64_t hash, enum gap_kind kind, struct slice nsp,
    struct slice name)
{
	struct gap *p = calloc(1, sizeof *p + nsp.n + name.n);

	if (p == NULL)
		return (NULL);
	p->hash = hash;
	p->kind = kind;
	if (nsp.n != 0)
		memcpy(p->text, nsp.p, nsp.n);
	if (name.n != 0)
		memcpy(p->text + nsp.n, name.p, name.n);
	p->nsp = slice_of(p->text, nsp.n);
	p->name = slice_of(p->text + nsp.n, name.n);
	hashtab_insert(&g->table, hash, &p->link);
	TAILQ_INSERT_TAIL(&g->list, p, order);
	g->names += kind != GAP_NAMESPACE;
	return (p);
}

static void
gap_widen(uint64_t *from, uint64_t *to, uint64_t from_ms, uint64_t to_ms)
{
	if (*from == 0 || from_ms < *from)
		*from = from_ms;
	if (to_ms > *to)
		*to = to_ms;
}

static void
gaps_note_one(struct gaps *g, enum gap_kind kind, struct slice nsp,
    struct slice name, uint64_t from_ms, uint64_t to_ms)
{
	uint64_t hash = gap_hash(g, kind, nsp, name);
	struct gap *p = gap_find(g, hash, kind, nsp, name);

	if (p == NULL && kind != GAP_NAMESPACE && g->names >= GAPS_MAX) {
		counter_add(COUNTER_gaps_wide, 1);
		gaps_note_one(g, GAP_NAMESPACE, nsp, slice_of(NULL, 0),
		    from_ms, to_ms);
		return;
	}
	if (p == NULL)
		p = gap_new(g, hash, kind, nsp, name);
	if (p != NULL) {
		gap_widen(&p->from_ms, &p->to_ms, from_ms, to_ms);
		return;
	}
	counter_add(COUNTER_memory_failures, 1);
	g->everywhere = true;
	gap_widen(&g->from_ms, &g->to_ms, from_ms, to_ms);
}

static void
gaps_note_names(struct gaps *g, enum gap_kind kind, struct slice nsp,
    const struct slice *names, size_t n, uint64_t from_ms, uint64_t to_ms)
{
	size_t i;

	for (i = 0; i < n; i++)
		gaps_note_one(g, kind, nsp, names[i], from_ms, to_ms);
}

void
gaps_note(struct gaps *g, struct slice nsp, const struct bus_audience *to,
    uint64_t from_ms, uint64_t to_ms)
{
	CHECK_MAGIC(g, GAPS_MAGIC);
	if (to == NULL || to->nrooms + to->nusers + to->nsids == 0) {
		gaps_note_one(g, GAP_NAMESPACE, nsp, slice_of(NULL, 0),
		    from_ms, to_ms);
		return;
	}
	gaps_note_names(g, GAP_ROOM, nsp, to->rooms, to->nrooms, from_ms,
	    to_ms);
	gaps_note_names(g, GAP_USER, nsp, to->users, to->nusers, from_ms,
	    to_ms);
	gaps_note_names(g, GAP_SID, nsp, to->sids, to->nsids, from_ms, to_ms);
}

void
gaps_note_all(struct gaps *g, uint64_t from_ms, uint64_t to_ms)
{
	const struct conf_namespace *ns = g->conf->namespaces;
	size_t i;

	for (i = 0; i < g->conf->nnamespaces; i++)
		if (!ns[i].gone)
			gaps_note(g, slice_of(ns[i].name, ns[i].name_len),
			    NULL, from_ms, to_ms);
}

bool
gaps_are_told_of(const struct bus_envelope *e)
{
	return (e->kind == BUS_PUBLISH &&
	    (e->flags & (BUS_VOLATILE | BUS_WATCHERS)) == 0);
}

void
gaps_note_lost(struct gaps *g, const struct bus_envelope *e, uint64_t now_ms)
{
	if (!gaps_are_told_of(e))
		return;
	counter_add(COUNTER_gaps_noted, 1);
	gaps_note(g, e->publish.nsp, &e->publish.to, now_ms, now_ms);
}

/* --- telling --------------------------------------------------------------*/

/* There was no memory to say whom it was for; now perhaps. */
static void
gaps_spread(struct gaps *g)
{
	uint64_t from_ms = g->from_ms, to_ms = g->to_ms;

	g->everywhere = false;
	g->from_ms = g->to_ms = 0;
	gaps_note_all(g, from_ms, to_ms);
}

const struct gap *
gaps_first(struct gaps *g)
{
	CHECK_MAGIC(g, GAPS_MAGIC);
	if (unlikely(g->everywhere))
		gaps_spread(g);
	return (TAILQ_FIRST(&g->list));
}

void
gaps_drop_first(struct gaps *g)
{
	struct gap *p = TAILQ_FIRST(&g->list);

	CHECK_MAGIC(g, GAPS_MAGIC);
	MUST(p != NULL);
	TAILQ_REMOVE(&g->list, p, order);
	hashtab_remove(&g->table, p->hash, &p->link);
	g->names -= p->kind != GAP_NAMESPACE;
	free(p);
}

void
gaps_put_off_first(struct gaps *g)
{
	struct gap *p = TAILQ_FIRST(&g->list);

	CHECK_MAGIC(g, GAPS_MAGIC);
	MUST(p != NULL);
	TAILQ_REMOVE(&g->list, p, order);
	TAILQ_INSERT_TAIL(&g->list, p, order);
}

static void
gap_put_name(struct buf *b, const char *member, struct slice name)
{
	buf_str(b, member);
	json_escape(b, name);
	buf_byte(b, ',');
}

bool
gaps_publication(const struct gap *g, struct buf *args, struct bus_envelope *e)
{
	struct bus_publish *p = bus_publish(e);

	e->flags = BUS_NAMED;
	p->nsp = g->nsp;
	p->event = SLICE("\"roost:gap\"");
	buf_reset(args);
	buf_byte(args, '{');
	switch (g->kind) {
	case GAP_NAMESPACE:
		break;
	case GAP_ROOM:
		p->to.rooms[p->to.nrooms++] = g->name;
		gap_put_name(args, "\"room\":", g->name);
		break;
	case GAP_USER:
		p->to.users[p->to.nusers++] = g->name;
		gap_put_name(args, "\"user\":", g->name);
		break;
	case GAP_SID:
		p->to.sids[p->to.nsids++] = g->name;
		break;
	}
	buf_str(args, "\"from\":");
	buf_u64(args, g->from_ms);
	buf_str(args, ",\"to\":");
	buf_u64(args, g->to_ms);
	buf_byte(args, '}');
	p->args = buf_unread(args);
	if (!args->oom)
		return (true);
	counter_add(COUNTER_memory_failures, 1);
	args->oom = false;
	return (false);
}
