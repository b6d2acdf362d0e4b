/*
 * Numbers of users in rooms; see crowd.h.  Called by announce.c.
 */
#include "relay/local/crowd.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

static struct crowd_room *
crowd_room(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct crowd_room, link));
}

static uint64_t
crowd_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (crowd_room(l)->hash);
}

static uint64_t
crowd_hash(const struct crowd *c, uint16_t ns, struct slice room)
{
	struct hash_key k = { c->key.k0 ^ ns, c->key.k1 };

	return (hash_bytes(&k, room));
}

bool
crowd_init(struct crowd *c)
{
	hashtab_init(&c->rooms, crowd_hash_of, NULL);
	TAILQ_INIT(&c->due);
	return (getrandom(&c->key, sizeof c->key, 0) ==
	    (ssize_t)sizeof c->key);
}

static void
crowd_free(struct crowd *c, struct crowd_room *r)
{
	hashtab_remove(&c->rooms, r->hash, &r->link);
	if (r->is_due)
		TAILQ_REMOVE(&c->due, r, due);
	free(r);
}

static void
crowd_take(struct hashtab_link *l, void *arg)
{
	struct crowd_room **list = arg, *r = crowd_room(l);

	/* its place in the list of those that are due is free: that goes too */
	r->due.tqe_next = *list;
	*list = r;
}

void
crowd_empty(struct crowd *c)
{
	struct crowd_room *list = NULL, *r;

	TAILQ_INIT(&c->due);
	hashtab_each(&c->rooms, crowd_take, &list);
	while ((r = list) != NULL) {
		list = r->due.tqe_next;
		r->is_due = false;
		crowd_free(c, r);
	}
}

void
crowd_fini(struct crowd *c)
{
	crowd_empty(c);
	hashtab_fini(&c->rooms);
}

struct crowd_room *
crowd_find(const struct crowd *c, uint16_t ns, struct slice room)
{
	uint64_t hash = crowd_hash(c, ns, room);
	struct hashtab_link *l;
	struct crowd_room *r;

	for (l = hashtab_chain(&c->rooms, hash); l != NULL; l = l->next) {
		r = crowd_room(l);
		if (r->hash == hash && r->ns == ns &&
		    slice_eq(slice_of(r->name, r->len), room))
			return (r);
	}
	return (NULL);
}

static struct crowd_room *
crowd_add(struct crowd *c, uint16_t ns, struct slice room)
{
	struct crowd_room *r = calloc(1, sizeof *r + room.n);

	if (r == NULL)
		return (NULL);
	r->hash = crowd_hash(c, ns, room);
	r->ns = ns;
	r->len = (uint16_t)room.n;
	memcpy(r->name, room.p, room.n);
	hashtab_insert(&c->rooms, r->hash, &r->link);
	return (r);
}

struct crowd_room *
crowd_move(struct crowd *c, uint16_t ns, struct slice room, bool in)
{
	struct crowd_room *r = crowd_find(c, ns, room);

	if (in && r == NULL)
		r = crowd_add(c, ns, room);
	if (r == NULL)
		return (NULL);
	if (in)
		r->users++;
	else if (r->users > 0)
		r->users--;
	/* who is left to be told of a room that was large is nobody */
	if (r->users == 0) {
		crowd_free(c, r);
		return (NULL);
	}
	return (r);
}

/* Those that may be told earlier come first; most are told at once, or stand at
 * the end, as all wait for the same time. */
void
crowd_due(struct crowd *c, struct crowd_room *r, struct mono now)
{
	struct crowd_room *other;

	if (r->is_due)
		return;
	r->is_due = true;
	if (r->next_us < now.us)
		r->next_us = now.us;
	TAILQ_FOREACH_REVERSE(other, &c->due, crowd_list, due)
		if (other->next_us <= r->next_us) {
			TAILQ_INSERT_AFTER(&c->due, other, r, due);
			return;
		}
	TAILQ_INSERT_HEAD(&c->due, r, due);
}

struct crowd_room *
crowd_next(const struct crowd *c, struct mono now)
{
	struct crowd_room *r = TAILQ_FIRST(&c->due);

	return (r == NULL || r->next_us > now.us ? NULL : r);
}

void
crowd_told(struct crowd *c, struct crowd_room *r, struct mono now,
    uint64_t interval_ms, bool large)
{
	TAILQ_REMOVE(&c->due, r, due);
	r->is_due = false;
	r->large = large;
	r->next_us = now.us + interval_ms * 1000;
}

uint64_t
crowd_next_us(const struct crowd *c)
{
	const struct crowd_room *r = TAILQ_FIRST(&c->due);

	return (r == NULL ? UINT64_MAX : r->next_us);
}
