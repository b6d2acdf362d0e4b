/*
 * Clients that wait; see waiter.h.  Called by keep.c, enter.c and page.c.
 */
#include "hub/store/waiter.h"

#include "hub/audience/sids.h"
#include "hub/store/store_int.h"

static uint64_t
waiter_hash(uint32_t serial)
{
	return (serial * UINT64_C(0x9e3779b97f4a7c15) >> 24);
}

static struct waiter *
waiter_at(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct waiter, by_client));
}

static uint64_t
waiter_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (waiter_hash(waiter_at(l)->serial));
}

void
waiter_table_init(struct hashtab *t)
{
	hashtab_init(t, waiter_hash_of, NULL);
}

void
waiter_begin(struct waiter *w, enum waiter_kind kind, const struct session *s,
    const struct ack *ack, uint8_t *raw)
{
	w->kind = kind;
	w->serial = s->client->serial;
	memcpy(w->sid, s->sid, sizeof w->sid);
	w->ack = *ack;
	if (ack->raw.n != 0)
		memcpy(raw, ack->raw.p, ack->raw.n);
	w->ack.raw.p = raw;
	hashtab_insert(&s->hub->store->waiters, waiter_hash(w->serial),
	    &w->by_client);
}

void
waiter_end(struct hub *h, struct waiter *w)
{
	hashtab_remove(&h->store->waiters, waiter_hash(w->serial),
	    &w->by_client);
}

struct session *
waiter_session(struct hub *h, const struct waiter *w)
{
	struct session *s = sid_find(h, slice_of(w->sid, sizeof w->sid));

	return (s == NULL || s->client == NULL ||
	    s->client->serial != w->serial || s->client->closing ? NULL : s);
}

struct waiter *
waiter_of(const struct hub *h, uint32_t serial, const struct waiter *before)
{
	const struct hashtab_link *l;

	l = before == NULL ? hashtab_chain(&h->store->waiters,
	    waiter_hash(serial)) : before->by_client.next;
	while (l != NULL && waiter_at(l)->serial != serial)
		l = l->next;
	return (l == NULL ? NULL : waiter_at(l));
}

bool
waiter_any(const struct hub *h, uint32_t serial)
{
	return (waiter_of(h, serial, NULL) != NULL);
}
