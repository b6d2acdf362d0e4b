/*
 * Addresses to listen on: "0.0.0.0:8080", "[::]:8443", "*:8080", "unix:/path".
 * Numbers only: names are not resolved.
 */
#ifndef CONF_CONF_ADDR_H
#define CONF_CONF_ADDR_H

#include <sys/socket.h>

#include "base/bug.h"
#include "base/slice.h"

/* NULL, or what is wrong with the text (static). */
const char *conf_addr_parse(const char *text, struct sockaddr_storage *,
	    socklen_t *) MUST_USE;

#endif
