/*
 * Public keys, from PEM and from the numbers of a JWK; see pkey.h.  Every call into
 * OpenSSL that may fail runs between ERR_set_mark() and ERR_pop_to_mark().
 */
#include "base/key/pkey_int.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#define PEM_MAX		(1 << 20)

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
	const struct pkey_curve *c = NULL;
	char group[64];

	if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1)
		c = pkey_curve_named(group);
	if (c != NULL) {
		*type = c->type;
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
	const struct pkey_curve *c = pkey_curve_of(curve);
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
