/*
 * Sessions by sid; see sids.h.  Called by session.c as they come and go, by
 * fanout.c for audiences, and by whoever was told a sid.
 */
#include "hub/audience/sids.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/hub_int.h"

struct sid_table {
	struct hashtab	 table;
};

static uint64_t
sid_hash(const struct hub *h, struct slice sid)
{
	return (hash_bytes(&h->key, sid));
}

static struct session *
sid_session(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l,
	    struct session, by_sid));
}

static uint64_t
sid_hash_of(const void *arg, const struct hashtab_link *l)
{
	return (sid_hash(arg, session_sid(sid_session(l))));
}

struct sid_table *
sid_table_new(const struct hub *h)
{
	struct sid_table *t = calloc(1, sizeof *t);

	if (t != NULL)
		hashtab_init(&t->table, sid_hash_of, h);
	return (t);
}

void
sid_table_free(struct hub *h)
{
	struct sid_table *t = h->sids;

	if (t == NULL)
		return;
	hashtab_fini(&t->table);
	free(t);
	h->sids = NULL;
}

size_t
sid_count(const struct hub *h)
{
	return (h->sids->table.count);
}

void
sid_make(struct hub *h, char *sid)
{
	uint8_t rnd[15];

	h->ports.random(h->ports.host, rnd, sizeof rnd);
	(void)digest_base64url_encode(slice_of(rnd, sizeof rnd),
	    (uint8_t *)sid);
}

void
sid_add(struct hub *h, struct session *s)
{
	if (s->sid[0] == '\0')
		sid_make(h, s->sid);
	hashtab_insert(&h->sids->table, sid_hash(h, session_sid(s)),
	    &s->by_sid);
}

void
sid_remove(struct hub *h, struct session *s)
{
	hashtab_remove(&h->sids->table, sid_hash(h, session_sid(s)),
	    &s->by_sid);
}

struct session *
sid_find(struct hub *h, struct slice sid)
{
	const struct hashtab_link *l;

	if (sid.n != SESSION_SID_LEN)
		return (NULL);
	for (l = hashtab_chain(&h->sids->table, sid_hash(h, sid)); l != NULL;
	    l = l->next)
		if (slice_eq(session_sid(sid_session(l)), sid))
			return (sid_session(l));
	return (NULL);
}
