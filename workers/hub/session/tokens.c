/*
 * See tokens.h.  A principal that has an id is in the index from when it is
 * made, or comes from another worker, until it is freed.
 */
#include "hub/session/tokens.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/session/principal.h"
#include "shm/table_revoked.h"

struct tokens {
	struct hashtab	 by_id;
	uint64_t	 looks;		/* that were asked for */
	uint32_t	 at, left;	/* places of the table: the look that
					 * goes on, and how far */
};

/* The link is its first. */
static const struct principal_token *
tokens_of(const struct hashtab_link *link)
{
	static_assert(offsetof(struct principal_token, link) == 0, "first");
	return ((const struct principal_token *)(const void *)link);
}

static uint64_t
tokens_hash_of(const void *arg, const struct hashtab_link *link)
{
	(void)arg;
	return (tokens_of(link)->id);
}

struct tokens *
tokens_new(const struct segment *seg)
{
	struct tokens *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	hashtab_init(&t->by_id, tokens_hash_of, NULL);
	if (seg != NULL)
		t->looks = revoked_looks(seg);
	return (t);
}

void
tokens_free(struct hub *h)
{
	if (h->tokens == NULL)
		return;
	hashtab_fini(&h->tokens->by_id);
	free(h->tokens);
	h->tokens = NULL;
}

bool
tokens_name(struct hub *h, struct principal *p, struct slice jti)
{
	if (jti.n == 0 || h->segment == NULL)
		return (true);
	if (!principal_set_token(p, revoked_id(h->segment, REVOKED_TOKEN,
	    jti)))
		return (false);
	tokens_add(h, p);
	return (true);
}

void
tokens_add(struct hub *h, struct principal *p)
{
	struct principal_token *t = p == NULL ? NULL : p->token;

	if (t == NULL || t->in != NULL)
		return;
	t->in = &h->tokens->by_id;
	hashtab_insert(t->in, t->id, &t->link);
}

bool
tokens_revoked(const struct hub *h, const struct principal *p)
{
	uint64_t now_s = h->wall.ms / 1000;

	if (p == NULL || h->segment == NULL ||
	    likely(!revoked_any(h->segment)))
		return (false);
	return (revoked_is(h->segment, revoked_id(h->segment, REVOKED_USER,
	    principal_user(p)), p->iat, now_s) || (p->token != NULL &&
	    revoked_is(h->segment, p->token->id, 0, now_s)));
}

/* One that goes on goes round once more: its end is never put off. */
void
tokens_look(struct hub *h)
{
	if (h->segment != NULL && revoked_any(h->segment))
		h->tokens->left = revoked_places(h->segment);
}

void
tokens_look_if_asked(struct hub *h)
{
	uint64_t looks;

	if (h->segment == NULL)
		return;
	looks = revoked_looks(h->segment);
	if (likely(looks == h->tokens->looks))
		return;
	h->tokens->looks = looks;
	tokens_look(h);
}

bool
tokens_looks(const struct hub *h)
{
	return (h->tokens->left != 0);
}

bool
tokens_look_next(struct hub *h, uint32_t *places, struct revoked_entry *e)
{
	struct tokens *t = h->tokens;
	uint32_t n = *places < t->left ? *places : t->left, left = n;
	bool found = n != 0 && revoked_next_in(h->segment, &t->at, &left,
	    h->wall.ms / 1000, e);

	t->left -= n - left;
	*places -= n - left;
	return (found);
}

static bool
tokens_has_user(struct slice names, struct slice user)
{
	size_t n;

	for (; names.n != 0; names = slice_from(names, n + 1)) {
		n = names.p[0];
		if (slice_eq(slice_of(names.p + 1, n), user))
			return (true);
	}
	return (false);
}

void
tokens_users(const struct hub *h, uint64_t id, struct buf *names)
{
	const struct hashtab_link *link;
	const struct principal_token *t;
	struct slice user;

	for (link = hashtab_chain(&h->tokens->by_id, id); link != NULL;
	    link = link->next) {
		t = tokens_of(link);
		user = principal_user(t->who);
		if (t->id != id || user.n > UINT8_MAX ||
		    tokens_has_user(buf_unread(names), user))
			continue;
		buf_byte(names, (uint8_t)user.n);
		buf_slice(names, user);
	}
}
