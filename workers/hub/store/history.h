/*
 * One question to the relay: what was kept of a room?  Embedded by who asks,
 * and told once what the answer is, or that there is none.
 */
#ifndef HUB_STORE_HISTORY_H
#define HUB_STORE_HISTORY_H

#include "hub/publish/waits.h"
#include "proto/bus.h"

struct audience;
struct conf_namespace;
struct hub;
struct session;

struct history_ask {
	struct wait	 wait;
	/* BUS_PAGE; NULL: none comes.  It may ask again, or free it. */
	void		(*page)(struct hub *, struct history_ask *,
			    const struct bus_envelope *);
};

struct history_part {		/* which part of it */
	enum bus_history_from from;
	struct slice	 epoch;		/* AFTER: this place */
	uint64_t	 since;
	struct slice	 key;		/* KEY */
	uint64_t	 limit;		/* of events; at most a page */
	uint64_t	 bytes;		/* ... of them; 0: a page */
};

/* false: too many are open, or there is no relay; page() is not called. */
bool	history_ask(struct hub *, struct history_ask *,
	    const struct conf_namespace *, struct slice room,
	    const struct history_part *) MUST_USE;
/* It is asked by this, and was not answered. */
void	history_forget(struct hub *, struct history_ask *);

/* Its sender did not want what was for this audience to come to this session. */
bool	history_excepts(const struct session *, const struct audience *);
/* The next publication of a page; false: no more. */
bool	history_next(struct slice *frames, struct bus_envelope *) MUST_USE;
/* The answer says that not all that was asked for is there any more. */
bool	history_has_gap(const struct bus_envelope *page);
/* Not all that ever happened in the room's epoch is. */
bool	history_lacks_first(const struct bus_envelope *page);

#endif
