/*
 * Special-purpose addresses (RFC 6890 and its registries); see address.h.
 */
#include "relay/hooks/address.h"

#include <netinet/in.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bug.h"

struct block {
	uint8_t		 bits;
	uint8_t		 at[8];		/* the rest is zero */
};

static const struct block blocks4[] = {
	{ 8, { 0 } },			/* this network */
	{ 8, { 10 } },			/* private */
	{ 10, { 100, 64 } },		/* shared, of carriers */
	{ 8, { 127 } },			/* loopback */
	{ 16, { 169, 254 } },		/* link-local */
	{ 12, { 172, 16 } },		/* private */
	{ 24, { 192, 0, 0 } },		/* of protocols */
	{ 24, { 192, 0, 2 } },		/* documentation */
	{ 24, { 192, 88, 99 } },	/* 6to4 relays */
	{ 16, { 192, 168 } },		/* private */
	{ 15, { 198, 18 } },		/* benchmarks */
	{ 24, { 198, 51, 100 } },	/* documentation */
	{ 24, { 203, 0, 113 } },	/* documentation */
	{ 3, { 224 } },			/* multicast, reserved, broadcast */
};
/* Global unicast is 2000::/3; of it not: */
static const struct block blocks6[] = {
	{ 23, { 0x20, 0x01 } },		/* of protocols, Teredo */
	{ 32, { 0x20, 0x01, 0x0d, 0xb8 } },	/* documentation */
	{ 20, { 0x3f, 0xff } },		/* documentation */
};

static bool
address_in(const struct block *b, const uint8_t *a)
{
	unsigned n = b->bits / 8, rest = b->bits % 8;

	return (memcmp(b->at, a, n) == 0 && (rest == 0 ||
	    (unsigned)(b->at[n] ^ a[n]) >> (8 - rest) == 0));
}

static bool
address_4_is_public(const uint8_t *a)
{
	size_t i;

	for (i = 0; i < nitems(blocks4); i++)
		if (address_in(&blocks4[i], a))
			return (false);
	return (true);
}

static bool
address_6_is_public(const uint8_t *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	size_t i;

	if (memcmp(a, mapped, sizeof mapped) == 0 ||
	    memcmp(a, nat64, sizeof nat64) == 0)
		return (address_4_is_public(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02)	/* 6to4 */
		return (address_4_is_public(a + 2));
	if ((a[0] & 0xe0) != 0x20)
		return (false);
	for (i = 0; i < nitems(blocks6); i++)
		if (address_in(&blocks6[i], a))
			return (false);
	return (true);
}

bool
address_is_public(const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET && len >= sizeof v4) {
		memcpy(&v4, sa, sizeof v4);
		return (address_4_is_public((const uint8_t *)&v4.sin_addr));
	}
	if (sa->sa_family == AF_INET6 && len >= sizeof v6) {
		memcpy(&v6, sa, sizeof v6);
		return (address_6_is_public(v6.sin6_addr.s6_addr));
	}
	return (false);
}
