/*
 * Addresses to listen on: "0.0.0.0:8080", "[::]:8443", "unix:/path"; and "*",
 * nothing and "localhost", which are one of each kind.  Other names are not
 * resolved.
 */
#ifndef CONF_VALUE_ADDR_H
#define CONF_VALUE_ADDR_H

#include "conf/model.h"

/* NULL, the addresses and their number; or what is wrong with the text
 * (static). */
const char *conf_addr_parse(const char *text,
	    struct conf_addr addrs[CONF_ADDRS_MAX], unsigned *n) MUST_USE;

#endif
