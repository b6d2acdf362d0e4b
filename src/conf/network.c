/*
 * Networks as text and as bits; see network.h.
 */
#include "conf/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/address.h"
#include "base/ascii.h"

#define NETWORK_MAPPED	96	/* bits before an IPv4 address */

static const uint8_t network_mapped[12] = { [10] = 0xff, [11] = 0xff };

/* The first n bits of both are the same. */
static bool
network_alike(const uint8_t a[16], const uint8_t b[16], unsigned n)
{
	uint8_t mask = (uint8_t)(0xff00u >> n % 8);

	return (memcmp(a, b, n / 8) == 0 &&
	    (n % 8 == 0 || ((a[n / 8] ^ b[n / 8]) & mask) == 0));
}

/* *max: the bits that it has. */
static bool
network_address(struct slice text, struct conf_network *out, unsigned *max)
{
	*max = 32;
	if (address_parse(text, AF_INET, out->address))
		return (true);
	*max = 128;
	return (address_parse(text, AF_INET6, out->address));
}

static bool
network_is_clean(const struct conf_network *net)
{
	struct conf_network zero = *net;
	unsigned i;

	for (i = net->bits; i < 128; i++)
		zero.address[i / 8] &= (uint8_t)~(0x80u >> i % 8);
	return (memcmp(zero.address, net->address, sizeof zero.address) == 0);
}

const char *
conf_network_parse(const char *text, struct conf_network *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
	uint64_t bits;
	unsigned max;

	memset(out, 0, sizeof *out);
	out->local = strcmp(text, "unix:") == 0;
	if (out->local)
		return (NULL);
	if (!network_address(slice_of(text, n), out, &max))
		return ("not an address, ADDRESS/BITS or unix:");
	bits = max;
	if (slash != NULL && !ascii_number(slice_str(slash + 1), max, &bits))
		return (max == 32 ? "bits: 0 to 32" : "bits: 0 to 128");
	out->bits = (uint8_t)(bits + (max == 32 ? NETWORK_MAPPED : 0));
	return (network_is_clean(out) ? NULL :
	    "the address has bits beyond those of its network");
}

void
conf_network_print(const struct conf_network *net, struct buf *out)
{
	bool v4 = net->bits >= NETWORK_MAPPED && memcmp(net->address,
	    network_mapped, sizeof network_mapped) == 0;
	unsigned bits = net->bits - (v4 ? NETWORK_MAPPED : 0u);
	char host[INET6_ADDRSTRLEN] = "";

	if (net->local) {
		buf_str(out, "unix:");
		return;
	}
	(void)inet_ntop(v4 ? AF_INET : AF_INET6, net->address + (v4 ? 12 : 0),
	    host, sizeof host);
	buf_str(out, host);
	if (bits != (v4 ? 32u : 128u))
		buf_printf(out, "/%u", bits);
}

bool
conf_network_listed(const struct conf_network *v, size_t n,
    const uint8_t address[16])
{
	static const uint8_t none[16];
	bool local = memcmp(address, none, sizeof none) == 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i].local ? local : !local &&
		    network_alike(v[i].address, address, v[i].bits))
			return (true);
	return (false);
}
