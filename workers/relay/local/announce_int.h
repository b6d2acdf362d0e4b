/*
 * What the files of announcements share: announce.c, to whom they go;
 * announce_user.c, who comes, goes and has another status; announce_room.c, who
 * is in a room, or how many are.
 */
#ifndef LOCAL_ANNOUNCE_INT_H
#define LOCAL_ANNOUNCE_INT_H

#include "conf/conf.h"
#include "proto/bus.h"
#include "proto/offset.h"
#include "proto/status.h"
#include "relay/local/announce.h"
#include "relay/local/crowd.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/table_relay.h"

struct told {
	/* status last told, + 1: who comes back within the grace changes the
	 * node but is no news */
	uint8_t		 code;
	uint32_t	 at_ms;		/* when, by the monotonic clock */
};

struct announce {
	unsigned	 magic;
#define ANNOUNCE_MAGIC	0xa440c3ce
	const struct conf *conf;
	struct segment	*segment;
	struct exchange	*exchange;
	uint64_t	 crowded[2];	/* slots that had no room */
	struct offset_origin origin;	/* of what is told, for recovery */
	uint64_t	 seq;
	struct interest	*interest;
	struct presence	*presence;
	struct told	*told;		/* of each node */
	uint32_t	 ntold;
	uint64_t	 due_us;	/* of what waits for a time; UINT64_MAX:
					 * nothing does */
	struct crowd	 crowd;		/* of rooms */
	struct buf	 args;
	struct buf	 frame;
};

/* Who is on this host, then on another one, was here all the time. */
static inline bool
announce_is_level(const struct table_event *t)
{
	return (t->repeat || (t->was != 0) != (t->is != 0));
}

/* Workers with an audience of that kind. */
void	announce_who(struct announce *, uint16_t ns, enum interest_kind,
	    struct slice name, uint64_t bits[2]);
/* From the relay, about nothing in particular. */
struct bus_publish *announce_envelope(struct bus_envelope *);
/* What a->args say, to all those who are to hear of it, or to none. */
bool	announce_tell(struct announce *, struct bus_envelope *,
	    const struct conf_namespace *);

/* A user as he is; info, too, if he is known. */
void	announce_fill_entry(struct announce *, const struct conf_namespace *,
	    struct slice user, struct status_entry *, struct presence_info *);
/* A user of the namespace has changed; a user in a room. */
bool	announce_user(struct announce *, const struct conf_namespace *,
	    const struct table_event *);
bool	announce_in_room(struct announce *, const struct conf_namespace *,
	    const struct table_event *);

#endif
