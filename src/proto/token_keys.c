/*
 * The keys that tokens may be signed with: a small table, filled at start
 * and read only afterwards.  A kid is looked up here and nowhere else; what
 * a key may be used for follows from its type, from its own "alg" if it came
 * as a JWK, and from what the operator allows.
 */
#include "proto/token_keys.h"

#include "proto/jwk.h"

#include <stdlib.h>

struct token_key {
	struct pkey	*pkey;
	uint8_t		*kid;	/* heap; NULL: none */
	size_t		 kid_len;
	uint32_t	 algs;	/* 1 << alg: serves and is allowed; not 0 */
};

struct token_keys {
	unsigned	 magic;
#define TOKEN_KEYS_MAGIC 0x70ce4e75
	uint32_t	 allowed;	/* 1 << alg */
	struct token_key *keys;		/* heap */
	unsigned	 n;		/* entries of keys */
};

/* clang-format off */
const struct token_alg_info token_algs[TOKEN_ALG__MAX] = {
	[TOKEN_HS256] = { "HS256", PKEY_HMAC,  PKEY_SHA256 },
	[TOKEN_HS384] = { "HS384", PKEY_HMAC,  PKEY_SHA384 },
	[TOKEN_HS512] = { "HS512", PKEY_HMAC,  PKEY_SHA512 },
	[TOKEN_RS256] = { "RS256", PKEY_PKCS1, PKEY_SHA256 },
	[TOKEN_RS384] = { "RS384", PKEY_PKCS1, PKEY_SHA384 },
	[TOKEN_RS512] = { "RS512", PKEY_PKCS1, PKEY_SHA512 },
	[TOKEN_PS256] = { "PS256", PKEY_PSS,   PKEY_SHA256 },
	[TOKEN_PS384] = { "PS384", PKEY_PSS,   PKEY_SHA384 },
	[TOKEN_PS512] = { "PS512", PKEY_PSS,   PKEY_SHA512 },
	[TOKEN_ES256] = { "ES256", PKEY_ECDSA, PKEY_SHA256 },
	[TOKEN_ES384] = { "ES384", PKEY_ECDSA, PKEY_SHA384 },
	[TOKEN_ES512] = { "ES512", PKEY_ECDSA, PKEY_SHA512 },
	[TOKEN_EDDSA] = { "EdDSA", PKEY_EDDSA, PKEY_SHA512 },
};
/* clang-format on */

int
token_alg_from(struct slice name)
{
	int i;

	for (i = 0; i < TOKEN_ALG__MAX; i++)
		if (slice_eq(name, slice_str(token_algs[i].name)))
			return (i);
	return (-1);
}

const char *
token_alg_name(enum token_alg alg)
{
	MUST(alg < TOKEN_ALG__MAX);
	return (token_algs[alg].name);
}

struct token_keys *
token_keys_new(uint32_t allowed)
{
	struct token_keys *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	t->magic = TOKEN_KEYS_MAGIC;
	t->allowed = allowed & ((1u << TOKEN_ALG__MAX) - 1);
	return (t);
}

/* Forget all but the first n keys. */
static void
keys_truncate_to(struct token_keys *t, unsigned n)
{
	while (t->n > n) {
		t->n--;
		pkey_free(&t->keys[t->n].pkey);
		free(t->keys[t->n].kid);
	}
}

void
token_keys_free(struct token_keys **tp)
{
	struct token_keys *t = *tp;

	if (t == NULL)
		return;
	CHECK_MAGIC(t, TOKEN_KEYS_MAGIC);
	keys_truncate_to(t, 0);
	free(t->keys);
	t->magic = 0;
	free(t);
	*tp = NULL;
}

unsigned
token_keys_count(const struct token_keys *t)
{
	CHECK_MAGIC(t, TOKEN_KEYS_MAGIC);
	return (t->n);
}

/* The algorithms among those allowed that a key serves. */
static uint32_t
keys_algs_of(const struct token_keys *t, const struct pkey *pkey)
{
	uint32_t algs = 0;
	unsigned i;

	for (i = 0; i < TOKEN_ALG__MAX; i++)
		if ((t->allowed & 1u << i) != 0 && pkey_serves(pkey,
		    token_algs[i].scheme, token_algs[i].digest))
			algs |= 1u << i;
	return (algs);
}

/* A copy of kid goes into the entry; false when memory is short. */
static bool
keys_set_kid(struct token_key *key, struct slice kid)
{
	key->kid_len = kid.n;
	if (kid.n == 0)
		return (true);
	key->kid = malloc(kid.n);
	if (key->kid != NULL)
		memcpy(key->kid, kid.p, kid.n);
	return (key->kid != NULL);
}

/* Takes over pkey, also when it fails. */
static int
keys_add(struct token_keys *t, struct slice kid, struct pkey *pkey,
    uint32_t algs, const char **why)
{
	struct token_key key = { .pkey = pkey, .algs = algs }, *keys;

	keys = reallocarray(t->keys, t->n + 1, sizeof *keys);
	if (keys != NULL)
		t->keys = keys;
	if (keys == NULL || !keys_set_kid(&key, kid)) {
		*why = "out of memory";
		pkey_free(&pkey);
		return (-1);
	}
	t->keys[t->n++] = key;
	return (0);
}

/* A key that the operator named: one that cannot be used is a mistake. */
static int
keys_add_named(struct token_keys *t, struct slice kid, struct pkey *pkey,
    const char **why)
{
	uint32_t algs;

	if (pkey == NULL)
		return (-1);
	algs = keys_algs_of(t, pkey);
	if (algs == 0) {
		*why = "none of the allowed algorithms can use this key";
		pkey_free(&pkey);
		return (-1);
	}
	return (keys_add(t, kid, pkey, algs, why));
}

int
token_keys_secret(struct token_keys *t, struct slice kid, struct slice secret,
    const char **why)
{
	CHECK_MAGIC(t, TOKEN_KEYS_MAGIC);
	return (keys_add_named(t, kid, pkey_secret(secret, why), why));
}

int
token_keys_pem(struct token_keys *t, struct slice kid, struct slice pem,
    const char **why)
{
	CHECK_MAGIC(t, TOKEN_KEYS_MAGIC);
	return (keys_add_named(t, kid, pkey_pem(pem, why), why));
}

/* One of a set: passed over when nothing we allow can use it. */
static int
keys_on_jwk(void *arg, struct jwk *jwk, const char **why)
{
	struct token_keys *t = arg;
	uint32_t algs = keys_algs_of(t, jwk->pkey);
	int alg;

	if (jwk->alg.n > 0) {
		alg = token_alg_from(jwk->alg);
		algs &= alg < 0 ? 0 : 1u << alg;
	}
	if (algs == 0) {
		pkey_free(&jwk->pkey);
		return (0);
	}
	return (keys_add(t, jwk->kid, jwk->pkey, algs, why) == 0 ? 1 : -1);
}

int
token_keys_jwks(struct token_keys *t, struct slice json,
    void (*bad)(void *arg, unsigned at, const char *why), void *arg,
    const char **why)
{
	unsigned before;
	int n;

	CHECK_MAGIC(t, TOKEN_KEYS_MAGIC);
	before = t->n;
	n = jwk_set(json, keys_on_jwk, t, bad, arg, why);
	if (n < 0)
		keys_truncate_to(t, before);
	return (n);
}

/*
 * Without a kid in the token: the keys without one, or the only key.  With
 * one: that key, or the only key if it has none.
 */
static bool
keys_is_meant(const struct token_keys *t, const struct token_key *key,
    struct slice kid)
{
	if (t->n == 1 && (kid.n == 0 || key->kid_len == 0))
		return (true);
	return (slice_eq(kid, slice_of(key->kid, key->kid_len)));
}

enum authfail
token_keys_verify(const struct token_keys *t, enum token_alg alg,
    struct slice kid, struct slice data, struct slice sig)
{
	const struct token_alg_info *info = &token_algs[alg];
	enum authfail fail = AUTHFAIL_unknown_key;
	const struct token_key *key;
	unsigned i;

	CHECK_MAGIC(t, TOKEN_KEYS_MAGIC);
	if ((t->allowed & 1u << alg) == 0)
		return (AUTHFAIL_algorithm);
	for (i = 0; i < t->n; i++) {
		key = &t->keys[i];
		if (!keys_is_meant(t, key, kid))
			continue;
		if ((key->algs & 1u << alg) == 0) {
			if (fail == AUTHFAIL_unknown_key)
				fail = AUTHFAIL_algorithm;
			continue;
		}
		if (pkey_verify(key->pkey, info->scheme, info->digest, data,
		    sig))
			return (AUTH_OK);
		fail = AUTHFAIL_signature;
	}
	return (fail);
}
