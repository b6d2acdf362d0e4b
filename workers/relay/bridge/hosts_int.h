/*
 * Between hosts.c, which takes what other daemons say, hosts_out.c, which tells
 * them, and hosts_check.c.
 */
#ifndef RELAY_BRIDGE_HOSTS_INT_H
#define RELAY_BRIDGE_HOSTS_INT_H

#include "base/buf.h"
#include "relay/bridge/hosts.h"

struct interest;
struct sent;

/* What a message begins with. */
#define HOSTS_MARK	8u
extern const uint8_t hosts_mark[HOSTS_MARK];

struct hosts {
	unsigned	 magic;
#define HOSTS_MAGIC	0x4057a11c
	struct hosts_params p;
	struct interest	*interest;
	struct sent	*sent;
	struct buf	 channel, message, words;
	struct buf	 asks;		/* the channel of inquiries */
	uint64_t	 gap_ms;	/* begin of the gap that is told; 0: none */
	bool		 refused;	/* it was not taken */
};

/* A publication or an order that a worker can be given: whole JSON where it
 * has to be, names that are some, and nothing that only its host
 * understands. */
bool	hosts_is_fit(const struct bus_envelope *);
/* A part of what another host answers. */
bool	hosts_is_answer(const struct bus_envelope *) MUST_USE;

/* Longer keys are not whole in the table: their rooms are reached through
 * their namespace. */
#define HOSTS_KEY_MAX	128

/* What an envelope for other hosts says to whom; NULL: it is not for them. */
const struct bus_audience *hosts_whom(const struct bus_envelope *,
	    struct slice *nsp);
/* Without a namespace it is for all of them. */
bool	hosts_may_be_for_all(const struct bus_envelope *);
/* A sid's host, and that of a name without a channel, nobody knows. */
bool	hosts_has_rest(const struct bus_audience *);
/* Does it go to more than one channel? */
bool	hosts_is_for_several(const struct bus_audience *);

#endif
