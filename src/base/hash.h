/*
 * SipHash-1-3 with a secret key: names chosen by strangers (rooms, users,
 * sids) cannot be made to collide.                 Aumasson, Bernstein 2012
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

struct hash_key {
	uint64_t	 k0, k1;	/* from getrandom() at start */
};

uint64_t hash_bytes(const struct hash_key *, struct slice);

#endif
