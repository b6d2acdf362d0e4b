/*
 * The membership index; see room.h.  Called by session.c, service.c and
 * presence.c, members.c and recover/ to join and leave, by fanout.c to walk
 * members.
 */
#include "hub/audience/room.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/audience/ships.h"
#include "shm/interest.h"

struct room_table {
	struct hashtab	 table;
	struct ship_index many;		/* of the sessions in many rooms */
};

static uint64_t
room_hash(const struct hub *h, uint16_t ns, struct slice key)
{
	return (hash_bytes(&h->key, key) ^ (uint64_t)ns * 0x9e3779b97f4a7c15);
}

static struct slice
room_key_of(char out[INTEREST_KEY_MAX], enum room_kind kind, struct slice name)
{
	return (interest_key(out, (enum interest_kind)kind, name));
}

static struct room *
room_of(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l, struct room,
	    link));
}

static uint64_t
room_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (room_of(l)->hash);
}

struct room_table *
room_table_new(void)
{
	struct room_table *t = calloc(1, sizeof *t);

	if (t != NULL)
		hashtab_init(&t->table, room_hash_of, NULL);
	return (t);
}

void
room_table_free(struct hub *h)
{
	struct room_table *t = h->rooms;

	if (t == NULL)
		return;
	hashtab_fini(&t->table);
	ship_index_fini(&t->many);
	free(t);
	h->rooms = NULL;
}

size_t
room_count(const struct hub *h)
{
	return (h->rooms->table.count);
}

struct room_walk {
	uint16_t	 ns;
	void		(*f)(void *arg, const struct room *);
	void		*arg;
};

static void
room_walk_one(struct hashtab_link *l, void *arg)
{
	const struct room_walk *k = arg;
	const struct room *r = room_of(l);

	if (r->ns == k->ns && room_kind(r) == ROOM_NAMED && r->members != 0)
		k->f(k->arg, r);
}

size_t
room_some(const struct hub *h, uint16_t ns, size_t at,
    void (*f)(void *arg, const struct room *), void *arg)
{
	struct room_walk k = { ns, f, arg };

	return (hashtab_scan(&h->rooms->table, at, room_walk_one, &k));
}

static struct room *
room_table_find(const struct room_table *t, uint64_t hash, uint16_t ns,
    struct slice key)
{
	const struct hashtab_link *l;
	struct room *r;

	for (l = hashtab_chain(&t->table, hash); l != NULL; l = l->next) {
		r = room_of(l);
		if (r->hash == hash && r->ns == ns &&
		    slice_eq(room_key(r), key))
			return (r);
	}
	return (NULL);
}

struct room *
room_find(struct hub *h, uint16_t ns, enum room_kind kind, struct slice name)
{
	char tmp[INTEREST_KEY_MAX];
	struct slice key;

	if (name.n > ROOM_NAME_MAX)
		return (NULL);
	key = room_key_of(tmp, kind, name);
	return (room_table_find(h->rooms, room_hash(h, ns, key), ns, key));
}

static struct room *
room_new(struct hub *h, uint16_t ns, uint64_t hash, struct slice key)
{
	struct room_table *t = h->rooms;
	struct room *r;

	r = calloc(1, sizeof *r + key.n);
	if (r == NULL)
		return (NULL);
	r->magic = ROOM_MAGIC;
	r->hash = hash;
	r->ns = ns;
	r->len = (uint16_t)key.n;
	memcpy(r->key, key.p, key.n);
	r->node = interest_join(h->interest, ns, key);
	hashtab_insert(&t->table, hash, &r->link);
	if (r->key[0] == ROOM_NAMED)
		counter_add(COUNTER_rooms, 1);
	return (r);
}

static void
room_free(struct hub *h, struct room *r)
{
	struct room_table *t = h->rooms;
	struct room_wire *rw;

	hashtab_remove(&t->table, r->hash, &r->link);
	interest_leave(h->interest, r->node, r->ns, room_key(r));
	free(r->place);
	if (r->key[0] == ROOM_NAMED)
		counter_sub(COUNTER_rooms, 1);
	while ((rw = r->wires) != NULL) {
		r->wires = rw->next;
		if (rw->v != &rw->one)
			free(rw->v);
		free(rw);
	}
	r->magic = 0;
	free(r);
}

static inline void
room_free_unused(struct hub *h, struct room *r)
{
	if (r->members == 0 && r->holds == 0)
		room_free(h, r);
}

struct room *
room_hold(struct hub *h, const struct conf_namespace *ns, struct slice name)
{
	char tmp[INTEREST_KEY_MAX];
	struct slice key = room_key_of(tmp, ROOM_NAMED, name);
	uint64_t hash = room_hash(h, ns->index, key);
	struct room *r;

	r = room_table_find(h->rooms, hash, ns->index, key);
	if (r == NULL)
		r = room_new(h, ns->index, hash, key);
	if (r != NULL)
		r->holds++;
	return (r);
}

void
room_release(struct hub *h, struct room **rp)
{
	struct room *r = *rp;

	CHECK_MAGIC(r, ROOM_MAGIC);
	MUST(r->holds > 0);
	*rp = NULL;
	r->holds--;
	room_free_unused(h, r);
}

/* --- the arrays ----------------------------------------------------------- */

/* There is one. */
static struct room_wire *
room_wire_find(const struct room *r, enum wire w)
{
	struct room_wire *rw = r->wires;

	while (rw->wire != (unsigned)w)
		rw = rw->next;
	return (rw);
}

static struct room_wire *
room_wire_of(struct room *r, enum wire w)
{
	struct room_wire *rw, **at = &r->wires;

	for (; (rw = *at) != NULL; at = &rw->next)
		if (rw->wire == (unsigned)w)
			return (rw);
	rw = calloc(1, sizeof *rw);
	if (rw == NULL)
		return (NULL);
	rw->v = &rw->one;
	rw->cap = 1;
	rw->wire = (unsigned)w & 63;
	*at = rw;
	return (rw);
}

static bool
room_wire_grow(struct room_wire *rw)
{
	uint32_t cap = rw->cap < 4 ? 4 : rw->cap * 2u;
	struct member *v;

	v = reallocarray(rw->v == &rw->one ? NULL : rw->v, cap, sizeof *v);
	if (v == NULL)
		return (false);
	MUST(cap < 1u << 26);
	if (rw->v == &rw->one)
		v[0] = rw->one;
	rw->v = v;
	rw->cap = cap & ((1u << 26) - 1);
	return (true);
}

/* Close the holes, keeping the order of joining. */
static void
room_wire_compact(struct room_wire *rw)
{
	uint32_t i, n = 0;

	for (i = 0; i < rw->n; i++) {
		if (rw->v[i].out == NULL)
			continue;
		rw->v[n] = rw->v[i];
		rw->v[n].ship->index = n & ROOM_INDEX_MAX;
		n++;
	}
	rw->n = n;
	rw->holes = 0;
}

static bool
room_wire_add(struct hub *h, struct room_wire *rw, struct membership *ship,
    struct outq *out)
{
	if (rw->n == rw->cap && rw->holes > 0)
		room_wire_compact(rw);
	if (rw->n == rw->cap && !room_wire_grow(rw))
		return (false);
	ship->index = rw->n & ROOM_INDEX_MAX;
	rw->v[rw->n++] = (struct member){ out, ship };
	if (rw->batch != NULL && rw->turn == h->turn)
		batch_wait(rw->batch, out);
	return (true);
}

static void
room_wire_remove(struct hub *h, struct room_wire *rw, uint32_t index)
{
	struct outq *out = rw->v[index].out;

	/* what was sent before stays queued, what comes must not follow it */
	if (rw->batch != NULL && rw->turn == h->turn)
		batch_except(rw->batch, out);
	rw->batch = NULL;
	rw->v[index] = (struct member){ NULL, NULL };
	rw->holes++;
	while (rw->n > 0 && rw->v[rw->n - 1].out == NULL) {
		rw->n--;
		rw->holes--;
	}
	if (rw->holes > rw->n / 4 + 8)
		room_wire_compact(rw);
}

/* The member's queue is another one from now on. */
static void
room_wire_replace(struct hub *h, struct room_wire *rw, uint32_t index,
    struct outq *out)
{
	if (rw->batch != NULL && rw->turn == h->turn)
		batch_except(rw->batch, rw->v[index].out);
	rw->batch = NULL;
	rw->v[index].out = out;
}

uint64_t
room_queued(const struct room *r)
{
	const struct room_wire *rw;
	uint64_t most = 0, n;
	uint32_t i;

	CHECK_MAGIC(r, ROOM_MAGIC);
	for (rw = r->wires; rw != NULL; rw = rw->next)
		for (i = 0; i < rw->n; i++) {
			n = rw->v[i].out == NULL ? 0 :
			    outq_bytes(rw->v[i].out);
			most = n > most ? n : most;
		}
	return (most);
}

/* --- sessions ------------------------------------------------------------- */

struct membership *
room_membership(const struct session *s, enum room_kind kind,
    struct slice name)
{
	struct membership *m;
	struct room *r;

	if (s->many) {
		r = room_find(s->hub, s->ns->index, kind, name);
		return (r == NULL ? NULL : ships_find(&s->hub->rooms->many, s, r));
	}
	for (m = s->memberships; m != NULL; m = m->next) {
		r = m->room;
		if (r->key[0] == (char)kind && r->len == name.n + 1u &&
		    memcmp(r->key + 1, name.p, name.n) == 0)
			return (m);
	}
	return (NULL);
}

static bool
room_enter(struct hub *h, struct room *r, struct session *s)
{
	struct room_wire *rw = room_wire_of(r, s->wire);
	struct membership *m = slab_get(&h->ships);

	if (m == NULL)
		return (false);
	if (rw == NULL) {
		slab_put(&h->ships, m);
		return (false);
	}
	*m = (struct membership){ .room = r, .session = s };
	if (!room_wire_add(h, rw, m, s->out)) {
		slab_put(&h->ships, m);
		return (false);
	}
	ships_push(&h->rooms->many, s, m);
	r->members++;
	return (true);
}

/* It is not in it yet.  false: no memory. */
static inline bool
room_put(struct hub *h, struct session *s, enum room_kind kind,
    struct slice name)
{
	char tmp[INTEREST_KEY_MAX];
	struct slice key = room_key_of(tmp, kind, name);
	uint64_t hash = room_hash(h, s->ns->index, key);
	struct room *r;

	r = room_table_find(h->rooms, hash, s->ns->index, key);
	if (r == NULL)
		r = room_new(h, s->ns->index, hash, key);
	if (r == NULL)
		return (false);
	if (!room_enter(h, r, s)) {
		room_free_unused(h, r);
		return (false);
	}
	if (kind == ROOM_WATCH)
		s->nwatches++;
	if (kind == ROOM_NAMED) {
		s->nrooms++;
		event_room(h->events->room_entered, s, s->memberships);
		counter_add(COUNTER_memberships, 1);
	}
	return (true);
}

bool
room_join(struct hub *h, struct session *s, enum room_kind kind,
    struct slice name)
{
	if (room_membership(s, kind, name) != NULL)
		return (true);
	if (!room_put(h, s, kind, name))
		return (false);
	if (kind == ROOM_NAMED) {
		counter_add(COUNTER_joins, 1);
		counter_ns_add(s->ns->index, NS_joins, 1);
	}
	return (true);
}

bool
room_take(struct hub *h, struct session *s, enum room_kind kind,
    struct slice name, bool asked)
{
	if (room_membership(s, kind, name) != NULL ||
	    !room_put(h, s, kind, name))
		return (false);
	s->memberships->asked = asked;
	return (true);
}

bool
room_appoint(struct hub *h, struct session *s, struct slice name)
{
	struct membership *m;

	if (!room_join(h, s, ROOM_NAMED, name))
		return (false);
	m = room_membership(s, ROOM_NAMED, name);
	m->asked = false;
	return (true);
}

bool
room_move(struct hub *h, struct session *s, struct outq *out, enum wire wire)
{
	struct room_wire *to;
	struct membership *m;
	uint32_t index;

	wire = session_wire(s->ns, wire);
	/* first all that can fail */
	if (wire == s->wire) {
		for (m = s->memberships; m != NULL; m = m->next)
			room_wire_replace(h, room_wire_find(m->room, wire),
			    m->index, out);
		s->out = out;
		return (true);
	}
	for (m = s->memberships; m != NULL; m = m->next) {
		to = room_wire_of(m->room, wire);
		if (to == NULL || (to->n == to->cap && !room_wire_grow(to)))
			return (false);
	}
	for (m = s->memberships; m != NULL; m = m->next) {
		index = m->index;
		MUST(room_wire_add(h, room_wire_find(m->room, wire), m, out));
		room_wire_remove(h, room_wire_find(m->room, s->wire), index);
	}
	s->out = out;
	s->wire = (uint8_t)wire;
	return (true);
}

static inline void
room_take_out(struct hub *h, struct session *s, struct membership *m)
{
	struct room *r = m->room;

	CHECK_MAGIC(r, ROOM_MAGIC);
	ships_unlink(&h->rooms->many, s, m);
	room_wire_remove(h, room_wire_find(r, s->wire), m->index);
	if (r->key[0] == ROOM_WATCH)
		s->nwatches--;
	if (r->key[0] == ROOM_NAMED) {
		event_room(h->events->room_left, s, m);
		s->nrooms--;
		counter_sub(COUNTER_memberships, 1);
	}
	slab_put(&h->ships, m);
	r->members--;
	room_free_unused(h, r);
}

void
room_leave(struct hub *h, struct session *s, struct membership *m)
{
	if (m->room->key[0] == ROOM_NAMED) {
		counter_add(COUNTER_leaves, 1);
		counter_ns_add(s->ns->index, NS_leaves, 1);
	}
	room_take_out(h, s, m);
}

void
room_give(struct hub *h, struct session *s, struct membership *m)
{
	room_take_out(h, s, m);
}
