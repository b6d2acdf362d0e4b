/*
 * What can be made without a daemon: a token for development, a key for the
 * API and its hash.
 */
#ifndef ROOSTCTL_MINT_H
#define ROOSTCTL_MINT_H

#include "base/buf.h"

struct mint_token {
	struct slice	 secret;	/* of jwt { secret } */
	const char	*user;
	char		*const *roles;
	size_t		 nroles;
	uint64_t	 now_s, seconds; /* it is valid from, and for */
	struct slice	 claims;	/* more: an object of JSON, or empty */
};

/* Appends a JSON Web Token, HS256.  False: claims is no object. */
bool	mint_token(struct buf *, const struct mint_token *) MUST_USE;
/* Appends 64 hexadecimal digits: what api { key { sha256 } } wants. */
void	mint_hash(struct buf *, struct slice key);
/* Appends a new key, of 43 letters and digits; false: no random bytes. */
bool	mint_key(struct buf *) MUST_USE;

#endif
