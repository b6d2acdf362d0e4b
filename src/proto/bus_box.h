/*
 * A user's notifications, as workers ask the relay for them (BUS_BOX, BUS_BOXED
 * of bus.h): what stands in the bodies.  Each form has a put and a get, the same
 * way round.  get: slices point into what is read; false: it makes no sense.
 * Pure.
 */
#ifndef PROTO_BUS_BOX_H
#define PROTO_BUS_BOX_H

#include "base/buf.h"
#include "base/bug.h"
#include "base/slice.h"

#define BOX_IDS_MAX	100u	/* named in one order */
#define BOX_PAGE_MAX	100u	/* notifications of one page */
#define BOX_MUTED_MAX	32u	/* categories that a user has muted */
#define BOX_NAME_MAX	64u	/* bytes of an id, a category, a collapse key */
#define BOX_PAGE_BYTES	(256u << 10)	/* of one page; one comes whatever its size */
#define BOX_DAY		1440	/* minutes */

/* What is asked (bus_box.what of a BUS_BOX). */
enum box_op {
	BOX_COUNT = 1,		/* how many are unread?  No body */
	BOX_CREATE,		/* box_item */
	BOX_LIST,		/* box_look */
	BOX_READ, BOX_DELETE,	/* box_pick */
	BOX_PREFS,		/* box_prefs, or no body: which are they? */
	BOX_STALE,		/* of the relay, to a worker: something may not
				 * have reached it, about anybody */
	BOX_DUE			/* of the relay, to a worker: box_due */
};

enum box_rank { BOX_LOW, BOX_NORMAL, BOX_HIGH, BOX_URGENT, BOX_RANKS };

struct box_item {
	struct slice	 id;		/* 1..BOX_NAME_MAX bytes */
	struct slice	 category;	/* or empty */
	struct slice	 collapse;	/* or empty: takes no other one's place */
	uint8_t		 rank;		/* enum box_rank */
	uint64_t	 ts_ms;		/* unix */
	uint64_t	 expires_ms;	/* unix; 0: never */
	struct slice	 json;		/* members, without braces: "id" and all
					 * that does not change */
};

struct box_look {
	uint64_t	 cursor;	/* what is older than that; 0: all */
	uint32_t	 limit;		/* 1..BOX_PAGE_MAX */
	bool		 unread;	/* these alone */
	struct slice	 category;	/* that one alone, or empty */
};

/* Which: these ids; or all, or all of a category. */
struct box_pick {
	bool		 all;
	struct slice	 category;	/* all: of that one; empty: of any */
	uint32_t	 n;
	struct slice	 ids[BOX_IDS_MAX];
};

struct box_prefs {
	uint8_t		 least;		/* enum box_rank: below it is not counted */
	uint32_t	 nmuted;
	struct slice	 muted[BOX_MUTED_MAX];
	bool		 quiet;		/* there are quiet hours: */
	bool		 count_only;	/* then nothing is delivered */
	uint16_t	 from, to;	/* minutes of the day; from == to: always */
	int16_t		 offset;	/* minutes that its clock is ahead of UTC */
	struct slice	 json;		/* all of it, as an object */
};

#define BOX_DUE_MS	86400000u	/* what is due later is not said */

/* What became of it: bits of box_reply.did. */
enum {
	BOX_MADE = 1,		/* CREATE: it was not there yet */
	BOX_COUNTED = 2,	/* ... it is not muted */
	BOX_SILENT = 4,		/* ... it came in quiet hours */
	BOX_HELD = 8		/* ... that let nothing through */
};

struct box_reply {
	uint64_t	 count;		/* unread, without those muted */
	uint64_t	 version;	/* of the count: a later one is greater */
	uint64_t	 due_ms;	/* unix: then the count is another one if
					 * nothing happens; 0: never */
	uint64_t	 next;		/* LIST: cursor of what is behind; 0: nothing */
	uint8_t		 did;
	struct slice	 text;		/* LIST: objects, READ, DELETE: ids that have
					 * changed, as JSON elements; PREFS: the
					 * object; CREATE: {...} as it is told */
};

/* A user's count changes by itself then: unix ms. */
void	box_put_due(struct buf *, uint64_t);
bool	box_get_due(struct slice, uint64_t *) MUST_USE;
void	box_put_item(struct buf *, const struct box_item *);
bool	box_get_item(struct slice, struct box_item *) MUST_USE;
void	box_put_look(struct buf *, const struct box_look *);
bool	box_get_look(struct slice, struct box_look *) MUST_USE;
void	box_put_pick(struct buf *, const struct box_pick *);
bool	box_get_pick(struct slice, struct box_pick *) MUST_USE;
void	box_put_prefs(struct buf *, const struct box_prefs *);
bool	box_get_prefs(struct slice, struct box_prefs *) MUST_USE;
void	box_put_reply(struct buf *, const struct box_reply *);
bool	box_get_reply(struct slice, struct box_reply *) MUST_USE;

/* Has the user muted such a one? */
bool	box_mutes(const struct box_prefs *, struct slice category,
	    uint8_t rank) MUST_USE;
/* Is it in the user's quiet hours? */
bool	box_is_quiet(const struct box_prefs *, uint64_t unix_ms) MUST_USE;

const char *box_rank_name(uint8_t);
/* false: no such word */
bool	box_rank_of(struct slice word, uint8_t *) MUST_USE;

#endif
