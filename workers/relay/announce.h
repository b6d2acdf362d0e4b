/*
 * What changes in the tables, told to the workers: each user that comes or
 * goes, each new status, once, in order.  Who in a worker hears of it is the
 * hub's affair; to which workers it goes the interest directory knows.
 */
#ifndef RELAY_ANNOUNCE_H
#define RELAY_ANNOUNCE_H

#include "relay/exchange.h"

struct announce;
struct heritage;
struct table_event;

/* NULL + errno. */
struct announce *announce_new(const struct heritage *, struct exchange *)
	    MUST_USE;
void	announce_free(struct announce **);
/* table_emit of the presence table; arg is the struct announce. */
void	announce_presence(void *arg, const struct table_event *);

#endif
