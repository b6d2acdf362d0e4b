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
/* At start: what was told by a predecessor, as far as the table shows it, so that
 * it is not told once more. */
void	announce_learn(struct announce *);
/*
 * An event of the same table is of a mark (shm/presence.h): then what it means
 * is that there may be another status of its user.  False: it means nothing.
 */
bool	announce_is_mark(const struct announce *, const struct table_event *);
bool	announce_of_mark(struct announce *, const struct table_event *,
	    struct table_event *user);
/* When something that waits for a time is to be tried again, monotonic us;
 * UINT64_MAX: nothing does. */
uint64_t announce_due(const struct announce *);
/*
 * How many are in rooms that have more users than are named (presence_list): all
 * are counted anew, as the table has told them, at start and with another
 * configuration; and some that are due are told, each turn.
 */
void	announce_count_all(struct announce *);
void	announce_turn(struct announce *, struct mono now);
/* A worker that something waited for can take more, or is no more. */
bool	announce_relieved(struct announce *);
/* What waits is tried again: forget whom it waited for. */
void	announce_again(struct announce *);

#endif
