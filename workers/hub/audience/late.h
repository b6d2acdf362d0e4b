/*
 * Receivers that do not keep up.  What is volatile passes by them, or the newest
 * of each thing waits beside their queue (out.h); what a room keeps they read on
 * in the store.
 */
#ifndef HUB_AUDIENCE_LATE_H
#define HUB_AUDIENCE_LATE_H

#include "base/bug.h"
#include "hub/model.h"

struct hub;
struct msg;

/*
 * Not for volatile events: the socket does not take what is there, or so much
 * was queued in this turn that it might not, and more would end the client.  What
 * takes the place of others does not pass by one that waits for that.
 */
bool	late_is(const struct hub *, const struct outq *,
	    const struct publication *);

/*
 * What makes two publications news of one thing, as a number: without the
 * receivers, or with them, where one room and an audience of that room are the
 * same.  0: it takes no other's place.
 */
uint64_t late_id(const struct hub *, const struct publication *);
uint64_t late_id_audience(const struct hub *, const struct publication *,
	    const struct audience *);
uint64_t late_id_room(const struct hub *, const struct publication *,
	    const struct room *);
/*
 * A receiver is late, or waits for what it missed while it was: it gets this
 * later, or what is newer.  m: in its form; NULL: no memory, or it is not to be
 * kept.  true: it waits now.
 */
bool	late_wait(struct hub *, struct outq *, uint64_t id, struct msg *m);

/* What a room keeps, and a member that has too much to read already: it goes on
 * by itself. */
bool	late_reads_on(const struct hub *, const struct member *,
	    const struct publication *);
static inline bool
late_lags(const struct hub *h, const struct member *v,
    const struct publication *p)
{
	return (unlikely(p->epoch.n != 0) && late_reads_on(h, v, p));
}

#endif
