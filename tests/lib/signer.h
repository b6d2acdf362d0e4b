/*
 * The other half of base/key/pkey.h, for tests: keys made on the spot, signatures
 * in the form that JOSE uses, and the public halves in every form we load.
 * Any failure ends the test.
 */
#ifndef TESTS_LIB_SIGNER_H
#define TESTS_LIB_SIGNER_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/key/pkey.h"

#define SIGNER_MAX	2048	/* bytes of a signature: RSA of 16384 bits */

EVP_PKEY *signer_rsa(unsigned bits);
EVP_PKEY *signer_ec(const char *group);		/* "P-256" */
EVP_PKEY *signer_new(const char *type);		/* "ED25519" */

/* Signature bytes written; salt_len is for PKEY_PSS, -1 the digest's length. */
size_t	signer_sign(EVP_PKEY *, enum pkey_scheme, enum pkey_digest,
	    int salt_len, struct slice data, uint8_t out[SIGNER_MAX]);

/* The public half, appended. */
void	signer_pem(EVP_PKEY *, struct buf *);
void	signer_pkcs1(EVP_PKEY *, struct buf *);	/* RSA PUBLIC KEY */
void	signer_cert(EVP_PKEY *, struct buf *);	/* self-signed */
void	signer_der(EVP_PKEY *, struct buf *);
/* extra: further members, as JSON text that starts with a comma, or "" */
void	signer_jwk(EVP_PKEY *, const char *extra, struct buf *);
/* The private half, PEM; with a passphrase unless NULL. */
void	signer_private_pem(EVP_PKEY *, const char *passphrase, struct buf *);

/* Numbers of a public key, big-endian: RSA "n", "e"; EC "qx", "qy" (as long
 * as the field); Ed25519 "pub". */
size_t	signer_number(EVP_PKEY *, const char *name, uint8_t out[SIGNER_MAX]);

/* base64url of in, appended. */
void	signer_base64url(struct buf *, struct slice in);

#endif
