/*
 * Presence: the table asked "who?".  Status and last_seen ride on the node;
 * the number of connections is in the columns; whether somebody is online is
 * in ann.
 */
#include "shm/presence_int.h"

#include <stdlib.h>

#define LIST_CHUNK	16384u	/* nodes looked at per call */
#define TEXT_WORDS	8u	/* each: tag << 56 | 7 bytes */
#define TEXT_TRIES	4u

struct presence *
presence_open(struct segment *seg, unsigned slot)
{
	struct presence *p;

	p = calloc(1, sizeof *p);
	if (p == NULL)
		return (NULL);
	p->magic = PRESENCE_MAGIC;
	p->seg = seg;
	p->tag = (uint8_t)(slot * 37);
	if (spill_init(&p->sp, seg, TABLE_PRESENCE, slot) == -1) {
		free(p);
		return (NULL);
	}
	slots_quiesce_leave(seg, slot);
	return (p);
}

void
presence_close(struct presence **pp)
{
	struct presence *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	p->magic = 0;
	spill_fini(&p->sp);
	free(p);
}

unsigned
presence_key_max(const struct presence *p)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	return (p->sp.t->key_max);
}

uint32_t
presence_join(struct presence *p, uint16_t ns, struct slice user)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	return (spill_join(&p->sp, ns, user));
}

uint8_t
presence_ended(const struct presence *p, uint32_t node)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	MUST(node > 0 && node < p->sp.t->cap);
	return (LAST_WHY(atomic_load_explicit(
	    &table_node(p->sp.t, node)->last, memory_order_relaxed)));
}

void
presence_leave(struct presence *p, uint32_t node, uint16_t ns,
    struct slice user, uint8_t why)
{
	uint32_t n = node;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	presence_seen(p, node, wall_now());
	if (n == 0)		/* kept privately, or it was */
		n = table_find(p->sp.t, ns, user);
	if (n != 0 && n < p->sp.t->cap && table_holds(p->sp.t, n))
		table_ended(p->sp.t, n, why);
	spill_leave(&p->sp, node, ns, user);
}

void
presence_leave_unseen(struct presence *p, uint32_t node, uint16_t ns,
    struct slice user)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	spill_leave(&p->sp, node, ns, user);
}

void
presence_seen(struct presence *p, uint32_t node, struct wall now)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (node != 0 && node < p->sp.t->cap && table_holds(p->sp.t, node))
		table_seen(p->sp.t, node, now.ms);
}

uint32_t
presence_find(const struct presence *p, uint16_t ns, struct slice user)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	return (table_find(p->sp.t, ns, user));
}

void
presence_seen_there(struct presence *p, uint32_t node, struct wall at)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (node != 0 && node < p->sp.t->cap && table_holds(p->sp.t, node) &&
	    (table_level(p->sp.t, node) & ANN_L) == 0)
		table_seen(p->sp.t, node, at.ms);
}

/* --- status: when it was set, to the ms, and what -------------------------- */

#define WORD_LEFT	(UINT64_C(1) << 23)

static uint64_t
presence_word(uint64_t set_ms, uint8_t code)
{
	return (set_ms / 1000 << 32 | (uint64_t)code << 24 |
	    (set_ms % 1000) << 8);
}

static uint64_t
presence_word_ms(uint64_t word)
{
	return ((word >> 32) * 1000 + (word >> 8 & 0x3ff));
}

static uint8_t
presence_word_code(uint64_t word)
{
	return ((uint8_t)(word >> 24));
}

/* The last one counts, whatever the clocks of hosts say. */
static uint64_t
presence_word_after(uint64_t word, struct wall now, uint8_t code)
{
	uint64_t ms = word == 0 ? 0 : presence_word_ms(word) + 1;

	return (presence_word(now.ms > ms ? now.ms : ms, code));
}

static _Atomic uint64_t *
presence_text(const struct table *t, uint32_t n)
{
	return ((_Atomic uint64_t *)(void *)(table_node(t, n)->key +
	    t->key_max));
}

/* Where to cut so that no character is halved. */
static struct slice
presence_cut(struct slice s)
{
	if (s.n > PRESENCE_TEXT_MAX)
		for (s.n = PRESENCE_TEXT_MAX; s.n > 0 &&
		    (s.p[s.n] & 0xc0) == 0x80; s.n--)
			continue;
	return (s);
}

static void
presence_text_store(const struct table *t, uint32_t n, uint8_t tag,
    struct slice s)
{
	_Atomic uint64_t *text = presence_text(t, n);
	uint64_t word;
	unsigned w, i;

	for (w = 0; w < TEXT_WORDS; w++) {
		word = (uint64_t)tag << 56;
		for (i = 0; i < 7 && w * 7 + i < s.n; i++)
			word |= (uint64_t)s.p[w * 7 + i] << (8 * i);
		atomic_store_explicit(&text[w], word, memory_order_release);
	}
}

/* False: written by two at once, or not yet in full. */
static bool
presence_text_load(const struct table *t, uint32_t n, uint8_t tag,
    char out[PRESENCE_TEXT_MAX + 1])
{
	_Atomic uint64_t *text = presence_text(t, n);
	uint64_t word;
	unsigned w, i;

	for (w = 0; w < TEXT_WORDS; w++) {
		word = atomic_load_explicit(&text[w], memory_order_acquire);
		if (word >> 56 != tag)
			return (false);
		for (i = 0; i < 7; i++)
			out[w * 7 + i] = (char)(word >> (8 * i));
	}
	out[PRESENCE_TEXT_MAX] = '\0';
	return (true);
}

static void
presence_status_store(struct presence *p, uint32_t n, uint64_t status,
    struct slice text)
{
	struct table *t = p->sp.t;
	struct shm_node *node = table_node(t, n);
	char now_there[PRESENCE_TEXT_MAX + 1];
	unsigned tries;

	text = presence_cut(text);
	for (tries = 0; tries < TEXT_TRIES; tries++) {
		if (t->text) {
			p->tag = (uint8_t)(p->tag + 101);
			status = (status & ~(uint64_t)0xff) | p->tag;
			presence_text_store(t, n, p->tag, text);
		}
		HOOK();
		atomic_store_explicit(&node->status, status,
		    memory_order_release);
		/* another setter's words among ours: the last one rewrites */
		if (!t->text || atomic_load_explicit(&node->status,
		    memory_order_acquire) != status ||
		    presence_text_load(t, n, p->tag, now_there))
			break;
	}
	HOOK();
	table_touch(t, n);
}

/* Where there are no texts: after what stands there, whoever sets it at the
 * same time. */
static void
presence_status_follow(struct presence *p, uint32_t n, struct wall now,
    uint8_t code)
{
	struct shm_node *node = table_node(p->sp.t, n);
	uint64_t word = atomic_load_explicit(&node->status,
	    memory_order_acquire);

	while (!atomic_compare_exchange_weak_explicit(&node->status, &word,
	    presence_word_after(word, now, code), memory_order_acq_rel,
	    memory_order_acquire))
		continue;
	HOOK();
	table_touch(p->sp.t, n);
}

void
presence_set_left(struct presence *p, uint32_t node, uint8_t code,
    struct wall now)
{
	_Atomic uint64_t *status;
	uint64_t word;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (node == 0 || node >= p->sp.t->cap)
		return;
	status = &table_node(p->sp.t, node)->status;
	word = atomic_load_explicit(status, memory_order_acquire);
	while (!atomic_compare_exchange_weak_explicit(status, &word,
	    presence_word_after(word, now, code) | WORD_LEFT | (word & 0xff),
	    memory_order_acq_rel, memory_order_acquire))
		continue;
	HOOK();
	table_touch(p->sp.t, node);
}

void
presence_set_status(struct presence *p, uint32_t node, uint16_t ns,
    struct slice user, uint8_t code, struct slice text, struct wall now)
{
	struct spill_entry *e;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (node == 0) {
		e = spill_find(&p->sp, ns, user);
		if (e != NULL) {
			e->status = presence_word_after(e->status, now, code);
			return;
		}
		node = table_find(p->sp.t, ns, user);
	}
	if (node == 0 || node >= p->sp.t->cap || !table_holds(p->sp.t, node))
		return;
	if (p->sp.t->text)
		presence_status_store(p, node, presence_word_after(
		    atomic_load_explicit(&table_node(p->sp.t, node)->status,
		    memory_order_acquire), now, code), text);
	else
		presence_status_follow(p, node, now, code);
}

/* set_ms and code are more than what word says. */
static bool
presence_is_newer(uint64_t word, uint64_t set_ms, uint8_t code)
{
	uint64_t ms = word == 0 ? 0 : presence_word_ms(word);

	return (set_ms > ms ||
	    (set_ms == ms && code > presence_word_code(word)));
}

bool
presence_take_status(struct presence *p, uint32_t node, uint8_t code,
    uint64_t set_ms)
{
	struct shm_node *n;
	uint64_t word;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	if (node == 0 || node >= p->sp.t->cap || !table_holds(p->sp.t, node))
		return (false);
	n = table_node(p->sp.t, node);
	word = atomic_load_explicit(&n->status, memory_order_acquire);
	do {
		if (!presence_is_newer(word, set_ms, code))
			return (false);
	} while (!p->sp.t->text && !atomic_compare_exchange_weak_explicit(
	    &n->status, &word, presence_word(set_ms, code),
	    memory_order_acq_rel, memory_order_acquire));
	if (p->sp.t->text)
		presence_status_store(p, node, presence_word(set_ms, code),
		    slice_of(NULL, 0));
	else
		table_touch(p->sp.t, node);
	return (true);
}

static uint32_t
presence_connections(const struct table *t, uint32_t n)
{
	const struct shm_node *node = table_node(t, n);
	uint64_t bits;
	uint32_t sum = 0, c;
	unsigned w, s;

	for (w = 0; w < 2; w++) {
		bits = atomic_load_explicit(&node->bits[w],
		    memory_order_acquire);
		for (; bits != 0; bits &= bits - 1) {
			s = w * 64 + (unsigned)__builtin_ctzll(bits) + 1;
			if (s >= t->hdr->nslots)
				continue;
			c = atomic_load_explicit(&table_col(t, s)[n],
			    memory_order_relaxed);
			sum += c > 0 ? c : 1;
		}
	}
	return (sum);
}

static void
presence_info_of(const struct table *t, uint32_t n, struct presence_info *info)
{
	const struct shm_node *node = table_node(t, n);
	uint64_t a, seen, status, last;

	a = atomic_load_explicit(&node->ann, memory_order_seq_cst);
	/* who has come to watch and reads this before the relay changes it is
	 * told of the change: see table_relay.c */
	seen = atomic_load_explicit(&t->seen[n], memory_order_seq_cst);
	status = atomic_load_explicit(&node->status, memory_order_acquire);
	last = atomic_load_explicit(&node->last, memory_order_relaxed);
	*info = (struct presence_info){ .tracked = true,
		.online = (a & ANN_LEVEL) != 0, .local = (a & ANN_L) != 0,
		.told = (seen & ANN_LEVEL) != 0,
		.settled = ANN_VERSION(a) == ANN_VERSION(seen),
		.version = ANN_VERSION(a), .connections =
		    presence_connections(t, n),
		.status = presence_word_code(status),
		.set_at_s = status >> 32,
		.set_ms = status == 0 ? 0 : presence_word_ms(status),
		.left = (status & WORD_LEFT) != 0,
		.last_seen_ms = LAST_SEEN(last), .why = LAST_WHY(last) };
	if (t->text && status != 0 &&
	    (!presence_text_load(t, n, (uint8_t)status, info->text) ||
	    atomic_load_explicit(&node->status, memory_order_acquire) !=
	    status))
		info->text[0] = '\0';
}

bool
presence_get(struct presence *p, uint16_t ns, struct slice user,
    struct presence_info *info)
{
	const struct spill_entry *e;
	uint32_t n;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	*info = (struct presence_info){ 0 };
	e = spill_find(&p->sp, ns, user);
	n = table_find(p->sp.t, ns, user);
	if (n != 0)
		presence_info_of(p->sp.t, n, info);
	if (e != NULL) {
		info->online = info->local = true;
		info->connections += e->count;
		if (info->status == 0) {
			info->status = presence_word_code(e->status);
			info->set_at_s = e->status >> 32;
			info->set_ms = e->status == 0 ? 0 :
			    presence_word_ms(e->status);
		}
	}
	return (n != 0 || e != NULL);
}

unsigned
presence_list(struct presence *p, uint16_t ns, uint32_t *cursor,
    struct presence_entry *out, unsigned max)
{
	const struct table *t = p->sp.t;
	uint32_t n = *cursor + 1, left = LIST_CHUNK;
	unsigned got = 0;

	CHECK_MAGIC(p, PRESENCE_MAGIC);
	for (; n < t->cap && left > 0 && got < max; n++, left--) {
		if (atomic_load_explicit(&t->nsid[n], memory_order_relaxed) !=
		    ns || atomic_load_explicit(&t->map[n],
		    memory_order_acquire) != MAP_LINKED ||
		    table_node(t, n)->ns != ns)
			continue;
		presence_info_of(t, n, &out[got].info);
		if (!(out[got].info.online || out[got].info.told) ||
		    (atomic_load(
		    &table_node(t, n)->ann) & ANN_DEAD) != 0)
			continue;
		out[got].whole = table_key(t, table_node(t, n),
		    &out[got].user);
		got++;
	}
	*cursor = n >= t->cap ? 0 : n - 1;
	return (got);
}

static void
presence_moved(struct table *t, uint32_t n, const struct spill_entry *e)
{
	struct shm_node *node = table_node(t, n);

	if (e->status == 0 || atomic_load(&node->status) != 0)
		return;
	if (t->text)
		presence_text_store(t, n, (uint8_t)e->status, slice_of(NULL,
		    0));
	atomic_store_explicit(&node->status, e->status, memory_order_release);
	table_touch(t, n);
}

void
presence_retry(struct presence *p, struct mono now)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	(void)now;
	spill_retry(&p->sp, presence_moved);
}

uint32_t
presence_untracked(const struct presence *p)
{
	CHECK_MAGIC(p, PRESENCE_MAGIC);
	return (p->sp.count + p->sp.blind);
}
