/*
 * JSON Web Key Sets, by jansson: which members each key type has, and what
 * to pass over.  What a key must be to be fit for use is for pkey.c to say.
 */
#include "proto/jwk.h"

#include "base/digest.h"

#include <jansson.h>

#define DIGITS_MAX	2732	/* of a member: an RSA modulus of 16384 bits */

struct member {
	struct slice	 bytes;
	uint8_t		 room[3 * (DIGITS_MAX / 4) + 2];
};

/* A JSON string's bytes: jansson refuses \u0000, so the first NUL ends them. */
static struct slice
jwk_string_of(const json_t *value)
{
	return (slice_str(json_string_value(value)));
}

/* A base64url member; *why is set when it is absent, bad or too long. */
static bool
jwk_member_get(const json_t *jwk, const char *name, struct member *m,
    const char **why)
{
	const json_t *value = json_object_get(jwk, name);
	ssize_t n = -1;

	if (json_is_string(value) &&
	    jwk_string_of(value).n <= DIGITS_MAX)
		n = digest_base64url_decode(jwk_string_of(value), m->room);
	if (n < 0)
		*why = "JWK member is missing or not base64url";
	else
		m->bytes = slice_of(m->room, (size_t)n);
	return (n >= 0);
}

static bool
jwk_member_is(const json_t *jwk, const char *name, const char *text)
{
	const json_t *value = json_object_get(jwk, name);

	return (json_is_string(value) &&
	    slice_eq(jwk_string_of(value), slice_str(text)));
}

/*
 * One function per key type: the key; or NULL, *why NULL if the key is to be
 * passed over.
 */
static struct pkey *
jwk_rsa(const json_t *jwk, const char **why)
{
	struct member n, e;

	if (!jwk_member_get(jwk, "n", &n, why) ||
	    !jwk_member_get(jwk, "e", &e, why))
		return (NULL);
	return (pkey_rsa(n.bytes, e.bytes, why));
}

static struct pkey *
jwk_ec(const json_t *jwk, const char **why)
{
	enum pkey_type curve;
	struct member x, y;

	if (jwk_member_is(jwk, "crv", "P-256"))
		curve = PKEY_P256;
	else if (jwk_member_is(jwk, "crv", "P-384"))
		curve = PKEY_P384;
	else if (jwk_member_is(jwk, "crv", "P-521"))
		curve = PKEY_P521;
	else
		return (NULL);
	if (!jwk_member_get(jwk, "x", &x, why) ||
	    !jwk_member_get(jwk, "y", &y, why))
		return (NULL);
	return (pkey_ec(curve, x.bytes, y.bytes, why));
}

static struct pkey *
jwk_okp(const json_t *jwk, const char **why)
{
	struct member x;

	if (!jwk_member_is(jwk, "crv", "Ed25519"))
		return (NULL);
	if (!jwk_member_get(jwk, "x", &x, why))
		return (NULL);
	return (pkey_ed25519(x.bytes, why));
}

static struct pkey *
jwk_oct(const json_t *jwk, const char **why)
{
	struct pkey *key = NULL;
	struct member k;

	if (jwk_member_get(jwk, "k", &k, why))
		key = pkey_secret(k.bytes, why);
	explicit_bzero(k.room, sizeof k.room);
	return (key);
}

static const struct key_type {
	const char	*kty;
	struct pkey	*(*load)(const json_t *, const char **why);
} key_types[] = {
	{ "RSA", jwk_rsa },
	{ "EC", jwk_ec },
	{ "OKP", jwk_okp },
	{ "oct", jwk_oct },
};

/* RFC 7517, 4.2 and 4.3: is it meant for checking signatures? */
static bool
jwk_for_signatures(const json_t *jwk)
{
	const json_t *ops = json_object_get(jwk, "key_ops");
	size_t i;

	if (json_object_get(jwk, "use") != NULL &&
	    !jwk_member_is(jwk, "use", "sig"))
		return (false);
	if (ops == NULL)
		return (true);
	for (i = 0; i < json_array_size(ops); i++)
		if (slice_eq(jwk_string_of(json_array_get(ops, i)),
		    SLICE("verify")))
			return (true);
	return (false);
}

static struct pkey *
jwk_load(const json_t *jwk, const char **why)
{
	size_t i;

	*why = NULL;
	if (!json_is_string(json_object_get(jwk, "kty"))) {
		*why = "not a JWK: no \"kty\"";
		return (NULL);
	}
	if (!jwk_for_signatures(jwk))
		return (NULL);
	for (i = 0; i < nitems(key_types); i++)
		if (jwk_member_is(jwk, "kty", key_types[i].kty))
			return (key_types[i].load(jwk, why));
	return (NULL);
}

/* An optional text member. */
static bool
jwk_text_get(const json_t *jwk, const char *name, struct slice *out,
    const char **why)
{
	const json_t *value = json_object_get(jwk, name);

	*out = jwk_string_of(value);
	if (value == NULL || json_is_string(value))
		return (true);
	*why = "\"kid\" and \"alg\" of a JWK must be strings";
	return (false);
}

/* Who is to hear of keys. */
struct hearers {
	int		(*add)(void *, struct jwk *, const char **);
	void		*arg;
	void		(*bad)(void *, unsigned, const char *);
	void		*bad_arg;
};

/* 1: taken, 0: passed over, -1: add wants no more */
static int
jwk_read_one(const json_t *jwk, unsigned at, const struct hearers *h,
    const char **why)
{
	const char *wrong = NULL;
	struct jwk out;

	if (jwk_text_get(jwk, "kid", &out.kid, &wrong) &&
	    jwk_text_get(jwk, "alg", &out.alg, &wrong)) {
		out.pkey = jwk_load(jwk, &wrong);
		if (out.pkey != NULL)
			return (h->add(h->arg, &out, why));
	}
	if (wrong != NULL && h->bad != NULL)
		h->bad(h->bad_arg, at, wrong);
	return (0);
}

static int
jwk_read_each(const json_t *keys, const struct hearers *h, const char **why)
{
	int taken = 0, got;
	size_t i;

	for (i = 0; i < json_array_size(keys); i++) {
		got = jwk_read_one(json_array_get(keys, i), (unsigned)i, h,
		    why);
		if (got < 0)
			return (-1);
		taken += got;
	}
	return (taken);
}

int
jwk_set(struct slice json, int (*add)(void *arg, struct jwk *,
    const char **why), void *arg,
    void (*bad)(void *arg, unsigned at, const char *why), void *bad_arg,
    const char **why)
{
	const struct hearers h = { add, arg, bad, bad_arg };
	json_t *root = json_loadb((const char *)json.p, json.n,
	    JSON_REJECT_DUPLICATES, NULL);
	const json_t *keys = json_object_get(root, "keys");
	int n = -1;

	*why = "not a JWK Set";
	if (json_is_array(keys))
		n = jwk_read_each(keys, &h, why);
	else if (keys == NULL && json_object_get(root, "kty") != NULL)
		n = jwk_read_one(root, 0, &h, why);
	json_decref(root);
	return (n);
}
