/*
 * A new configuration for the relay, which stays when the workers change: sent
 * to the one that there is, and again when it has not got it.  Who is forked
 * later has it from the fork.  Called by the master when it has read a new one,
 * and by children.h as the relay comes and goes.
 */
#ifndef MASTER_CONF_SEND_H
#define MASTER_CONF_SEND_H

#include "master/seat.h"

struct conf;
struct conf_source;

struct conf_send {
	int		 fd;		/* sealed; -1: nothing to be sent */
	bool		 due;		/* the relay does not have it yet */
};

void	conf_send_init(struct conf_send *);
void	conf_send_fini(struct conf_send *);
/* conf, parsed from that, is the one from now on.  -1 + errno: no memory for
 * its copy; nothing has changed. */
int	conf_send_set(struct conf_send *, const struct conf_source *,
	    const struct conf *) MUST_USE;
/* To who sits there, if it is due; false: it is due still. */
bool	conf_send_try(struct conf_send *, struct seat *relay);
/* The relay has lost it. */
void	conf_send_again(struct conf_send *);
/* A new relay was forked, with the configuration there is. */
void	conf_send_has(struct conf_send *);

#endif
