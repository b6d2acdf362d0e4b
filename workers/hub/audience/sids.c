/*
 * Sessions by sid; see sids.h.  Called by session.c as they come and go, by
 * fanout.c for audiences, and by whoever was told a sid.
 */
#include "hub/audience/sids.h"

#include <stdlib.h>

#include "base/digest.h"
#include "hub/hub_int.h"

struct sid_table {
	struct session	**buckets;
	size_t		 nbuckets;
	size_t		 count;
};

struct sid_table *
sid_table_new(void)
{
	return (calloc(1, sizeof(struct sid_table)));
}

void
sid_table_free(struct hub *h)
{
	struct sid_table *t = h->sids;

	if (t == NULL)
		return;
	MUST(t->count == 0);
	free(t->buckets);
	free(t);
	h->sids = NULL;
}

static struct session **
sid_bucket(const struct hub *h, struct slice sid)
{
	return (&h->sids->buckets[hash_bytes(&h->key, sid) &
	    (h->sids->nbuckets - 1)]);
}

static bool
sid_grow(struct hub *h)
{
	struct sid_table *t = h->sids;
	struct session **old = t->buckets, *s, *next, **b;
	size_t i, n = t->nbuckets;

	t->buckets = calloc(n == 0 ? 64 : n * 2, sizeof(struct session *));
	if (t->buckets == NULL) {
		t->buckets = old;
		return (n != 0);
	}
	t->nbuckets = n == 0 ? 64 : n * 2;
	for (i = 0; i < n; i++) {
		for (s = old[i]; s != NULL; s = next) {
			next = s->sid_next;
			b = sid_bucket(h, session_sid(s));
			s->sid_next = *b;
			*b = s;
		}
	}
	free(old);
	return (true);
}

size_t
sid_count(const struct hub *h)
{
	return (h->sids->count);
}

bool
sid_add(struct hub *h, struct session *s)
{
	uint8_t rnd[15];
	struct session **b;

	if (h->sids->count >= h->sids->nbuckets && !sid_grow(h))
		return (false);
	if (s->sid[0] == '\0') {
		h->ports.random(h->ports.host, rnd, sizeof rnd);
		(void)digest_base64url_encode(slice_of(rnd, sizeof rnd),
		    (uint8_t *)s->sid);
	}
	b = sid_bucket(h, session_sid(s));
	s->sid_next = *b;
	*b = s;
	h->sids->count++;
	return (true);
}

void
sid_remove(struct hub *h, struct session *s)
{
	struct session **pp = sid_bucket(h, session_sid(s));

	while (*pp != s)
		pp = &(*pp)->sid_next;
	*pp = s->sid_next;
	h->sids->count--;
}

struct session *
sid_find(struct hub *h, struct slice sid)
{
	struct session *s;

	if (sid.n != SESSION_SID_LEN || h->sids->nbuckets == 0)
		return (NULL);
	for (s = *sid_bucket(h, sid); s != NULL; s = s->sid_next)
		if (slice_eq(session_sid(s), sid))
			return (s);
	return (NULL);
}
