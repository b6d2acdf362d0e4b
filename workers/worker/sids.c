/*
 * Sessions over polling by their sid: a hash table with chains; see sids.h.
 */
#include "worker/sids.h"

#include <stdlib.h>
#include <string.h>

#include "proto/eio.h"
#include "worker/polling_int.h"

#define SIDS_FIRST	64	/* buckets; a power of two */

bool
sids_init(struct sids *t, struct hash_key key)
{
	t->key = key;
	t->n = 0;
	t->nbuckets = SIDS_FIRST;
	t->buckets = calloc(t->nbuckets, sizeof(struct poller *));
	return (t->buckets != NULL);
}

void
sids_fini(struct sids *t)
{
	MUST(t->n == 0);
	free(t->buckets);
	t->buckets = NULL;
}

static struct poller **
sids_bucket(const struct sids *t, const char *sid)
{
	return (&t->buckets[hash_bytes(&t->key,
	    slice_of(sid, EIO_SID_LEN)) & (t->nbuckets - 1)]);
}

struct poller *
sids_find(const struct sids *t, const char *sid)
{
	struct poller *p = *sids_bucket(t, sid);

	while (p != NULL && memcmp(p->sid, sid, EIO_SID_LEN) != 0)
		p = p->next_sid;
	return (p);
}

static void
sids_link(struct sids *t, struct poller *p)
{
	struct poller **b = sids_bucket(t, p->sid);

	p->next_sid = *b;
	*b = p;
}

/* Short of memory the chains get longer, or the table stays too large. */
static void
sids_resize(struct sids *t, size_t n)
{
	struct poller **old = t->buckets, *p, *next;
	size_t i, was = t->nbuckets;

	t->buckets = calloc(n, sizeof *t->buckets);
	if (t->buckets == NULL) {
		t->buckets = old;
		return;
	}
	t->nbuckets = n;
	for (i = 0; i < was; i++)
		for (p = old[i]; p != NULL; p = next) {
			next = p->next_sid;
			sids_link(t, p);
		}
	free(old);
}

void
sids_insert(struct sids *t, struct poller *p)
{
	if (t->n >= t->nbuckets)
		sids_resize(t, t->nbuckets * 2);
	t->n++;
	sids_link(t, p);
}

void
sids_remove(struct sids *t, struct poller *p)
{
	struct poller **pp = sids_bucket(t, p->sid);

	while (*pp != p)
		pp = &(*pp)->next_sid;
	*pp = p->next_sid;
	t->n--;
	if (t->nbuckets > SIDS_FIRST && t->n < t->nbuckets / 8)
		sids_resize(t, t->nbuckets / 2);
}

void
sids_each(const struct sids *t, void (*f)(struct poller *, void *arg),
    void *arg)
{
	struct poller *p;
	size_t i;

	for (i = 0; i < t->nbuckets; i++)
		for (p = t->buckets[i]; p != NULL; p = p->next_sid)
			f(p, arg);
}
