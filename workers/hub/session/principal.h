/*
 * Who is on a connection: what its token said that is still needed.  Shared
 * by the sessions that came with the same token; one allocation.
 */
#ifndef HUB_SESSION_PRINCIPAL_H
#define HUB_SESSION_PRINCIPAL_H

#include "base/bug.h"
#include "base/clock.h"
#include "base/hashtab.h"
#include "base/slice.h"

struct conf;
struct token_claims;

struct principal;

/* Of a token that has an id. */
struct principal_token {
	struct hashtab_link link;	/* session/tokens */
	struct hashtab	*in;		/* NULL: not yet */
	struct principal *who;
	uint64_t	 id;		/* see revoked_id() */
};

struct principal {
	unsigned	 magic;
#define PRINCIPAL_MAGIC	0x94147947
	uint32_t	 refs;
	int64_t		 exp;		/* unix seconds; 0: never */
	int64_t		 iat;		/* unix seconds; see REVOKED_NO_IAT */
	struct principal_token *token;	/* NULL: it has no id */
	uint32_t	 user_len;
	uint32_t	 json_len;	/* user as a raw JSON string */
	uint32_t	 roles_len;	/* roles, each followed by NUL */
	uint32_t	 claims_len;	/* JSON object of the claims that rules
					 * of the configuration ask for */
	char		 bytes[];	/* user, json, roles, claims */
};

/* NULL: no memory. */
struct principal *principal_new(const struct conf *,
	    const struct token_claims *) MUST_USE;
/* false: no memory. */
bool	principal_set_token(struct principal *, uint64_t id) MUST_USE;
/* The same as who (NULL: nobody), but with this user (empty: his own) and, where
 * roles is not NULL, these, each followed by NUL; iat: of one who was nobody.
 * Its token, where who has one with an id, is the caller's to name.  NULL: no
 * memory. */
struct principal *principal_other(const struct principal *who,
	    struct slice user, const struct slice *roles, int64_t iat) MUST_USE;
/* Who it is, and all that rules look at: bytes for a hash. */
static inline struct slice
principal_all(const struct principal *p)
{
	return (slice_of(p->bytes, (size_t)p->user_len + p->json_len +
	    p->roles_len + p->claims_len));
}
struct principal *principal_ref(struct principal *);
void	principal_unref(struct principal **);	/* NULL is fine */

static inline struct slice
principal_user(const struct principal *p)
{
	return (slice_of(p->bytes, p->user_len));
}

static inline struct slice
principal_user_json(const struct principal *p)
{
	return (slice_of(p->bytes + p->user_len, p->json_len));
}

/* Is it this user?  Nobody without a token is.  p may be NULL. */
static inline bool
principal_is(const struct principal *p, const struct principal *user)
{
	return (p != NULL && slice_eq(principal_user(p),
	    principal_user(user)));
}

/* Its token is over, whatever the clock of deadlines has got to. p may be
 * NULL. */
static inline bool
principal_is_over(const struct principal *p, uint64_t leeway_ms,
    struct wall now)
{
	return (p != NULL && p->exp != 0 &&
	    (uint64_t)p->exp * 1000 + leeway_ms <= now.ms);
}

/* Has any of these roles; an empty list asks for none. p may be NULL. */
bool	principal_has_role(const struct principal *, char *const *roles,
	    size_t nroles) MUST_USE;
/* One of its roles, by number; false: it has not so many. */
bool	principal_role(const struct principal *, size_t i, struct slice *role)
	    MUST_USE;
/* The raw JSON value of a claim; false: absent. p may be NULL. */
bool	principal_claim(const struct principal *, const char *name,
	    struct slice *value) MUST_USE;

#endif
