/*
 * Keys and signatures for tests, by OpenSSL.
 */
#include "tests/lib/signer.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "tests/lib/check.h"

static const char *const digests[] = {
	[PKEY_SHA256] = "SHA256",
	[PKEY_SHA384] = "SHA384",
	[PKEY_SHA512] = "SHA512",
};

EVP_PKEY *
signer_rsa(unsigned bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);

	assert_non_null(key);
	return (key);
}

EVP_PKEY *
signer_ec(const char *group)
{
	/* EVP_EC_gen() casts const away, which newer compilers see */
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group);

	assert_non_null(key);
	return (key);
}

EVP_PKEY *
signer_new(const char *type)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, type);

	assert_non_null(key);
	return (key);
}

/* DER SEQUENCE { r, s } to r || s, each as long as the field */
static size_t
ecdsa_raw(EVP_PKEY *key, size_t der_len, uint8_t *sig)
{
	int field = (EVP_PKEY_get_bits(key) + 7) / 8;
	const unsigned char *p = sig;
	ECDSA_SIG *rs = d2i_ECDSA_SIG(NULL, &p, (long)der_len);

	assert_non_null(rs);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, field), field);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + field, field),
	    field);
	ECDSA_SIG_free(rs);
	return (2 * (size_t)field);
}

size_t
signer_sign(EVP_PKEY *key, enum pkey_scheme scheme, enum pkey_digest digest,
    int salt_len, struct slice data, uint8_t out[SIGNER_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	size_t n = SIGNER_MAX;

	assert_non_null(ctx);
	assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx,
	    scheme == PKEY_EDDSA ? NULL : digests[digest], NULL, NULL, key,
	    NULL), 1);
	if (scheme == PKEY_PSS) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx,
		    RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
		    salt_len), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, out, &n, data.p, data.n), 1);
	EVP_MD_CTX_free(ctx);
	return (scheme == PKEY_ECDSA ? ecdsa_raw(key, n, out) : n);
}

static void
take_bio(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	assert_true(n > 0);
	buf_append(out, p, (size_t)n);
	BIO_free(bio);
}

static void
encode_as(EVP_PKEY *key, const char *format, const char *structure,
    struct buf *out)
{
	OSSL_ENCODER_CTX *ctx = OSSL_ENCODER_CTX_new_for_pkey(key,
	    EVP_PKEY_PUBLIC_KEY, format, structure, NULL);
	BIO *bio = BIO_new(BIO_s_mem());

	assert_non_null(ctx);
	assert_int_equal(OSSL_ENCODER_to_bio(ctx, bio), 1);
	OSSL_ENCODER_CTX_free(ctx);
	take_bio(bio, out);
}

void
signer_pem(EVP_PKEY *key, struct buf *out)
{
	encode_as(key, "PEM", "SubjectPublicKeyInfo", out);
}

void
signer_pkcs1(EVP_PKEY *key, struct buf *out)
{
	encode_as(key, "PEM", "pkcs1", out);
}

void
signer_der(EVP_PKEY *key, struct buf *out)
{
	encode_as(key, "DER", "SubjectPublicKeyInfo", out);
}

void
signer_cert(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *cert = X509_new();

	assert_non_null(cert);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 60));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key,
	    EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	X509_free(cert);
	take_bio(bio, out);
}

void
signer_private_pem(EVP_PKEY *key, const char *passphrase, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
	    passphrase == NULL ? NULL : EVP_aes_128_cbc(), passphrase,
	    passphrase == NULL ? 0 : (int)strlen(passphrase), NULL, NULL), 1);
	take_bio(bio, out);
}

size_t
signer_number(EVP_PKEY *key, const char *name, uint8_t out[SIGNER_MAX])
{
	BIGNUM *bn = NULL;
	size_t n = 0;
	int len;

	if (EVP_PKEY_is_a(key, "ED25519")) {
		n = SIGNER_MAX;
		assert_int_equal(EVP_PKEY_get_raw_public_key(key, out, &n), 1);
		return (n);
	}
	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &bn), 1);
	len = EVP_PKEY_is_a(key, "EC") ? (EVP_PKEY_get_bits(key) + 7) / 8 :
	    BN_num_bytes(bn);
	assert_int_equal(BN_bn2binpad(bn, out, len), len);
	BN_free(bn);
	return ((size_t)len);
}

void
signer_base64url(struct buf *out, struct slice in)
{
	assert_true(buf_reserve(out, 4 * ((in.n + 2) / 3)));
	out->wpos += digest_base64url_encode(in, out->data + out->wpos);
}

static void
jwk_member(EVP_PKEY *key, const char *member, const char *number,
    struct buf *out)
{
	uint8_t bytes[SIGNER_MAX];

	buf_printf(out, ",\"%s\":\"", member);
	signer_base64url(out,
	    slice_of(bytes, signer_number(key, number, bytes)));
	buf_str(out, "\"");
}

void
signer_jwk(EVP_PKEY *key, const char *extra, struct buf *out)
{
	if (EVP_PKEY_is_a(key, "RSA")) {
		buf_str(out, "{\"kty\":\"RSA\"");
		jwk_member(key, "n", OSSL_PKEY_PARAM_RSA_N, out);
		jwk_member(key, "e", OSSL_PKEY_PARAM_RSA_E, out);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"P-%d\"",
		    EVP_PKEY_get_bits(key));
		jwk_member(key, "x", OSSL_PKEY_PARAM_EC_PUB_X, out);
		jwk_member(key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, out);
	} else {
		buf_str(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"");
		jwk_member(key, "x", "", out);
	}
	buf_printf(out, "%s}", extra);
}
