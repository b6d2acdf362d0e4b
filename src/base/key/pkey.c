/*
 * Keys and signatures through OpenSSL 3's EVP.  Parsing a key costs far more
 * than using it, so it is done once; an HMAC key is kept as contexts that
 * have already absorbed it, one per digest.  Every call into OpenSSL that may
 * fail runs between ERR_set_mark() and ERR_pop_to_mark().
 */
#include "base/key/pkey_int.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <limits.h>
#include <stdlib.h>

static const struct pkey_curve curves[] = {
	{ PKEY_P256, PKEY_SHA256, SN_X9_62_prime256v1, 32 },
	{ PKEY_P384, PKEY_SHA384, SN_secp384r1, 48 },
	{ PKEY_P521, PKEY_SHA512, SN_secp521r1, 66 },
};

static const char *const digest_names[] = {
	[PKEY_SHA256] = "SHA256",
	[PKEY_SHA384] = "SHA384",
	[PKEY_SHA512] = "SHA512",
};

const struct pkey_curve *
pkey_curve_of(enum pkey_type type)
{
	size_t i;

	for (i = 0; i < nitems(curves); i++)
		if (curves[i].type == type)
			return (&curves[i]);
	return (NULL);
}

const struct pkey_curve *
pkey_curve_named(const char *group)
{
	size_t i;

	for (i = 0; i < nitems(curves); i++)
		if (strcmp(group, curves[i].group) == 0)
			return (&curves[i]);
	return (NULL);
}

struct pkey *
pkey_new(enum pkey_type type, const char **why)
{
	struct pkey *k = calloc(1, sizeof *k);

	if (k == NULL) {
		*why = "out of memory";
		return (NULL);
	}
	k->magic = PKEY_MAGIC;
	k->type = type;
	return (k);
}

void
pkey_free(struct pkey **kp)
{
	struct pkey *k = *kp;
	size_t i;

	if (k == NULL)
		return;
	CHECK_MAGIC(k, PKEY_MAGIC);
	EVP_PKEY_free(k->public);
	for (i = 0; i < nitems(k->hmac); i++)
		EVP_MAC_CTX_free(k->hmac[i]);
	k->magic = 0;
	free(k);
	*kp = NULL;
}

enum pkey_type
pkey_type(const struct pkey *k)
{
	CHECK_MAGIC(k, PKEY_MAGIC);
	return (k->type);
}

/* --- shared secrets ------------------------------------------------------ */

/* The bytes are some DER public key or certificate, from start to end. */
static bool
pkey_is_der(struct slice s)
{
	const unsigned char *p = s.p;
	EVP_PKEY *key;
	X509 *cert;
	bool whole;

	if (s.n > LONG_MAX)
		return (false);
	key = d2i_PUBKEY(NULL, &p, (long)s.n);
	whole = key != NULL && p == s.p + s.n;
	EVP_PKEY_free(key);
	if (whole)
		return (true);
	p = s.p;
	cert = d2i_X509(NULL, &p, (long)s.n);
	whole = cert != NULL && p == s.p + s.n;
	X509_free(cert);
	return (whole);
}

/*
 * A public key that is handed in as a secret would let anybody sign: the
 * mistake behind the "algorithm confusion" attacks.
 */
static bool
pkey_is_public(struct slice s)
{
	static const char begin[] = "-----BEGIN ";

	if (memmem(s.p, s.n, begin, sizeof begin - 1) != NULL)
		return (true);
	if (slice_starts(s, SLICE("ssh-")) ||
	    slice_starts(s, SLICE("ecdsa-sha2-")) ||
	    slice_starts(s, SLICE("sk-ssh-")) ||
	    slice_starts(s, SLICE("sk-ecdsa-")))
		return (true);
	return (pkey_is_der(s));
}

static EVP_MAC_CTX *
pkey_hmac_new(struct slice secret, enum pkey_digest digest)
{
	OSSL_PARAM params[2];
	char name[sizeof "SHA256"];
	EVP_MAC_CTX *ctx = NULL;
	EVP_MAC *mac;

	/* a parameter's text may be written to, says its type */
	memcpy(name, digest_names[digest], sizeof name);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    name, 0);
	params[1] = OSSL_PARAM_construct_end();
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (mac != NULL)
		ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);	/* the context holds its own reference */
	if (ctx != NULL && EVP_MAC_init(ctx, secret.p, secret.n, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return (ctx);
}

struct pkey *
pkey_secret(struct slice secret, const char **why)
{
	struct pkey *k;
	size_t i;
	bool public;

	if (secret.n < PKEY_SECRET_MIN) {
		*why = "secret is shorter than 32 bytes";
		return (NULL);
	}
	(void)ERR_set_mark();
	public = pkey_is_public(secret);
	(void)ERR_pop_to_mark();
	if (public) {
		*why = "secret is the text of a key, which is not a secret";
		return (NULL);
	}
	k = pkey_new(PKEY_SECRET, why);
	if (k == NULL)
		return (NULL);
	(void)ERR_set_mark();
	for (i = 0; i < nitems(k->hmac); i++) {
		k->hmac[i] = pkey_hmac_new(secret, (enum pkey_digest)i);
		if (k->hmac[i] == NULL)
			break;
	}
	(void)ERR_pop_to_mark();
	if (i < nitems(k->hmac)) {
		*why = "OpenSSL offers no HMAC";
		pkey_free(&k);
	}
	return (k);
}

/* --- use ----------------------------------------------------------------- */

bool
pkey_serves(const struct pkey *k, enum pkey_scheme scheme,
    enum pkey_digest digest)
{
	const struct pkey_curve *c;

	CHECK_MAGIC(k, PKEY_MAGIC);
	switch (scheme) {
	case PKEY_HMAC:
		return (k->type == PKEY_SECRET);
	case PKEY_PKCS1:
	case PKEY_PSS:
		return (k->type == PKEY_RSA);
	case PKEY_ECDSA:
		c = pkey_curve_of(k->type);
		return (c != NULL && c->digest == digest);
	case PKEY_EDDSA:
		return (k->type == PKEY_ED25519);
	}
	return (false);
}

size_t
pkey_hmac(const struct pkey *k, enum pkey_digest digest, struct slice data,
    uint8_t out[PKEY_HMAC_MAX])
{
	EVP_MAC_CTX *ctx;
	size_t n = 0;

	CHECK_MAGIC(k, PKEY_MAGIC);
	if (k->type != PKEY_SECRET)
		return (0);
	(void)ERR_set_mark();
	ctx = EVP_MAC_CTX_dup(k->hmac[digest]);
	if (ctx == NULL || EVP_MAC_update(ctx, data.p, data.n) != 1 ||
	    EVP_MAC_final(ctx, out, &n, PKEY_HMAC_MAX) != 1)
		n = 0;
	EVP_MAC_CTX_free(ctx);
	(void)ERR_pop_to_mark();
	return (n);
}

static bool
pkey_hmac_verify(const struct pkey *k, enum pkey_digest digest,
    struct slice data, struct slice sig)
{
	uint8_t mac[PKEY_HMAC_MAX];
	size_t n = pkey_hmac(k, digest, data, mac);

	return (n != 0 && sig.n == n && CRYPTO_memcmp(mac, sig.p, n) == 0);
}

/*
 * A DER INTEGER from a big-endian number without sign; 0 if the number is
 * zero, which neither r nor s may be.  Room for n + 3 bytes.
 */
static size_t
pkey_der_integer(struct slice v, uint8_t *out)
{
	size_t pad;

	while (v.n > 0 && v.p[0] == 0)
		v = slice_from(v, 1);
	if (v.n == 0)
		return (0);
	pad = v.p[0] >= 0x80;	/* would read as negative */
	out[0] = 0x02;
	out[1] = (uint8_t)(v.n + pad);
	out[2] = 0;
	memcpy(out + 2 + pad, v.p, v.n);
	return (2 + pad + v.n);
}

/* r || s to DER SEQUENCE { r, s } (RFC 3279, 2.2.3); 0 if it cannot be. */
static size_t
pkey_ecdsa_der(struct slice sig, size_t field, uint8_t out[2 * FIELD_MAX + 9])
{
	uint8_t body[2 * FIELD_MAX + 6];
	size_t r, s, head = 0;

	if (sig.n != 2 * field)
		return (0);
	r = pkey_der_integer(slice_of(sig.p, field), body);
	s = pkey_der_integer(slice_of(sig.p + field, field), body + r);
	if (r == 0 || s == 0)
		return (0);
	out[head++] = 0x30;
	if (r + s >= 0x80)
		out[head++] = 0x81;
	out[head++] = (uint8_t)(r + s);
	memcpy(out + head, body, r + s);
	return (head + r + s);
}

static bool
pkey_public_verify(EVP_PKEY *key, const char *digest, bool pss,
    struct slice data, struct slice sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;	/* belongs to ctx */
	bool ok;

	ok = ctx != NULL && EVP_DigestVerifyInit_ex(ctx, &pctx, digest, NULL,
	    NULL, key, NULL) == 1;
	if (ok && pss)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx,
		    RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
		    RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestVerify(ctx, sig.p, sig.n, data.p, data.n) == 1;
	EVP_MD_CTX_free(ctx);
	return (ok);
}

bool
pkey_verify(const struct pkey *k, enum pkey_scheme scheme,
    enum pkey_digest digest, struct slice data, struct slice sig)
{
	uint8_t der[2 * FIELD_MAX + 9];
	bool ok;

	if (!pkey_serves(k, scheme, digest) || sig.n == 0)
		return (false);
	if (scheme == PKEY_HMAC)
		return (pkey_hmac_verify(k, digest, data, sig));
	/* RFC 8017, 8.1.2 and 8.2.2: as long as the modulus, which not every
	 * OpenSSL asks when it begins with a zero */
	if ((scheme == PKEY_PSS || scheme == PKEY_PKCS1) &&
	    sig.n != (size_t)EVP_PKEY_get_size(k->public))
		return (false);
	if (scheme == PKEY_ECDSA) {
		sig = slice_of(der,
		    pkey_ecdsa_der(sig, pkey_curve_of(k->type)->field, der));
		if (sig.n == 0)
			return (false);
	}
	(void)ERR_set_mark();
	ok = pkey_public_verify(k->public,
	    scheme == PKEY_EDDSA ? NULL : digest_names[digest],
	    scheme == PKEY_PSS, data, sig);
	(void)ERR_pop_to_mark();
	return (ok);
}
