/*
 * SipHash with one compression and three finalisation rounds, little-endian
 * hosts only (configure and shm/layout.h insist).
 */
#include "base/hash.h"

static inline uint64_t
hash_rotl(uint64_t x, int b)
{
	return ((x << b) | (x >> (64 - b)));
}

struct sip {
	uint64_t a, b, c, d;
};

static inline void
hash_sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = hash_rotl(s->b, 13) ^ s->a;
	s->d = hash_rotl(s->d, 16) ^ s->c;
	s->a = hash_rotl(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = hash_rotl(s->b, 17) ^ s->c;
	s->d = hash_rotl(s->d, 21) ^ s->a;
	s->c = hash_rotl(s->c, 32);
}

uint64_t
hash_bytes(const struct hash_key *k, struct slice in)
{
	struct sip s = { k->k0 ^ 0x736f6d6570736575, k->k1 ^ 0x646f72616e646f6d,
		k->k0 ^ 0x6c7967656e657261, k->k1 ^ 0x7465646279746573 };
	uint64_t m, last = (uint64_t)in.n << 56;
	size_t i, whole = in.n & ~(size_t)7;

	for (i = 0; i < whole; i += 8) {
		memcpy(&m, in.p + i, 8);
		s.d ^= m;
		hash_sip_round(&s);
		s.a ^= m;
	}
	for (; i < in.n; i++)
		last |= (uint64_t)in.p[i] << (8 * (i & 7));
	s.d ^= last;
	hash_sip_round(&s);
	s.a ^= last;
	s.c ^= 0xff;
	hash_sip_round(&s);
	hash_sip_round(&s);
	hash_sip_round(&s);
	return (s.a ^ s.b ^ s.c ^ s.d);
}
