/*
 * Addresses as text; see address.h.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

static const uint8_t address_mapped[12] = { [10] = 0xff, [11] = 0xff };

bool
address_parse(struct slice s, int family, uint8_t address[ADDRESS_BYTES])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t a[ADDRESS_BYTES];

	if (s.n >= sizeof text || s.n == 0 || memchr(s.p, 0, s.n) != NULL)
		return (false);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	memcpy(a, address_mapped, sizeof address_mapped);
	if (inet_pton(family, text, family == AF_INET ? a + 12 : a) != 1)
		return (false);
	memcpy(address, a, sizeof a);
	return (true);
}

const char *
address_text(const uint8_t address[ADDRESS_BYTES], uint16_t port,
    char out[ADDRESS_TEXT_MAX])
{
	static const uint8_t none[ADDRESS_BYTES];
	bool v4 = memcmp(address, address_mapped, sizeof address_mapped) == 0;
	char ip[INET6_ADDRSTRLEN] = "";

	if (memcmp(address, none, sizeof none) == 0)
		return ("unix");
	(void)inet_ntop(v4 ? AF_INET : AF_INET6, address + (v4 ? 12 : 0), ip,
	    sizeof ip);
	if (port == 0)
		(void)snprintf(out, ADDRESS_TEXT_MAX, "%s", ip);
	else
		(void)snprintf(out, ADDRESS_TEXT_MAX, v4 ? "%s:%u" :
		    "[%s]:%u", ip, (unsigned)port);
	return (out);
}
