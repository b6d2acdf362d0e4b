/*
 * JSON Web Key Sets (RFC 7517, RFC 7518 section 6, RFC 8037): text in, keys
 * out.  Read once at start, so it may allocate and may be slow.
 */
#ifndef PROTO_JWK_H
#define PROTO_JWK_H

#include "base/key/pkey.h"
#include "proto/codec.h"

struct jwk {
	struct slice	 kid;	/* empty: none */
	struct slice	 alg;	/* empty: whatever the key's type allows */
	struct pkey	*pkey;	/* becomes the receiver's */
};

/*
 * Hand each signature key of a set to add, in order; a bare key is a set of
 * one.  Passed over, as section 5 advises: key types and curves we do not
 * know, keys for other purposes ("use", "key_ops"); and those of a known type
 * that are broken or too weak, of which bad hears (bad_arg, place, reason).
 * add      1: taken, 0: passed over, -1: stop, *why set; it owns the pkey in
 *          each case; slices are valid during the call only
 * returns  keys taken, or -1 with *why set to a static text: not a JWK Set, or
 *          add's reason
 */
int	jwk_set(struct slice json, int (*add)(void *arg, struct jwk *,
	    const char **why), void *arg,
	    void (*bad)(void *arg, unsigned at, const char *why),
	    void *bad_arg, const char **why) MUST_USE;

#endif
