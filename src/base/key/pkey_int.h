/*
 * The inside of pkey.h: pkey.c (secrets, and the use of keys), pkey_read.c (public
 * keys).
 */
#ifndef BASE_KEY_PKEY_INT_H
#define BASE_KEY_PKEY_INT_H

#include <openssl/evp.h>

#include "base/key/pkey.h"

#define FIELD_MAX	66	/* bytes of a P-521 coordinate */

struct pkey {
	unsigned	 magic;
#define PKEY_MAGIC	0x9ce7a5e1
	enum pkey_type	 type;
	EVP_PKEY	*public;	/* NULL for a PKEY_SECRET */
	EVP_MAC_CTX	*hmac[3];	/* PKEY_SECRET: keyed, by pkey_digest */
};

/* The curves: where their names and sizes are written down. */
struct pkey_curve {
	enum pkey_type	 type;
	enum pkey_digest digest;	/* the only one it serves */
	const char	*group;		/* as OpenSSL calls it */
	size_t		 field;		/* bytes of a coordinate, of r, of s */
};
/* Of this kind of key, or that OpenSSL calls so; NULL: there is none. */
const struct pkey_curve *pkey_curve_of(enum pkey_type);
const struct pkey_curve *pkey_curve_named(const char *group);

/* NULL: *why says that there is no memory. */
struct pkey *pkey_new(enum pkey_type, const char **why);

#endif
