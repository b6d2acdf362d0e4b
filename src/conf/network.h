/*
 * Networks: entries of trusted_proxies, and addresses held against them.
 */
#ifndef CONF_NETWORK_H
#define CONF_NETWORK_H

#include "base/buf.h"
#include "conf/model.h"

/* "10.0.0.0/8", "2001:db8::/32", an address alone, or "unix:": NULL and *out
 * filled in, or what is wrong with the text (static). */
const char *conf_network_parse(const char *text, struct conf_network *out)
	    MUST_USE;
void	conf_network_print(const struct conf_network *, struct buf *out);

/* An address, IPv4 mapped, is in one of them; zero: who asks over a unix
 * socket. */
bool	conf_network_listed(const struct conf_network *, size_t n,
	    const uint8_t address[16]) MUST_USE;

#endif
