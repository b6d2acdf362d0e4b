/*
 * Keys and signatures through OpenSSL 3's EVP.  Parsing a key costs far more
 * than using it, so it is done once; an HMAC key is kept as contexts that
 * have already absorbed it, one per digest.  Every call into OpenSSL that may
 * fail runs between ERR_set_mark() and ERR_pop_to_mark().
 */
#include "base/key/pkey.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <limits.h>
#include <stdlib.h>

#define FIELD_MAX	66	/* bytes of a P-521 coordinate */
#define PEM_MAX		(1 << 20)

struct pkey {
	unsigned	 magic;
#define PKEY_MAGIC	0x9ce7a5e1
	enum pkey_type	 type;
	EVP_PKEY	*public;	/* NULL for a PKEY_SECRET */
	EVP_MAC_CTX	*hmac[3];	/* PKEY_SECRET: keyed, by pkey_digest */
};

/* The curves: where their names and sizes are written down. */
static const struct curve {
	enum pkey_type	 type;
	enum pkey_digest digest;	/* the only one it serves */
	const char	*group;		/* as OpenSSL calls it */
	size_t		 field;		/* bytes of a coordinate, of r, of s */
} curves[] = {
	{ PKEY_P256, PKEY_SHA256, SN_X9_62_prime256v1, 32 },
	{ PKEY_P384, PKEY_SHA384, SN_secp384r1, 48 },
	{ PKEY_P521, PKEY_SHA512, SN_secp521r1, 66 },
};

static const char *const digest_names[] = {
	[PKEY_SHA256] = "SHA256",
	[PKEY_SHA384] = "SHA384",
	[PKEY_SHA512] = "SHA512",
};

static const char no_memory[] = "out of memory";

static const struct curve *
pkey_curve_of(enum pkey_type type)
{
	size_t i;

	for (i = 0; i < nitems(curves); i++)
		if (curves[i].type == type)
			return (&curves[i]);
	return (NULL);
}

static struct pkey *
pkey_new(enum pkey_type type, const char **why)
{
	struct pkey *k = calloc(1, sizeof *k);

	if (k == NULL) {
		*why = no_memory;
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

/* --- public keys --------------------------------------------------------- */

static bool
pkey_rsa_ok(const EVP_PKEY *key, const char **why)
{
	if (EVP_PKEY_get_bits(key) >= PKEY_RSA_MIN)
		return (true);
	*why = "RSA key has fewer than 2048 bits";
	return (false);
}

static bool
pkey_ec_type(const EVP_PKEY *key, enum pkey_type *type, const char **why)
{
	char group[64];
	size_t i;

	if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1)
		for (i = 0; i < nitems(curves); i++)
			if (strcmp(group, curves[i].group) == 0) {
				*type = curves[i].type;
				return (true);
			}
	*why = "EC key is not on P-256, P-384 or P-521";
	return (false);
}

/* What kind of key it is, and whether it is fit for use. */
static bool
pkey_classify(EVP_PKEY *key, enum pkey_type *type, const char **why)
{
	EVP_PKEY_CTX *ctx;
	int ok;

	if (EVP_PKEY_is_a(key, "RSA")) {
		*type = PKEY_RSA;
		if (!pkey_rsa_ok(key, why))
			return (false);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		if (!pkey_ec_type(key, type, why))
			return (false);
	} else if (EVP_PKEY_is_a(key, "ED25519")) {
		*type = PKEY_ED25519;
	} else {
		*why = "key is not RSA, EC or Ed25519";
		return (false);
	}
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	ok = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!ok)
		*why = "public key does not pass OpenSSL's check";
	return (ok);
}

/* Takes over key, which may be NULL: *why then stays as the caller set it. */
static struct pkey *
pkey_wrap(EVP_PKEY *key, const char **why)
{
	struct pkey *k = NULL;
	enum pkey_type type;

	if (key != NULL && pkey_classify(key, &type, why))
		k = pkey_new(type, why);
	if (k == NULL)
		EVP_PKEY_free(key);
	else
		k->public = key;
	return (k);
}

/* Encrypted PEM: never ask on the terminal. */
static int
pkey_no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return (-1);
}

static EVP_PKEY *
pkey_pem_certificate(BIO *bio)
{
	X509 *cert = PEM_read_bio_X509(bio, NULL, pkey_no_passphrase, NULL);
	EVP_PKEY *key = NULL;

	if (cert != NULL)
		key = X509_get_pubkey(cert);
	X509_free(cert);
	return (key);
}

struct pkey *
pkey_pem(struct slice pem, const char **why)
{
	static const char cert[] = "-----BEGIN CERTIFICATE-----";
	static const char private[] = "PRIVATE KEY-----";
	struct pkey *k;
	EVP_PKEY *key;
	BIO *bio;

	if (pem.n == 0 || pem.n > PEM_MAX) {
		*why = "PEM text is empty or longer than 1 MiB";
		return (NULL);
	}
	if (memmem(pem.p, pem.n, private, sizeof private - 1) != NULL) {
		*why = "PEM text holds a private key: give the public one";
		return (NULL);
	}
	(void)ERR_set_mark();
	*why = "neither a PEM public key nor a PEM certificate";
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		key = NULL;
	else if (memmem(pem.p, pem.n, cert, sizeof cert - 1) != NULL)
		key = pkey_pem_certificate(bio);
	else
		key = PEM_read_bio_PUBKEY(bio, NULL, pkey_no_passphrase, NULL);
	k = pkey_wrap(key, why);
	BIO_free(bio);
	(void)ERR_pop_to_mark();
	return (k);
}

/* A public key from OpenSSL's named parameters, which this frees. */
static EVP_PKEY *
pkey_from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return (key);
}

static EVP_PKEY *
pkey_rsa_new(struct slice n, struct slice e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn_n = BN_bin2bn(n.p, (int)n.n, NULL);
	BIGNUM *bn_e = BN_bin2bn(e.p, (int)e.n, NULL);
	EVP_PKEY *key = NULL;

	if (bld != NULL && bn_n != NULL && bn_e != NULL &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1)
		key = pkey_from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn_n);
	BN_free(bn_e);
	return (key);
}

struct pkey *
pkey_rsa(struct slice n, struct slice e, const char **why)
{
	struct pkey *k;

	if (n.n == 0 || e.n == 0 ||
	    n.n > OPENSSL_RSA_MAX_MODULUS_BITS / 8 || e.n > n.n) {
		*why = "RSA modulus or exponent is too short or too long";
		return (NULL);
	}
	(void)ERR_set_mark();
	*why = "not an RSA public key";
	k = pkey_wrap(pkey_rsa_new(n, e), why);
	(void)ERR_pop_to_mark();
	return (k);
}

static EVP_PKEY *
pkey_ec_new(const char *group, struct slice point)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (bld != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
	    group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
	    point.p, point.n) == 1)
		key = pkey_from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return (key);
}

struct pkey *
pkey_ec(enum pkey_type curve, struct slice x, struct slice y, const char **why)
{
	const struct curve *c = pkey_curve_of(curve);
	uint8_t point[1 + 2 * FIELD_MAX];
	struct pkey *k;

	MUST(c != NULL);
	if (x.n != c->field || y.n != c->field) {
		*why = "EC coordinate has the wrong length for its curve";
		return (NULL);
	}
	point[0] = 0x04;		/* uncompressed (SEC 1, 2.3.3) */
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + x.n, y.p, y.n);
	(void)ERR_set_mark();
	*why = "EC point is not on its curve";
	k = pkey_wrap(pkey_ec_new(c->group, slice_of(point, 1 + x.n + y.n)),
	    why);
	(void)ERR_pop_to_mark();
	return (k);
}

struct pkey *
pkey_ed25519(struct slice x, const char **why)
{
	struct pkey *k;

	if (x.n != 32) {
		*why = "Ed25519 key is not 32 bytes long";
		return (NULL);
	}
	(void)ERR_set_mark();
	*why = "not an Ed25519 public key";
	k = pkey_wrap(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.p,
	    x.n), why);
	(void)ERR_pop_to_mark();
	return (k);
}

/* --- use ----------------------------------------------------------------- */

bool
pkey_serves(const struct pkey *k, enum pkey_scheme scheme,
    enum pkey_digest digest)
{
	const struct curve *c;

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
