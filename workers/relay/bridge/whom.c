/*
 * Lists of rooms and the workers that have some; see whom.h.
 */
#include "relay/bridge/whom.h"

#include <sys/random.h>

#include <stdlib.h>

#include "base/hash.h"
#include "base/slotset.h"
#include "shm/interest.h"

#define WHOM_SID	20	/* characters of a Socket.IO sid */
#define JOINS_MAX	256	/* more at once: all rooms may have members */
#define JOINS_MS	5000	/* within which workers have done it */

/* --- rooms that are about to have members ---------------------------------*/

struct whom_joins {
	unsigned	 magic;
#define WHOM_JOINS_MAGIC 0x7b02e1d5
	struct hash_key	 key;
	struct whom_join {
		uint64_t	 hash;
		uint64_t	 slots[2];
		struct mono	 until;
	}		 ring[JOINS_MAX];
	size_t		 first, n;	/* in the order in which they end */
	struct mono	 any;		/* until then some were forgotten */
};

struct whom_joins *
whom_joins_new(void)
{
	struct whom_joins *j = calloc(1, sizeof *j);

	if (j == NULL)
		return (NULL);
	j->magic = WHOM_JOINS_MAGIC;
	if (getrandom(&j->key, sizeof j->key, 0) != (ssize_t)sizeof j->key)
		whom_joins_free(&j);
	return (j);
}

void
whom_joins_free(struct whom_joins **jp)
{
	struct whom_joins *j = *jp;

	if (j == NULL)
		return;
	*jp = NULL;
	CHECK_MAGIC(j, WHOM_JOINS_MAGIC);
	j->magic = 0;
	free(j);
}

static struct whom_join *
whom_joins_at(struct whom_joins *j, size_t i)
{
	return (&j->ring[(j->first + i) % JOINS_MAX]);
}

static void
whom_joins_expire(struct whom_joins *j, struct mono now)
{
	while (j->n > 0 && j->ring[j->first].until.us <= now.us) {
		j->first = (j->first + 1) % JOINS_MAX;
		j->n--;
	}
}

static uint64_t
whom_joins_hash(const struct whom_joins *j, uint16_t ns, struct slice room)
{
	return (hash_bytes(&j->key, room) ^ ns);
}

void
whom_joins_add(struct whom_joins *j, uint16_t ns, struct slice room,
    const uint64_t slots[2], struct mono now)
{
	struct whom_join *at;

	CHECK_MAGIC(j, WHOM_JOINS_MAGIC);
	whom_joins_expire(j, now);
	if (j->n == JOINS_MAX) {
		j->any = mono_add_ms(now, JOINS_MS);
		return;
	}
	at = whom_joins_at(j, j->n++);
	at->hash = whom_joins_hash(j, ns, room);
	slotset_copy(at->slots, slots);
	at->until = mono_add_ms(now, JOINS_MS);
}

static void
whom_joins_who(struct whom_joins *j, uint16_t ns, struct slice room,
    uint64_t bits[2])
{
	uint64_t hash;
	size_t i;

	if (j->n == 0)
		return;
	hash = whom_joins_hash(j, ns, room);
	for (i = 0; i < j->n; i++)
		if (whom_joins_at(j, i)->hash == hash)
			slotset_join(bits, whom_joins_at(j, i)->slots);
}

/* --- names ----------------------------------------------------------------*/

static void
whom_all(struct whom *w, uint64_t bits[2])
{
	char key[INTEREST_KEY_MAX];

	interest_who(w->interest, w->ns, interest_key(key, INTEREST_NAMESPACE,
	    slice_of(NULL, 0)), bits);
}

/* The workers whose clients are in this room, or soon. */
static void
whom_workers(struct whom *w, struct slice room, uint64_t bits[2])
{
	char key[INTEREST_KEY_MAX];

	slotset_clear(bits);
	if (room.n == 0 || room.n > INTEREST_NAME_MAX)
		return;
	interest_who(w->interest, w->ns, interest_key(key, INTEREST_ROOM,
	    room), bits);
	if (w->joins == NULL)
		return;
	whom_joins_expire(w->joins, w->now);
	whom_joins_who(w->joins, w->ns, room, bits);
	if (w->joins->any.us > w->now.us)
		whom_all(w, bits);
}

/* Whose worker it is on nobody knows. */
static bool
whom_may_be_sid(struct slice name)
{
	size_t i;

	if (name.n != WHOM_SID)
		return (false);
	for (i = 0; i < name.n; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
		    "yz0123456789_-", name.p[i]) == NULL || name.p[i] == 0)
			return (false);
	return (true);
}

bool
whom_has(struct whom *w, struct slice name)
{
	uint64_t bits[2];

	whom_workers(w, name, bits);
	return (whom_may_be_sid(name) || !slotset_empty(bits));
}

void
whom_begin(struct whom *w)
{
	slotset_clear(w->slots);
	w->nnamed = 0;
	w->many = false;
	w->to->nrooms = w->to->nusers = w->to->nsids = w->to->nexcept = 0;
}

static void
whom_list(struct whom *w, struct slice *list, size_t *n, struct slice name)
{
	if (*n < BUS_LIST_MAX)
		list[(*n)++] = name;
	else
		w->many = true;
}

void
whom_room(struct whom *w, struct slice name)
{
	uint64_t bits[2];

	w->nnamed++;
	whom_workers(w, name, bits);
	if (!slotset_empty(bits)) {
		slotset_join(w->slots, bits);
		whom_list(w, w->to->rooms, &w->to->nrooms, name);
	}
	if (whom_may_be_sid(name))
		whom_list(w, w->to->sids, &w->to->nsids, name);
}

void
whom_except(struct whom *w, struct slice name)
{
	if (whom_has(w, name))
		whom_list(w, w->to->except, &w->to->nexcept, name);
}

enum whom_result
whom_end(struct whom *w)
{
	uint64_t all[2];

	if (w->many)
		return (WHOM_MANY);
	if (w->nnamed == 0 || w->to->nsids > 0) {
		whom_all(w, all);
		slotset_join(w->slots, all);
	}
	return (slotset_empty(w->slots) ? WHOM_NOBODY : WHOM_SOME);
}
