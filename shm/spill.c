/*
 * The private list is a chained hash table that grows and is only ever used by
 * its own process.  The order that matters to others: overflow bit before the
 * join is answered, node before the bit is cleared.
 */
#include "shm/spill.h"

#include <stdlib.h>

#include "shm/counters.h"

#define RETRY_MOST	4096u	/* entries moved at once */

int
spill_init(struct spill *sp, struct segment *seg, enum table_id id,
    unsigned slot)
{
	*sp = (struct spill){ 0 };
	sp->t = table_open(seg, id, slot);
	return (sp->t == NULL ? -1 : 0);
}

static void
spill_gauge_down(const struct spill *sp, uint32_t n)
{
	counter_sub(sp->t->id == TABLE_PRESENCE ? COUNTER_presence_untracked :
	    COUNTER_interest_untracked, n);
}

static void
spill_gauge_up(const struct spill *sp)
{
	counter_add(sp->t->id == TABLE_PRESENCE ? COUNTER_presence_untracked :
	    COUNTER_interest_untracked, 1);
}

void
spill_fini(struct spill *sp)
{
	struct spill_entry *e;
	uint32_t i;

	if (sp->t == NULL)
		return;
	spill_gauge_down(sp, sp->count + sp->blind);
	for (i = 0; i < sp->nbuckets; i++)
		while ((e = sp->bucket[i]) != NULL) {
			sp->bucket[i] = e->next;
			free(e);
		}
	free(sp->bucket);
	table_close(&sp->t);
	*sp = (struct spill){ 0 };
}

static void
spill_overflow_bit(struct spill *sp, bool on)
{
	_Atomic uint64_t *word = &sp->t->hdr->overflow[sp->t->id][sp->t->word];

	if (on)
		atomic_fetch_or_explicit(word, sp->t->bit,
		    memory_order_seq_cst);
	else
		atomic_fetch_and_explicit(word, ~sp->t->bit,
		    memory_order_seq_cst);
}

void
spill_overflow(const struct segment *seg, enum table_id id, uint64_t bits[2])
{
	unsigned i;

	for (i = 0; i < 2; i++)
		bits[i] = atomic_load_explicit(&seg->hdr->overflow[id][i],
		    memory_order_seq_cst);
}

static uint64_t
spill_hash(const struct spill *sp, uint16_t ns, struct slice key)
{
	struct hash_key k = { sp->t->hdr->sip_k0 ^ ns, ~sp->t->hdr->sip_k1 };

	return (hash_bytes(&k, key));
}

static struct spill_entry **
spill_place(const struct spill *sp, uint64_t hash, uint16_t ns,
    struct slice key)
{
	struct spill_entry **ep;

	for (ep = &sp->bucket[hash & (sp->nbuckets - 1)]; *ep != NULL;
	    ep = &(*ep)->next)
		if ((*ep)->hash == hash && (*ep)->ns == ns &&
		    slice_eq(slice_of((*ep)->key, (*ep)->klen), key))
			break;
	return (ep);
}

struct spill_entry *
spill_find(const struct spill *sp, uint16_t ns, struct slice key)
{
	if (sp->count == 0)
		return (NULL);
	return (*spill_place(sp, spill_hash(sp, ns, key), ns, key));
}

static void
spill_grow(struct spill *sp)
{
	uint32_t n = sp->nbuckets == 0 ? 256 : sp->nbuckets * 2, i;
	struct spill_entry **p, *e;

	p = calloc(n, sizeof *p);
	if (p == NULL)
		return;
	for (i = 0; i < sp->nbuckets; i++)
		while ((e = sp->bucket[i]) != NULL) {
			sp->bucket[i] = e->next;
			e->next = p[e->hash & (n - 1)];
			p[e->hash & (n - 1)] = e;
		}
	free(sp->bucket);
	sp->bucket = p;
	sp->nbuckets = n;
}

static bool
spill_add(struct spill *sp, uint16_t ns, struct slice key)
{
	struct spill_entry *e, **ep;

	if (sp->count >= sp->nbuckets)
		spill_grow(sp);
	if (sp->nbuckets == 0)
		return (false);
	e = malloc(sizeof *e + key.n);
	if (e == NULL)
		return (false);
	*e = (struct spill_entry){ .hash = spill_hash(sp, ns, key), .count = 1,
		.ns = ns, .klen = (uint16_t)key.n };
	if (key.n > 0)
		memcpy(e->key, key.p, key.n);
	ep = &sp->bucket[e->hash & (sp->nbuckets - 1)];
	e->next = *ep;
	*ep = e;
	sp->count++;
	return (true);
}

uint32_t
spill_join(struct spill *sp, uint16_t ns, struct slice key)
{
	struct spill_entry *e;
	uint32_t n;

	e = spill_find(sp, ns, key);
	if (e != NULL) {
		e->count++;
		return (0);
	}
	n = table_join(sp->t, ns, key);
	if (n != 0)
		return (n);
	if (sp->count + sp->blind == 0)
		spill_overflow_bit(sp, true);
	if (!spill_add(sp, ns, key))
		sp->blind++; /* the bit alone says that something is here */
	spill_gauge_up(sp);
	return (0);
}

/* One private holding fewer. */
static void
spill_forget(struct spill *sp, struct spill_entry **ep)
{
	struct spill_entry *e;

	if (ep != NULL) {
		e = *ep;
		*ep = e->next;
		free(e);
		sp->count--;
	} else
		sp->blind--;
	spill_gauge_down(sp, 1);
	if (sp->count + sp->blind == 0)
		spill_overflow_bit(sp, false);
}

void
spill_leave(struct spill *sp, uint32_t n, uint16_t ns, struct slice key)
{
	struct spill_entry **ep = NULL;

	if (n == 0 && sp->count > 0)
		ep = spill_place(sp, spill_hash(sp, ns, key), ns, key);
	if (ep != NULL && *ep != NULL) {
		if (--(*ep)->count == 0)
			spill_forget(sp, ep);
		return;
	}
	/* it may have moved into the table since */
	if (n == 0)
		n = table_find(sp->t, ns, key);
	if (n != 0 && table_holds(sp->t, n))
		table_leave(sp->t, n);
	else if (sp->blind > 0)
		spill_forget(sp, NULL);
}

/* False: the table is full again. */
static bool
spill_move(struct spill *sp, struct spill_entry **ep, spill_moved *moved)
{
	struct spill_entry *e = *ep;
	uint32_t n;

	n = table_join(sp->t, e->ns, slice_of(e->key, e->klen));
	if (n == 0)
		return (false);
	if (e->count > 1)
		table_add(sp->t, n, e->count - 1);
	if (moved != NULL)
		moved(sp->t, n, e);
	spill_forget(sp, ep);
	return (true);
}

void
spill_retry(struct spill *sp, spill_moved *moved)
{
	struct spill_entry **ep;
	uint32_t left = RETRY_MOST, i;

	for (i = 0; i < sp->nbuckets && sp->count > 0 && left > 0; i++) {
		ep = &sp->bucket[sp->moving & (sp->nbuckets - 1)];
		while (*ep != NULL && left > 0) {
			if (!spill_move(sp, ep, moved))
				return;
			left--;
		}
		if (*ep == NULL)
			sp->moving++;
	}
}
