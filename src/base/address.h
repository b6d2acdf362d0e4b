/*
 * Addresses of peers: 16 bytes, IPv6 or IPv4 mapped into it; all zero for who
 * comes over a unix socket.  From text, and to the one spelling that logs and
 * tools have.  Memory only.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/slice.h"

#define ADDRESS_BYTES		16
#define ADDRESS_TEXT_MAX	64

/* Without brackets, port or scope; family: AF_INET or AF_INET6, which is what
 * the text has to be.  false: it is none, and nothing is written. */
bool	address_parse(struct slice, int family,
	    uint8_t address[ADDRESS_BYTES]) MUST_USE;

/* "203.0.113.7:51234", "[2001:db8::7]:51234", "unix"; without a port that is
 * 0, which a proxy did not say: "203.0.113.7", "2001:db8::7". */
const char *address_text(const uint8_t address[ADDRESS_BYTES], uint16_t port,
	    char out[ADDRESS_TEXT_MAX]);

#endif
