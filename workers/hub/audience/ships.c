/*
 * A session's memberships; see ships.h.  Called by room.c alone.  The index
 * is one open table for all sessions of the worker that have many; sessions
 * with few cost nothing in it.
 */
#include "hub/audience/ships.h"

#include <stdint.h>
#include <stdlib.h>

#include "hub/model.h"

#define INDEX_MIN	256	/* entries */

/* Addresses of ours, which no stranger chooses. */
static size_t
ships_home(const struct ship_index *x, const struct session *s,
    const struct room *r)
{
	uint64_t k = (uint64_t)(uintptr_t)s;

	k = (k ^ k >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	k ^= (uint64_t)(uintptr_t)r;
	k = (k ^ k >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return ((size_t)(k ^ k >> 32) & (x->n - 1));
}

static struct ship_entry *
ships_at(const struct ship_index *x, const struct session *s,
    const struct room *r)
{
	size_t i = ships_home(x, s, r);

	while (x->v[i].ship != NULL && (x->v[i].ship->session != s ||
	    x->v[i].ship->room != r))
		i = (i + 1) & (x->n - 1);
	return (&x->v[i]);
}

static struct ship_entry *
ships_entry(const struct ship_index *x, const struct membership *m)
{
	struct ship_entry *e = ships_at(x, m->session, m->room);

	MUST(e->ship == m);
	return (e);
}

static bool
ships_resize(struct ship_index *x, size_t n)
{
	struct ship_index to = { calloc(n, sizeof *to.v), n, x->used };
	size_t i;

	if (to.v == NULL)
		return (false);
	for (i = 0; i < x->n; i++)
		if (x->v[i].ship != NULL)
			*ships_at(&to, x->v[i].ship->session,
			    x->v[i].ship->room) = x->v[i];
	free(x->v);
	*x = to;
	return (true);
}

static bool
ships_put(struct ship_index *x, struct membership *m, struct membership *before)
{
	if ((x->used + 1) * 2 > x->n &&
	    !ships_resize(x, x->n == 0 ? INDEX_MIN : x->n * 2) &&
	    (x->used + 1) * 8 > x->n * 7)
		return (false);
	*ships_at(x, m->session, m->room) = (struct ship_entry){ m, before };
	x->used++;
	return (true);
}

/* What follows in the same run moves up, so that searches need no marks. */
static void
ships_drop(struct ship_index *x, struct ship_entry *e)
{
	size_t hole = (size_t)(e - x->v), i = hole, at, mask = x->n - 1;

	for (;;) {
		i = (i + 1) & mask;
		if (x->v[i].ship == NULL)
			break;
		at = ships_home(x, x->v[i].ship->session, x->v[i].ship->room);
		if (((i - at) & mask) < ((i - hole) & mask))
			continue;	/* it begins behind the hole */
		x->v[hole] = x->v[i];
		hole = i;
	}
	x->v[hole].ship = NULL;
	x->used--;
	if (x->n > INDEX_MIN && x->used * 8 < x->n)
		(void)ships_resize(x, x->n / 2);	/* or it stays large */
}

/* Back to the list alone. */
static void
ships_forget(struct ship_index *x, struct session *s)
{
	struct membership *m;
	struct ship_entry *e;

	for (m = s->memberships; m != NULL && x->n != 0; m = m->next) {
		e = ships_at(x, s, m->room);
		if (e->ship == m)
			ships_drop(x, e);
	}
	s->many = false;
}

static void
ships_remember(struct ship_index *x, struct session *s)
{
	struct membership *m, *before = NULL;

	s->many = true;
	for (m = s->memberships; m != NULL; before = m, m = m->next)
		if (!ships_put(x, m, before)) {
			ships_forget(x, s);
			return;
		}
}

void
ship_index_fini(struct ship_index *x)
{
	free(x->v);
	*x = (struct ship_index){ NULL, 0, 0 };
}

struct membership *
ships_find(const struct ship_index *x, const struct session *s,
    const struct room *r)
{
	MUST(s->many);
	return (ships_at(x, s, r)->ship);
}

void
ships_push(struct ship_index *x, struct session *s, struct membership *m)
{
	m->next = s->memberships;
	s->memberships = m;
	if (!s->many) {
		if (s->nrooms + s->nwatches >= SHIPS_FEW)
			ships_remember(x, s);
	} else if (ships_put(x, m, NULL)) {
		ships_entry(x, m->next)->before = m;
	} else {
		ships_forget(x, s);
	}
}

void
ships_unlink(struct ship_index *x, struct session *s, struct membership *m)
{
	struct membership **pp = &s->memberships;
	struct ship_entry *e;

	if (!s->many) {
		while (*pp != m)
			pp = &(*pp)->next;
		*pp = m->next;
		return;
	}
	e = ships_entry(x, m);
	if (e->before != NULL)
		pp = &e->before->next;
	*pp = m->next;
	if (m->next != NULL)
		ships_entry(x, m->next)->before = e->before;
	ships_drop(x, e);
	if (s->memberships == NULL)
		s->many = false;
}
