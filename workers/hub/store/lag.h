/*
 * Members of a kept room who read too slowly for what comes: they are given no
 * more of it by their queue, their place in the room is remembered, and as their
 * queue gets shorter they read on from there, page by page, until they are where
 * the room is and get what comes as all others do.
 *
 *	live ──queue > half of send_queue_bytes──► lags: (epoch, offset)
 *	  ▲                                          │ queue < an eighth
 *	  └──── the last page, where the room is ◄───┴─► a page
 *
 * What is not kept is none of its business.  An answer of the store stands in
 * the stream behind all that it tells of: so nothing is told twice or left out
 * where a member goes over to what comes live.
 */
#ifndef HUB_STORE_LAG_H
#define HUB_STORE_LAG_H

#include "hub/model.h"
#include "hub/queue/wire.h"

struct buf;
struct since;
struct state_in;

/* hub_events.lags: this member is not given that publication, nor those behind
 * it.  false: it is given it (no memory, too many, a journal has it). */
bool	lag_begin(struct membership *, const struct publication *);
/* hub_events.room_left. */
void	lag_room_left(struct session *, struct membership *);
/* Of one with lags set: it was given all up to there. */
const struct since *lag_place(const struct membership *);
/* It would come back with a hole: it lacks what it has not read on to. */
bool	lag_any(const struct session *);

/*
 * To another worker, behind all else of the client; nothing where nobody lags.
 * load: false: bad.  drop: it goes, and nobody hears of it.
 */
void	lag_save(const struct client *, struct buf *);
bool	lag_load(struct client *, struct state_in *) MUST_USE;
void	lag_drop(struct client *);

#endif
