/*
 * A key that checks signatures: a shared secret or a public key, loaded once
 * and used many times, by OpenSSL's EVP functions.  The key's own type says
 * which schemes it serves; a caller cannot talk it into another.  Any process;
 * no I/O, no clock.  OpenSSL's error queue is left as it was found, so that
 * code which reads it elsewhere (TLS) is not misled.
 */
#ifndef BASE_PKEY_H
#define BASE_PKEY_H

#include "base/bug.h"
#include "base/slice.h"

#define PKEY_SECRET_MIN	32	/* bytes of a shared secret (RFC 7518, 3.2) */
#define PKEY_RSA_MIN	2048	/* bits of an RSA modulus (RFC 7518, 3.3) */
#define PKEY_HMAC_MAX	64	/* bytes of the longest HMAC */

enum pkey_type {
	PKEY_SECRET,
	PKEY_RSA,
	PKEY_P256, PKEY_P384, PKEY_P521,
	PKEY_ED25519
};

enum pkey_scheme {
	PKEY_HMAC,	/* RFC 2104 */
	PKEY_PKCS1,	/* RSASSA-PKCS1-v1_5 (RFC 8017, 8.2) */
	PKEY_PSS,	/* RSASSA-PSS (8.1), salt as long as the digest */
	PKEY_ECDSA,	/* r || s, each as long as the field (RFC 7518, 3.4) */
	PKEY_EDDSA	/* Ed25519 (RFC 8032); the digest is not looked at */
};

enum pkey_digest { PKEY_SHA256, PKEY_SHA384, PKEY_SHA512 };

struct pkey;

/*
 * Each returns a key, or NULL with *why set to a static text made for the
 * operator.  Nothing is kept of what was given.
 */

/* A shared secret.  Texts and encodings of public or private keys (PEM, SSH,
 * DER) are refused: they are no secrets. */
struct pkey *pkey_secret(struct slice, const char **why) MUST_USE;
/* PEM text with a public key (SubjectPublicKeyInfo or PKCS#1) or a certificate
 * (the first of a chain): RSA, EC (P-256, P-384, P-521) or Ed25519. */
struct pkey *pkey_pem(struct slice, const char **why) MUST_USE;
/* Modulus and exponent, big-endian. */
struct pkey *pkey_rsa(struct slice n, struct slice e, const char **why)
	    MUST_USE;
/* A point on PKEY_P256, _P384 or _P521; x and y as long as the field. */
struct pkey *pkey_ec(enum pkey_type curve, struct slice x, struct slice y,
	    const char **why) MUST_USE;
/* The 32 bytes of RFC 8032. */
struct pkey *pkey_ed25519(struct slice x, const char **why) MUST_USE;
void	pkey_free(struct pkey **);

enum pkey_type pkey_type(const struct pkey *);
/* May this key check signatures of that kind?  A curve serves its own digest
 * only: P-256 SHA-256, P-384 SHA-384, P-521 SHA-512. */
bool	pkey_serves(const struct pkey *, enum pkey_scheme, enum pkey_digest);
/* True only if the key serves the kind and sig is its signature of data.
 * HMACs are compared in constant time. */
bool	pkey_verify(const struct pkey *, enum pkey_scheme, enum pkey_digest,
	    struct slice data, struct slice sig) MUST_USE;
/* The HMAC of data by a PKEY_SECRET: bytes written, or 0 when out of memory
 * or when the key is of another type. */
size_t	pkey_hmac(const struct pkey *, enum pkey_digest, struct slice data,
	    uint8_t out[PKEY_HMAC_MAX]) MUST_USE;

#endif
