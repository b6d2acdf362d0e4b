/*
 * What changes in the tables, told to the workers: each user that comes or
 * goes, each new status, once, in order.  Who in a worker hears of it is the
 * hub's affair; to which workers it goes the interest directory knows.  What
 * a worker has no room for now it is told later: nothing counts as told
 * before it is queued.
 */
#ifndef LOCAL_ANNOUNCE_H
#define LOCAL_ANNOUNCE_H

#include "relay/local/exchange.h"

struct announce;
struct heritage;
struct table_event;

/* NULL + errno. */
struct announce *announce_new(const struct heritage *, struct exchange *)
	    MUST_USE;
void	announce_free(struct announce **);
/* Another configuration. */
void	announce_conf(struct announce *, const struct conf *);
/*
 * table_emit of the presence table; arg is the struct announce.  False: one
 * of the workers that are to hear of it has too much in its queue, or no
 * stream yet.
 */
bool	announce_presence(void *arg, const struct table_event *);
/* A worker that something waited for can take more, or is no more. */
bool	announce_relieved(struct announce *);
/* What waits is tried again: forget whom it waited for. */
void	announce_again(struct announce *);

#endif
