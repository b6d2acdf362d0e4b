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
	struct buf	 held;		/* hosts_wait.c: channel, message */
	bool		 releases;	/* it is over */
	bool		 whole;		/* ... as what was before them has come */
};

/* What a message begins with, then a frame.  false: it is none of ours. */
struct hosts_head {
	uint64_t	 node, epoch, number;
	struct slice	 frame;
};
bool	hosts_head(struct slice payload, struct hosts_head *) MUST_USE;
/* A message whose seal is off. */
void	hosts_see(struct hosts *, struct slice channel, struct slice payload);

/* hosts_wait.c: one that is not taken, as another link serves yet. */
void	hosts_note(struct hosts *, struct slice payload);
/* It is to wait.  hold: false: there is no memory for that. */
bool	hosts_waits(struct hosts *, const struct hosts_head *);
bool	hosts_hold(struct hosts *, struct slice channel, struct slice payload)
	    MUST_USE;

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
