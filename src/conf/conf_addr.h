/*
 * Addresses to listen on: "0.0.0.0:8080", "[::]:8443", "unix:/path"; and "*",
 * nothing and "localhost", which are one of each kind.  Other names are not
 * resolved.
 */
#ifndef CONF_CONF_ADDR_H
#define CONF_CONF_ADDR_H

#include <sys/socket.h>

#include "base/bug.h"
#include "base/slice.h"

struct conf_addr {
	struct sockaddr_storage sa;
	socklen_t	 len;
};
#define CONF_ADDRS_MAX	2

/* NULL, the addresses and their number; or what is wrong with the text
 * (static). */
const char *conf_addr_parse(const char *text,
	    struct conf_addr addrs[CONF_ADDRS_MAX], unsigned *n) MUST_USE;

#endif
