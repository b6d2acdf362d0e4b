/*
 * Sessions over polling by their sid; see sids.h.
 */
#include "worker/engineio/sids.h"

#include <string.h>

#include "proto/eio.h"
#include "worker/engineio/polling_int.h"

static struct poller *
sids_poller(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct poller, by_sid));
}

static uint64_t
sids_hash(const struct sids *t, const char *sid)
{
	return (hash_bytes(&t->key, slice_of(sid, EIO_SID_LEN)));
}

static uint64_t
sids_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (sids_hash(arg, sids_poller(l)->sid));
}

void
sids_init(struct sids *t, struct hash_key key)
{
	t->key = key;
	hashtab_init(&t->table, sids_hash_of, t);
}

void
sids_fini(struct sids *t)
{
	hashtab_fini(&t->table);
}

struct poller *
sids_find(const struct sids *t, const char *sid)
{
	const struct hashtab_link *l;

	for (l = hashtab_chain(&t->table, sids_hash(t, sid)); l != NULL;
	    l = l->next)
		if (memcmp(sids_poller(l)->sid, sid, EIO_SID_LEN) == 0)
			return (sids_poller(l));
	return (NULL);
}

void
sids_insert(struct sids *t, struct poller *p)
{
	hashtab_insert(&t->table, sids_hash(t, p->sid), &p->by_sid);
}

void
sids_remove(struct sids *t, struct poller *p)
{
	hashtab_remove(&t->table, sids_hash(t, p->sid), &p->by_sid);
}

/* The caller's function and its argument. */
struct sids_visit {
	void		(*f)(struct poller *, void *arg);
	void		*arg;
};

static void
sids_visit_one(struct hashtab_link *l, void *arg)
{
	const struct sids_visit *v = arg;

	v->f(sids_poller(l), v->arg);
}

void
sids_each(const struct sids *t, void (*f)(struct poller *, void *arg),
    void *arg)
{
	struct sids_visit v = { f, arg };

	hashtab_each(&t->table, sids_visit_one, &v);
}
