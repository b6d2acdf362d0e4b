/*
 * Which addresses are public: requests of hooks go to no others, unless that is
 * allowed.  Pure.
 */
#ifndef RELAY_HOOKS_ADDRESS_H
#define RELAY_HOOKS_ADDRESS_H

#include <sys/socket.h>

#include <stdbool.h>

/* Not of this host, its link, or a private network; IPv4 inside of IPv6
 * (mapped, NAT64, 6to4) is looked at as what it is.  Another family: false. */
bool	address_is_public(const struct sockaddr *, socklen_t);

#endif
