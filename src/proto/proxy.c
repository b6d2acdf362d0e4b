/*
 * The PROXY protocol's header; see proxy.h.  Sections are those of its
 * specification, proxy-protocol.txt.
 */
#include "proto/proxy.h"

#include <sys/socket.h>

#include "base/address.h"
#include "base/ascii.h"

#define PROXY_HEAD	16	/* of version 2: what is always there */
#define PROXY_CRC	0x03	/* TLV: CRC-32C of the whole header */
#define PROXY_SSL	0x20	/* TLV (2.2.6): bits, a number, TLVs of its own */
#define PROXY_SSL_HEAD	5
#define PROXY_SSL_ON	0x01	/* a bit: the client speaks TLS */

static const uint8_t proxy_signature[12] = { '\r', '\n', '\r', '\n', 0, '\r',
	'\n', 'Q', 'U', 'I', 'T', '\n' };

static ssize_t
proxy_bad(struct proxy *x, const char *why)
{
	x->why = why;
	return (CODEC_BAD);
}

/* --- version 1 (2.1) --------------------------------------------------------- */

static bool
proxy_take_port(struct slice s, uint16_t *port)
{
	uint64_t n = 0;

	if (s.n > 5 || !ascii_number(s, 65535, &n))
		return (false);
	*port = (uint16_t)n;
	return (true);
}

/* "TCP4 192.0.2.1 192.0.2.2 51234 443", without the protocol. */
static bool
proxy_take_line(struct slice rest, int family, struct proxy *x)
{
	uint8_t from[ADDRESS_BYTES], to[ADDRESS_BYTES];
	uint16_t port;

	/* the destination is only looked at */
	if (!address_parse(ascii_take(&rest, ' '), family, from) ||
	    !address_parse(ascii_take(&rest, ' '), family, to) ||
	    !proxy_take_port(ascii_take(&rest, ' '), &x->port) ||
	    !proxy_take_port(rest, &port))
		return (false);
	memcpy(x->address, from, sizeof from);
	x->known = true;
	return (true);
}

static ssize_t
proxy_decode_v1(struct slice in, struct proxy *x)
{
	static const struct slice begin = SLICE("PROXY ");
	struct slice line = in, rest, protocol;
	const uint8_t *lf;
	size_t n = in.n < begin.n ? in.n : begin.n;

	if (memcmp(in.p, begin.p, n) != 0)
		return (proxy_bad(x, "no PROXY header"));
	if (line.n > PROXY_V1_MAX)
		line.n = PROXY_V1_MAX;
	lf = memchr(line.p, '\n', line.n);
	if (lf == NULL)
		return (in.n < PROXY_V1_MAX ? CODEC_MORE :
		    proxy_bad(x, "line too long"));
	line.n = (size_t)(lf - line.p);
	if (line.n <= begin.n || line.p[line.n - 1] != '\r')
		return (proxy_bad(x, "bad line"));
	rest = slice_of(line.p + begin.n, line.n - 1 - begin.n);
	protocol = ascii_take(&rest, ' ');
	if (!slice_eq(protocol, SLICE("UNKNOWN")) &&
	    !(slice_eq(protocol, SLICE("TCP4")) &&
	    proxy_take_line(rest, AF_INET, x)) &&
	    !(slice_eq(protocol, SLICE("TCP6")) &&
	    proxy_take_line(rest, AF_INET6, x)))
		return (proxy_bad(x, "bad line"));
	return ((ssize_t)line.n + 1);
}

/* --- version 2 (2.2) --------------------------------------------------------- */

/* Castagnoli's polynomial; p[at], 4 bytes of it, counts as zero. */
static uint32_t
proxy_crc32c(const uint8_t *p, size_t n, size_t at)
{
	uint32_t crc = UINT32_MAX;
	unsigned bit;
	size_t i;

	for (i = 0; i < n; i++) {
		crc ^= i >= at && i < at + 4 ? 0u : p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return (~crc);
}

static uint32_t
proxy_number(const uint8_t *p, unsigned n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return (v);
}

/* What stands in p[n] at `at`: its length; false: it is cut short. */
static bool
proxy_take_tlv(const uint8_t *p, size_t n, size_t at, size_t *len)
{
	if (n - at < 3)
		return (false);
	*len = proxy_number(p + at + 1, 2);
	return (*len <= n - at - 3);
}

/* How the client speaks with the proxy: only whether that is TLS matters here,
 * but a proxy whose TLVs do not fit into each other is not believed. */
static bool
proxy_take_ssl(const uint8_t *p, size_t n, struct proxy *x)
{
	size_t at, len;

	if (n < PROXY_SSL_HEAD)
		return (false);
	for (at = PROXY_SSL_HEAD; at < n; at += 3 + len)
		if (!proxy_take_tlv(p, n, at, &len))
			return (false);
	x->tls = (p[0] & PROXY_SSL_ON) != 0;
	return (true);
}

/* The TLVs of a header of n bytes, from p[at] on. */
static bool
proxy_take_tlvs(const uint8_t *p, size_t n, size_t at, struct proxy *x)
{
	bool checked = false, told = false;
	size_t len;

	for (; at < n; at += 3 + len) {
		x->why = "bad TLV";
		if (!proxy_take_tlv(p, n, at, &len))
			return (false);
		if (p[at] == PROXY_SSL) {
			if (told || !proxy_take_ssl(p + at + 3, len, x))
				return (false);
			told = true;
		}
		if (p[at] != PROXY_CRC)
			continue;
		x->why = "bad checksum";
		if (checked || len != 4 || proxy_number(p + at + 3, 4) !=
		    proxy_crc32c(p, n, at + 3))
			return (false);
		checked = true;
	}
	x->why = NULL;
	return (true);
}

/* 2.2, "the transport protocol and address family": bytes of both addresses
 * and ports. */
static bool
proxy_family(uint8_t family, size_t *bytes)
{
	switch (family) {
	case 0x00:	/* not said */
		*bytes = 0;
		return (true);
	case 0x11:	/* TCP over IPv4 */
		*bytes = 12;
		return (true);
	case 0x21:	/* TCP over IPv6 */
		*bytes = 36;
		return (true);
	case 0x31:	/* a unix stream */
		*bytes = 216;
		return (true);
	}
	return (false);
}

static void
proxy_take_address(const uint8_t *p, uint8_t family, struct proxy *x)
{
	x->known = family != 0x00;
	if (family == 0x11) {
		x->address[10] = x->address[11] = 0xff;
		memcpy(x->address + 12, p, 4);
		x->port = (uint16_t)proxy_number(p + 8, 2);
	} else if (family == 0x21) {
		memcpy(x->address, p, 16);
		x->port = (uint16_t)proxy_number(p + 32, 2);
	}
}

static ssize_t
proxy_decode_v2(struct slice in, struct proxy *x)
{
	const uint8_t *p = in.p;
	size_t n, addresses = 0;
	bool local;

	n = in.n < sizeof proxy_signature ? in.n : sizeof proxy_signature;
	if (memcmp(p, proxy_signature, n) != 0)
		return (proxy_bad(x, "no PROXY header"));
	if (in.n > 12 && p[12] != 0x20 && p[12] != 0x21)
		return (proxy_bad(x, "unknown version or command"));
	if (in.n < PROXY_HEAD)
		return (CODEC_MORE);
	n = PROXY_HEAD + proxy_number(p + 14, 2);
	if (n > PROXY_MAX)
		return (proxy_bad(x, "header too long"));
	local = p[12] == 0x20;	/* the proxy's own: the family is not looked
				 * at, but what it has is passed over */
	if ((!proxy_family(p[13], &addresses) && !local) ||
	    (!local && n - PROXY_HEAD < addresses))
		return (proxy_bad(x, "unknown family, or too short for it"));
	if (in.n < n)
		return (CODEC_MORE);
	if (local)
		return ((ssize_t)n);
	if (!proxy_take_tlvs(p, n, PROXY_HEAD + addresses, x))
		return (CODEC_BAD);
	proxy_take_address(p + PROXY_HEAD, p[13], x);
	return ((ssize_t)n);
}

ssize_t
proxy_decode(struct slice in, enum proxy_version takes, struct proxy *x)
{
	memset(x, 0, sizeof *x);
	if (in.n == 0)
		return (CODEC_MORE);
	if (takes != PROXY_V1 && in.p[0] == proxy_signature[0])
		return (proxy_decode_v2(in, x));
	if (takes != PROXY_V2 && in.p[0] == 'P')
		return (proxy_decode_v1(in, x));
	return (proxy_bad(x, "no PROXY header"));
}
