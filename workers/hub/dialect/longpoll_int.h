/*
 * What the files of long polls share; see longpoll.h.
 *
 *	longpoll.c	rooms that are waited for, what wakes, life
 *	longpoll_page.c	pages that are read, and answers
 */
#ifndef HUB_DIALECT_LONGPOLL_INT_H
#define HUB_DIALECT_LONGPOLL_INT_H

#include <sys/queue.h>

#include "hub/dialect/longpoll.h"
#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/store/history.h"

struct longpoll_room;	/* that is waited for */

/* A page that was asked for, for polls that want the same; one at least. */
struct longpoll_reading {
	struct history_ask ask;
	TAILQ_HEAD(, longpoll) polls;
};

/* It reads, or it waits. */
struct longpoll {
	unsigned	 magic;
#define LONGPOLL_MAGIC	0x10a6b011
	bool		 again;		/* it waits: at seen, but it is to have
					 * what is behind since */
	struct hub	*hub;
	struct longpoll_reading *reading;
	struct longpoll_room *at;
	TAILQ_ENTRY(longpoll) link;	/* of either */
	struct wait	 wait;
	uint64_t	 until_us;
	const struct conf_namespace *ns;
	struct room	*room;		/* held */
	struct principal *who;
	void		*asker;
	unsigned	 limit;
	struct since	 since;		/* it wants what is behind it */
	struct since	 seen;		/* what its client has */
};

struct longpoll_table {
	struct hashtab	 rooms;
	struct waits	 waits;		/* by time */
	bool		 leaving;	/* nobody waits any more */
	struct buf	 body;		/* scratch of an answer */
	struct buf	 raw;		/* ... the room's name in it */
};

/* --- longpoll.c ------------------------------------------------------------ */

/* It waits no more, and what it read is for others. */
void	longpoll_free(struct longpoll *);
/* For what comes behind the place where it is; false: no memory. */
bool	longpoll_wait(struct longpoll *) MUST_USE;

/* --- longpoll_page.c ------------------------------------------------------- */

/* Ask for what it wants, or have what r asked for after the same event, if it
 * wants the same; false: the store cannot be asked, or r wants something else. */
bool	longpoll_read(struct longpoll *) MUST_USE;
bool	longpoll_read_with(struct longpoll *, struct longpoll_reading *r)
	    MUST_USE;
/* The table's body: a page of this event, or of none, that ends at place. */
void	longpoll_put(struct longpoll *, const struct since *place,
	    const struct bus_publish *, bool finished);
/* It is answered, which ends it: with the table's body; as what was kept cannot
 * be read; as nothing has come. */
void	longpoll_answer(struct longpoll *, const struct since *place);
void	longpoll_unheard(struct longpoll *);
void	longpoll_over(struct longpoll *);

#endif
