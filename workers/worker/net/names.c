/*
 * Names of requests by the clients that came by them; see names.h.  Called by
 * record.c, and by those who save, load and free what clients are of.
 */
#include "worker/net/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/hashtab.h"
#include "base/state.h"
#include "shm/counters.h"

struct name {
	struct hashtab_link link;
	uint32_t	 number;
	uint8_t		 n;
	char		 text[];	/* with its NUL */
};

struct names {
	struct hashtab	 by_number;
};

/* Numbers are given one after another, by all workers in turn. */
static uint64_t
names_hash(uint32_t number)
{
	return (number * UINT64_C(0x9e3779b97f4a7c15) >> 16);
}

static struct name *
name_of(struct hashtab_link *l)
{
	return (container_of(l, struct name, link));
}

static uint64_t
names_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (names_hash(container_of((struct hashtab_link *)(uintptr_t)l,
	    struct name, link)->number));
}

static struct names *
names_new(void)
{
	struct names *t = calloc(1, sizeof *t);

	if (t != NULL)
		hashtab_init(&t->by_number, names_hash_of, NULL);
	return (t);
}

static struct name *
names_get(const struct names *t, uint32_t number)
{
	struct hashtab_link *l;

	if (t == NULL || number == 0)
		return (NULL);
	for (l = hashtab_chain(&t->by_number, names_hash(number)); l != NULL;
	    l = l->next)
		if (name_of(l)->number == number)
			return (name_of(l));
	return (NULL);
}

const char *
names_find(const struct names *t, uint32_t number)
{
	const struct name *m = names_get(t, number);

	return (m == NULL ? NULL : m->text);
}

void
names_put(struct names **np, uint32_t number, const char *name)
{
	size_t n = strlen(name);
	struct name *m;

	if (number == 0 || n == 0 || n > NAMES_LENGTH_MAX)
		return;
	names_drop(*np, number);
	if (*np == NULL)
		*np = names_new();
	m = *np == NULL ? NULL : malloc(sizeof *m + n + 1);
	if (m == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return;
	}
	m->number = number;
	m->n = (uint8_t)n;
	memcpy(m->text, name, n + 1);
	hashtab_insert(&(*np)->by_number, names_hash(number), &m->link);
}

void
names_drop(struct names *t, uint32_t number)
{
	struct name *m = names_get(t, number);

	if (m == NULL)
		return;
	hashtab_remove(&t->by_number, names_hash(number), &m->link);
	free(m);
}

static void
names_take_first(struct hashtab_link *l, void *arg)
{
	struct name **first = arg;

	*first = name_of(l);
}

void
names_free(struct names **np)
{
	struct names *t = *np;
	struct name *first;
	size_t at;

	if (t == NULL)
		return;
	*np = NULL;
	while (t->by_number.count > 0) {
		first = NULL;
		at = 0;
		do
			at = hashtab_scan(&t->by_number, at, names_take_first,
			    &first);
		while (first == NULL && at != 0);
		names_drop(t, first->number);
	}
	hashtab_fini(&t->by_number);
	free(t);
}

void
names_save(const struct names *t, uint32_t number, struct buf *b)
{
	const struct name *m = names_get(t, number);

	state_put_slice(b, m == NULL ? slice_of(NULL, 0) :
	    slice_of(m->text, m->n));
}

/* What stands in a log line without being looked at. */
static bool
names_is_clean(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' ||
		    s.p[i] == '\\')
			return (false);
	return (s.n <= NAMES_LENGTH_MAX);
}

bool
names_load(struct names **np, uint32_t number, struct state_in *in)
{
	char text[NAMES_LENGTH_MAX + 1];
	struct slice s = state_get_slice(in);

	if (in->bad || !names_is_clean(s))
		return (false);
	if (s.n > 0)
		memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	names_put(np, number, text);
	return (true);
}
