/*
 * Keys of a room in memory; see memory_keyed.h.
 */
#include "relay/store/memory_keyed.h"

#include <stdlib.h>

#include "shm/counters.h"

#define KEYED_ORDER	16u		/* places of the first one */

struct memory_key {
	struct hashtab_link link;
	uint64_t	 hash;
	TAILQ_ENTRY(memory_key) gone;	/* markers, the oldest first */
	uint64_t	 place, version;
	uint64_t	 at_ms;		/* monotonic */
	uint32_t	 n;		/* of the frame */
	uint16_t	 key_n;
	bool		 is_gone;
	uint8_t		 text[];	/* key, frame */
};

struct keyed_place {
	uint64_t	 place;
	struct memory_key *k;		/* NULL: it has another place now */
};

struct memory_keyed {
	struct hashtab	 keys;
	TAILQ_HEAD(, memory_key) gone;
	uint32_t	 ngone;
	/* by place; where there are twice as many as keys those of none go */
	struct keyed_place *v;
	uint32_t	 cap, n;
	uint64_t	 bytes;
	uint64_t	 horizon;	/* what was changed up to there cannot be
					 * told by what is here */
};

/* --- one key --------------------------------------------------------------*/

static struct memory_key *
keyed_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct memory_key, link));
}

static uint64_t
keyed_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (keyed_at(l)->hash);
}

static struct slice
keyed_name(const struct memory_key *k)
{
	return (slice_of(k->text, k->key_n));
}

static struct slice
keyed_frame(const struct memory_key *k)
{
	return (slice_of(k->text + k->key_n, k->n));
}

static uint64_t
keyed_cost(const struct memory_key *k)
{
	return ((uint64_t)k->key_n + k->n + KEYED_COST);
}

static struct memory_key *
keyed_find(const struct memory_room *r, struct slice name)
{
	uint64_t hash = hash_bytes(&r->m->key, name);
	struct hashtab_link *l;

	if (r->keyed == NULL)
		return (NULL);
	for (l = hashtab_chain(&r->keyed->keys, hash); l != NULL; l = l->next)
		if (keyed_at(l)->hash == hash &&
		    slice_eq(keyed_name(keyed_at(l)), name))
			return (keyed_at(l));
	return (NULL);
}

enum bus_store
memory_keyed_check(const struct memory_room *r, const struct bus_publish *p,
    struct store_kept *kept)
{
	const struct memory_key *k = r == NULL ? NULL : keyed_find(r, p->key);
	bool good = true;

	kept->kept = k == NULL ? 0 : k->place;
	kept->version = k == NULL ? 0 : k->version;
	if (p->keyed & KEYED_BASE)
		good = p->base == kept->kept && (p->based.n == 0 ||
		    (r != NULL && slice_eq(p->based, memory_epoch(r))));
	else if ((p->keyed & KEYED_VERSION) && k != NULL)
		good = p->base > k->version;
	return (good ? BUS_STORE_OK : BUS_STORE_CONFLICT);
}

/* --- order ----------------------------------------------------------------*/

/* Index of the first that is behind this place. */
static uint32_t
keyed_behind(const struct memory_keyed *s, uint64_t place)
{
	uint32_t low = 0, high = s->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (s->v[middle].place <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return (low);
}

static void
keyed_pack(struct memory_keyed *s)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (s->v[i].k != NULL)
			s->v[n++] = s->v[i];
	s->n = n;
}

/* There is room for one more. */
static bool
keyed_reserve(struct memory_keyed *s)
{
	struct keyed_place *v;
	uint32_t cap = s->cap == 0 ? KEYED_ORDER : s->cap * 2;

	if (s->n > KEYED_ORDER && s->n > 2 * s->keys.count)
		keyed_pack(s);
	if (s->n < s->cap)
		return (true);
	v = reallocarray(s->v, cap, sizeof *v);
	if (v == NULL)
		return (false);
	s->v = v;
	s->cap = cap;
	return (true);
}

/* --- out and in -----------------------------------------------------------*/

static void
keyed_remove(struct memory_room *r, struct memory_key *k)
{
	struct memory_keyed *s = r->keyed;
	uint32_t i = keyed_behind(s, k->place - 1);

	MUST(i < s->n && s->v[i].k == k);
	s->v[i].k = NULL;
	hashtab_remove(&s->keys, k->hash, &k->link);
	if (k->is_gone) {
		TAILQ_REMOVE(&s->gone, k, gone);
		s->ngone--;
	}
	s->bytes -= keyed_cost(k);
	r->m->bytes -= keyed_cost(k);
	r->m->nkeys--;
	free(k);
}

static void
keyed_insert(struct memory_room *r, struct memory_key *k)
{
	struct memory_keyed *s = r->keyed;

	MUST(s->n < s->cap && (s->n == 0 || s->v[s->n - 1].place < k->place));
	s->v[s->n++] = (struct keyed_place){ k->place, k };
	hashtab_insert(&s->keys, k->hash, &k->link);
	if (k->is_gone) {
		TAILQ_INSERT_TAIL(&s->gone, k, gone);
		s->ngone++;
	}
	s->bytes += keyed_cost(k);
	r->m->bytes += keyed_cost(k);
	r->m->nkeys++;
}

/* Who was away since before that does not hear of it by the keys. */
static void
keyed_forget_marker(struct memory_room *r, struct memory_key *k)
{
	if (r->keyed->horizon < k->place)
		r->keyed->horizon = k->place;
	keyed_remove(r, k);
}

/* The oldest marker, but for this one; NULL: there is none. */
static struct memory_key *
keyed_oldest_marker(const struct memory_keyed *s, const struct memory_key *but)
{
	struct memory_key *k = TAILQ_FIRST(&s->gone);

	return (k != NULL && k == but ? TAILQ_NEXT(k, gone) : k);
}

bool
memory_keyed_begin(struct memory_room *r, uint64_t horizon)
{
	struct memory_keyed *s = r->keyed;

	if (s == NULL && (s = r->keyed = calloc(1, sizeof *s)) == NULL)
		return (false);
	hashtab_init(&s->keys, keyed_hash_of, NULL);
	TAILQ_INIT(&s->gone);
	s->horizon = horizon;
	return (true);
}

/* It fits beside the others, but for `was', which it takes the place of.  Markers
 * go for it. */
static bool
keyed_fits(struct memory_room *r, const struct memory_key *k,
    const struct memory_key *was)
{
	const struct memory_keyed *s = r->keyed;
	uint64_t bytes = keyed_cost(k);
	struct memory_key *marker;

	for (;;) {
		if (s->keys.count + (was == NULL) <= r->bounds.keys &&
		    s->bytes + bytes - (was == NULL ? 0 : keyed_cost(was)) <=
		    r->bounds.keys_bytes)
			return (true);
		marker = keyed_oldest_marker(s, was);
		if (marker == NULL)
			return (false);
		keyed_forget_marker(r, marker);
	}
}

static struct memory_key *
keyed_new(const struct memory_room *r, const struct bus_publish *p,
    struct slice frame, uint64_t at_ms)
{
	struct memory_key *k = calloc(1, sizeof *k + p->key.n + frame.n);

	if (k == NULL)
		return (NULL);
	k->hash = hash_bytes(&r->m->key, p->key);
	k->place = p->kept;
	k->version = p->keyed & KEYED_VERSION ? p->base : 0;
	k->is_gone = (p->keyed & KEYED_GONE) != 0;
	k->at_ms = at_ms;
	k->key_n = (uint16_t)p->key.n;
	k->n = (uint32_t)frame.n;
	memcpy(k->text, p->key.p, p->key.n);
	memcpy(k->text + p->key.n, frame.p, frame.n);
	return (k);
}

struct memory_key *
memory_keyed_make(struct memory_room *r, const struct bus_publish *p,
    struct slice frame, uint64_t at_ms, enum bus_store *result)
{
	struct memory_key *k = NULL;

	*result = BUS_STORE_UNAVAILABLE;
	if (r->keyed == NULL && !memory_keyed_begin(r, r->top))
		return (NULL);
	if (!keyed_reserve(r->keyed) ||
	    (k = keyed_new(r, p, frame, at_ms)) == NULL)
		return (NULL);
	if (keyed_fits(r, k, keyed_find(r, p->key)))
		return (k);
	*result = BUS_STORE_FULL;
	free(k);
	return (NULL);
}

void
memory_keyed_drop(struct memory_key *k)
{
	free(k);
}

void
memory_keyed_put(struct memory_room *r, struct memory_key *k)
{
	struct memory_keyed *s = r->keyed;
	struct memory_key *was = keyed_find(r, keyed_name(k));

	if (was != NULL)
		keyed_remove(r, was);
	keyed_insert(r, k);
	while (s->ngone > KEYED_MARKERS || (s->ngone > 0 && k->at_ms -
	    TAILQ_FIRST(&s->gone)->at_ms > KEYED_MARKER_MS))
		keyed_forget_marker(r, TAILQ_FIRST(&s->gone));
	memory_show(r->m);
}

void
memory_keyed_pass(struct memory_room *r)
{
	if (r->keyed != NULL)
		r->keyed->horizon = r->top;
}

/* --- reading --------------------------------------------------------------*/

static void
keyed_copy(struct memory *m, const struct memory_key *k)
{
	buf_slice(&m->page, keyed_frame(k));
	counter_add(COUNTER_store_read_events, 1);
}

/* Those behind this place, as many as may go; true: there are more. */
static bool
keyed_page(struct memory_room *r, const struct store_read *q, uint64_t since)
{
	const struct memory_keyed *s = r->keyed;
	uint32_t i = s == NULL ? 0 : keyed_behind(s, since);
	uint64_t n = 0;

	for (; s != NULL && i < s->n; i++) {
		if (s->v[i].k == NULL)
			continue;
		if (n == q->limit || (n > 0 && r->m->page.wpos +
		    s->v[i].k->n > q->bytes))
			return (true);
		keyed_copy(r->m, s->v[i].k);
		n++;
	}
	return (false);
}

bool
memory_keyed_read(struct memory_room *r, const struct store_read *q,
    uint64_t first, struct store_page *out)
{
	uint64_t horizon = r->keyed == NULL ? r->top : r->keyed->horizon;
	const struct memory_key *k;
	uint64_t since = 0;

	if (q->from == BUS_HISTORY_KEY) {
		if ((k = keyed_find(r, q->of)) != NULL)
			keyed_copy(r->m, k);
		return (true);
	}
	if (q->from != BUS_HISTORY_STATE && (q->from != BUS_HISTORY_AFTER ||
	    r->bounds.keys == 0))
		return (false);
	if (q->from == BUS_HISTORY_STATE)
		;
	else if (!slice_eq(q->epoch, memory_epoch(r)) || q->since > r->top)
		out->page.result = BUS_STORE_EPOCH;
	else if (q->since + 1 >= first)
		return (false);
	else if (q->since != 0 && q->since < horizon)
		out->page.result = BUS_STORE_GAP;
	else
		since = q->since;
	out->more = keyed_page(r, q, since);
	counter_add(COUNTER_store_state_reads, 1);
	return (true);
}

/* --- the room goes, or is saved -------------------------------------------*/

uint64_t
memory_keyed_bytes(const struct memory_room *r)
{
	return (r->keyed == NULL ? 0 : r->keyed->bytes);
}

uint32_t
memory_keyed_count(const struct memory_room *r)
{
	return (r->keyed == NULL ? 0 : (uint32_t)r->keyed->keys.count);
}

uint64_t
memory_keyed_horizon(const struct memory_room *r)
{
	return (r->keyed->horizon);
}

bool
memory_keyed_free(struct memory_room *r, unsigned *budget)
{
	struct memory_keyed *s = r->keyed;
	struct memory_key *k;

	if (s == NULL)
		return (true);
	for (; s->n > 0 && *budget > 0; s->n--) {
		if ((k = s->v[s->n - 1].k) == NULL)
			continue;
		hashtab_remove(&s->keys, k->hash, &k->link);
		s->bytes -= keyed_cost(k);
		r->m->gone_bytes -= keyed_cost(k);
		free(k);
		--*budget;
	}
	if (s->n > 0)
		return (false);
	hashtab_fini(&s->keys);
	free(s->v);
	free(s);
	r->keyed = NULL;
	return (true);
}

bool
memory_keyed_each(const struct memory_room *r,
    bool (*f)(void *arg, uint64_t at_ms, struct slice frame), void *arg)
{
	const struct memory_keyed *s = r->keyed;
	uint32_t i;

	for (i = 0; s != NULL && i < s->n; i++)
		if (s->v[i].k != NULL && !f(arg, s->v[i].k->at_ms,
		    keyed_frame(s->v[i].k)))
			return (false);
	return (true);
}

bool
memory_keyed_load(struct memory_room *r, struct slice frame, uint64_t at_ms,
    bool *full)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct memory_keyed *s = r->keyed;
	const struct bus_publish *p = &e.publish;
	struct memory_key *k;

	if (!bus_whole(frame, &e) || e.kind != BUS_PUBLISH || p->key.n == 0 ||
	    p->key.n > STORE_KEY_MAX || p->kept == 0 || p->kept > r->top ||
	    (s->n > 0 && s->v[s->n - 1].place >= p->kept) ||
	    keyed_find(r, p->key) != NULL)
		return (false);
	k = keyed_reserve(s) ? keyed_new(r, p, frame, at_ms) : NULL;
	*full = k == NULL;
	if (k != NULL)
		keyed_insert(r, k);
	return (true);
}
