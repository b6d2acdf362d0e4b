/*
 * Publications into rooms that keep a history, and all those of a namespace that
 * has a journal: they go to the relay, which gives them their place, and come
 * back as everybody gets them.  Nobody gets one before, its sender's neighbours
 * neither.
 */
#ifndef HUB_STORE_KEEP_H
#define HUB_STORE_KEEP_H

#include "hub/session/refuse.h"
#include "proto/bus.h"

struct audience;
struct publication;

struct keep {
	const struct conf_namespace *ns;
	const struct audience *to;	/* without a journal: one room */
	const struct publication *p;
	uint32_t	 timeout_ms;	/* its receivers are asked, for so long;
					 * 0: they are not */
	struct slice	 instead;	/* it tells of a change: the frame that is
					 * kept from now on; or empty */
};

/* What became of it. */
struct keep_told {
	enum bus_store	 result;	/* OK: */
	struct slice	 epoch;
	uint64_t	 kept;		/* CONFLICT: of the key, and its version */
	uint64_t	 version;
	uint32_t	 ref;		/* by which its receivers answer */
	const uint64_t	*slots;		/* ... at these workers */
};

/* It is larger than what is kept of one room, if it is for such a one, or of a
 * journal. */
bool	keep_is_too_large(const struct hub *, const struct conf_namespace *,
	    const struct publication *, bool room);
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

/* All of the journal up to there has come here. */
void	journal_mark(struct hub *, const struct conf_namespace *,
	    struct slice offset);

/* In words that clients and back ends see; as the code of an error. */
const char *keep_why(enum bus_store);
enum refused keep_refused(enum bus_store);

#endif
