/*
 * Publications into rooms that keep a history: they go to the relay, which
 * gives them their place, and come back as everybody gets them.  Nobody gets
 * one before, its sender's neighbours neither.
 */
#ifndef HUB_STORE_KEEP_H
#define HUB_STORE_KEEP_H

#include "hub/session/refuse.h"
#include "proto/bus.h"

struct publication;

struct keep {
	const struct conf_namespace *ns;
	struct slice	 room;
	const struct slice *except;	/* sids and rooms that do not get it */
	size_t		 nexcept;
	const struct publication *p;
};

/* What became of it. */
struct keep_told {
	enum bus_store	 result;	/* OK: */
	struct slice	 epoch;
	uint64_t	 kept;
};

/* It is larger than what is kept of one room. */
bool	keep_is_too_large(const struct hub *, const struct publication *);
/* Nobody is told.  false: it could not be sent. */
bool	keep_send(struct hub *, const struct keep *) MUST_USE;
/* told() hears once, later.  false: as above, or too many wait. */
bool	keep_ask(struct hub *, const struct keep *,
	    void (*told)(struct hub *, void *arg, const struct keep_told *),
	    void *arg) MUST_USE;
/* The session's ack: {"id","ts","epoch","offset"}, with counted and "delivered";
 * or the error.  id: of the publication. */
bool	keep_for(struct session *, const struct ack *, const struct keep *,
	    struct slice id, bool counted) MUST_USE;

/* In words that clients and back ends see. */
const char *keep_why(enum bus_store);

#endif
