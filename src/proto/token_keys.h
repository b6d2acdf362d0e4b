/*
 * What token.c asks of the table of keys: which algorithm is which, and
 * whether some key that may answers for a signature.  The rest of the table's
 * interface is in token.h.
 */
#ifndef PROTO_TOKEN_KEYS_H
#define PROTO_TOKEN_KEYS_H

#include "base/key/pkey.h"
#include "proto/token.h"

/* RFC 7518, 3.1 and RFC 8037, 3.1: what an algorithm's name stands for. */
struct token_alg_info {
	const char	*name;
	enum pkey_scheme scheme;
	enum pkey_digest digest;
};
extern const struct token_alg_info token_algs[TOKEN_ALG__MAX];

/*
 * Is sig the signature of data by a key of that kid?  kid empty: the token
 * names none.
 * returns  AUTH_OK, or algorithm (not allowed, or the key serves another),
 *          unknown_key, signature
 */
enum authfail token_keys_verify(const struct token_keys *, enum token_alg,
	    struct slice kid, struct slice data, struct slice sig) MUST_USE;

#endif
