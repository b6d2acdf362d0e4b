/*
 * Who keeps users' notifications: the relay's own memory (memory.h) or Redis
 * (remote.h), behind the same table.  What a question does, and what is told of
 * it, is the same in both:
 *
 *	a notification that comes takes the place of one with its collapse key,
 *	and is not made if there is one with its id; above the bounds the oldest
 *	that is read goes, or the oldest;
 *	count is how many are unread and were not muted when they came;
 *	version is a time (us), so that it grows though all was lost; each
 *	answer, and each news, has the count as it was at its version.
 *
 * Whoever has changed something, all connections of the user are told: news().
 * Neither knows of workers: that is boxes.c's.
 */
#ifndef RELAY_BOX_ENGINE_H
#define RELAY_BOX_ENGINE_H

#include "base/bug.h"
#include "proto/bus_box.h"
#include "proto/bus.h"

struct box_bounds {
	uint32_t	 items;
	uint64_t	 bytes;		/* of them */
	uint64_t	 keep_ms;	/* 0: for ever */
};

struct box_asker {		/* given back with the answer */
	uint16_t	 slot;
	uint16_t	 generation;
	uint32_t	 ref;		/* 0: nobody wants it */
};

struct box_question {		/* slices are borrowed */
	struct box_asker asker;
	struct slice	 nsp, user;
	struct box_bounds bounds;
	enum box_op	 op;
	union {
		struct box_item	 item;		/* CREATE */
		struct box_look	 look;		/* LIST */
		struct box_pick	 pick;		/* READ, DELETE */
	};
	struct slice	 prefs;		/* PREFS: as of box_put_prefs(); empty:
					 * which are they? */
};

/* What all that the user has connected is told. */
enum box_news_kind {
	BOX_NEWS_COUNT = 'c',	/* no more than the count */
	BOX_NEWS_NEW = 'n',	/* text: the object */
	BOX_NEWS_READ = 'r',	/* text: ids, as JSON elements */
	BOX_NEWS_DELETED = 'd',	/* the same */
	BOX_NEWS_PREFS = 'p'	/* text: the object */
};

struct box_news {
	struct slice	 nsp, user;
	enum box_news_kind kind;
	uint64_t	 count, version;
	uint64_t	 due_ms;	/* as of box_reply */
	struct slice	 text;
};

struct box_calls {
	void		*arg;
	/* reply: OK; else NULL */
	void		(*answer)(void *arg, const struct box_asker *,
			    enum bus_store, const struct box_reply *);
	void		(*news)(void *arg, const struct box_news *);
	uint64_t	(*now_ms)(void *arg);	/* unix */
};

struct box_engine {
	void		(*ask)(void *engine, const struct box_question *);
};

/* {JSON,"read":READ[,"silent":true]}: one as it is told. */
static inline void
box_put_told(struct buf *b, struct slice json, bool read, bool silent)
{
	buf_byte(b, '{');
	buf_slice(b, json);
	buf_str(b, read ? ",\"read\":true" : ",\"read\":false");
	buf_str(b, silent ? ",\"silent\":true}" : "}");
}

#endif
