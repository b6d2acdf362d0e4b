/*
 * What is kept of rooms: their last publications, each with a place (1, 2, 3
 * ...) in the room's epoch.  A place is given once; a room that begins anew,
 * because the store has dropped it or has lost its memory, has another epoch.
 * keep.h asks; what keeps is an engine behind a table of functions: memory.h,
 * remote.h.
 * An engine may answer later, in the order in which it was asked about a room.
 */
#ifndef RELAY_STORE_H
#define RELAY_STORE_H

#include "base/buf.h"
#include "proto/bus.h"

#define STORE_EPOCH_MAX	32		/* bytes of an epoch */
/* Of a frame that is kept: a page with it alone can be sent. */
#define STORE_FRAME_MAX	(BUS_FRAME_MAX - 4096)

#define STORE_KEY_MAX	256		/* bytes of a key in a room */

struct store_key {
	struct slice	 nsp;		/* with its slash */
	struct slice	 room;
};

/* The room as which a namespace's journal is kept (keep_journal.h); no other one
 * has such a name. */
#define JOURNAL_ROOM	SLICE("\001journal")

/* What may be kept of a room. */
struct store_bounds {
	uint64_t	 events;	/* 1 or more */
	uint64_t	 bytes;
	uint64_t	 keep_ms;	/* 0: for ever */
	bool		 stays;		/* it does not go for the sake of others */
	/* of each key the newest is kept as long as the room is; so many keys, 0:
	 * there are none, and bytes of them */
	uint64_t	 keys, keys_bytes;
};

/* Who has asked, given back with the answer. */
struct store_asker {
	uint16_t	 slot;		/* 0: the relay itself */
	uint16_t	 generation;
	uint16_t	 flags;		/* of the frame, bus.h */
	uint32_t	 ref;
	uint64_t	 timeout_ms, sent_us;
};

/* --- appending ------------------------------------------------------------*/

struct store_kept {
	struct store_asker asker;
	enum bus_store	 result;
	struct store_key key;
	/* OK: */
	struct slice	 epoch;
	uint64_t	 kept;		/* CONFLICT: where the key is, and version */
	uint64_t	 version;
	/* of a journal's that a room keeps as well: where; or empty */
	struct slice	 room_epoch;
	uint64_t	 room_kept;
	struct buf	*frame;		/* as it is kept: BUS_PUBLISH, numbered,
					 * for nobody; may be written to.  NULL:
					 * nobody gets it now, */
	bool		 later;		/* but it comes behind */
};

struct store_append {
	struct store_asker asker;
	struct store_key key;
	struct store_bounds bounds;
	struct bus_envelope *e;		/* BUS_KEEP, BUS_JOURNAL; borrowed, and
					 * written to */
	bool		 journal;	/* the room is one (keep_journal.h): its place
					 * goes into the frame's offset, and what
					 * says of another one stays */
	/* remote.h, of a journal: this room of the namespace keeps it as well,
	 * within these bounds; or empty */
	struct slice	 room;
	struct store_bounds room_bounds;
	void		(*done)(void *arg, const struct store_kept *);
	void		*arg;
};

/* --- reading --------------------------------------------------------------*/

struct store_page {
	struct store_asker asker;
	struct bus_page	 page;
	bool		 more;		/* there is, behind it */
};

struct store_read {
	struct store_asker asker;
	struct store_key key;
	struct store_bounds bounds;
	enum bus_history_from from;
	struct slice	 epoch;		/* AFTER */
	uint64_t	 since;
	struct slice	 of;		/* KEY: which */
	uint64_t	 limit;		/* of events, 1 or more, */
	uint64_t	 bytes;		/* and of frames; one comes at least */
	void		(*done)(void *arg, const struct store_page *);
	void		*arg;
};

/* --- trimming -------------------------------------------------------------*/

struct store_trim {
	struct store_key key;
	struct store_bounds bounds;
	struct slice	 epoch;		/* in another one nothing is done */
	uint64_t	 place;		/* all up to there goes, but not the newest */
};

/* --- engines --------------------------------------------------------------*/

/* The bounds of a room now; false: nothing is kept of it any more. */
typedef bool store_judge(void *arg, const struct store_key *,
	    struct store_bounds *);

struct store_engine {
	void		(*append)(void *engine, const struct store_append *);
	void		(*read)(void *engine, const struct store_read *);
	/* Other bounds, of all that is kept and of each room: they are asked for
	 * by and by. */
	void		(*conf)(void *engine, uint64_t bytes);
	/* The end of a turn: some of what is left to do. */
	void		(*turn)(void *engine);
	/* There is more of it: the next turn is not to wait. */
	bool		(*busy)(const void *engine);
	/* All that the relay that takes this one's place goes on with: a file as
	 * sys/sealed.h has them, which begins with what is given.  -1: there is
	 * nothing, that neither, or, with *bad, it cannot be written. */
	int		(*save)(void *engine, struct slice begin, bool *bad);
	/* Before anything is asked: what another one has saved.  false: not all
	 * of it makes sense, and that is not there. */
	bool		(*load)(void *engine, struct slice saved);
	void		(*free)(void *engine);
	/* By and by; nobody is told. */
	void		(*trim)(void *engine, const struct store_trim *);
};

/* One of these, and what it was made for. */
struct store {
	const struct store_engine *does;
	void		*engine;
};

#endif
