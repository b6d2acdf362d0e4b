/*
 * The inside of the links, between links.c (which there are) and links_frames.c
 * (what goes by which).
 */
#ifndef RELAY_LINKS_INT_H
#define RELAY_LINKS_INT_H

#include "base/buf.h"
#include "base/clock.h"
#include "relay/bridge/ledger.h"
#include "relay/links.h"

struct far;

struct links {
	unsigned	 magic;
#define LINKS_MAGIC	0x714c51aa
	const struct heritage *h;
	struct loop	*loop;
	struct exchange	*exchange;
	struct keep	*keep;
	struct ledger	 ledger;
	unsigned	 serial;	/* of the last link */
	uint64_t	 era;		/* which one serves has changed so often */
	const struct conf *conf;	/* in force */
	struct table_relay *interest, *presence;	/* NULL: not yet */
	/* each may be NULL: */
	struct far	*now;		/* serves */
	struct far	*next;		/* comes */
	struct far	*last;		/* goes, or leaves: */
	bool		 leaves;
	struct mono	 began;		/* to go */
	struct mono	 since;		/* it does what it does */
	struct mono	 met;		/* next could serve since then; 0: no */
	uint64_t	 asked_ms;	/* unix: next is wanted since then */
	bool		 drains;	/* now is to bring yet what last brought */
	uint64_t	 unsure_ms;	/* unix: what came since then, all or none */
	/* What was given to the last one has to be answered before the one that
	 * serves is given more: it would be before it. */
	bool		 holds;
	struct buf	 held;		/* frames */
	struct buf	 frame;
	struct mono	 waits;		/* since then: see links_wait.c */
};

/* links_wait.c: the new one serves, and the old one is heard yet (both), or has
 * nothing to bring; it is not heard any more, or not waited for; the end of a
 * turn. */
void	links_meet(struct links *, bool both);
void	links_part(struct links *);
void	links_wait(struct links *);

/* links_frames.c, for the exchange: what a worker publishes, and what it answers
 * to a question of the relay's. */
void	links_frame(void *links, struct slice frame);
void	links_answers(void *links, struct slice frame);
/* What was held back goes. */
void	links_release(struct links *);

#endif
