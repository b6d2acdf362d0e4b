/*
 * The other hosts: a link of the relay's to Redis, and what is built over it.
 * Made by links.c, which gives it each change of the tables and the end of each
 * turn.  It comes, and takes part in nothing; it serves, from far_charge() on;
 * it goes, from far_step_back() on.
 */
#ifndef RELAY_FAR_H
#define RELAY_FAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/slice.h"

struct conf;
struct exchange;
struct far;
struct heritage;
struct keep;
struct ledger;
struct redis;
struct loop;
struct table_event;
struct table_relay;

struct far_params {
	const struct heritage *h;
	struct loop	*loop;
	struct exchange	*exchange;
	struct keep	*keep;
	struct ledger	*ledger;	/* of all of them */
	unsigned	 serial;	/* no two have the same */
	/* Its section redis is borrowed as long as far lives; the rest until
	 * far_conf(). */
	const struct conf *conf;
};

/* It connects by itself.  NULL: no memory.  All others take NULL for none. */
struct far *far_open(const struct far_params *) MUST_USE;
/* Before the peers of the exchange are gone, or after: it asks nobody. */
void	far_close(struct far **);
/* The configuration whose section redis it has. */
const struct conf *far_section(const struct far *);
struct redis *far_redis(const struct far *);
/* Connected, and listening to everything. */
bool	far_is_ready(const struct far *);

/*
 * Where one is, as another one sees it: at the same Redis, under the same names;
 * or there with other names, but in common those of Socket.IO, by which each
 * takes the other for a server; or elsewhere.  It is asked: by a message that
 * the other one hears if it is there.
 */
enum far_place {
	PLACE_UNKNOWN, PLACE_ASKED, PLACE_SAME, PLACE_NEAR, PLACE_OTHER
};
enum far_place far_place(struct far *, const struct far *other);
/* By their names they are at the same place. */
bool	far_is_named_like(const struct far *, const struct far *other);

/*
 * It serves from now on.  keep_ms: users of other hosts stay for so long though
 * those are not here yet; replaces: another one has served before.  False: no
 * memory now; to be called again.
 */
bool	far_charge(struct far *, bool replaces, uint64_t keep_ms) MUST_USE;
/* Rooms are kept there from now on. */
void	far_keep(struct far *);
/* What it has to know of the interest table then, of all that is held. */
void	far_interest_late(struct far *, const struct table_event *);
/*
 * Another one serves.  What is published here is still given to it; what others
 * publish there, and who is here, it tells, until far_leave(): then it says
 * good bye, and is of no more use when it has left.  Servers of Socket.IO it
 * knows no more.  At the same place as the other one it hears nothing, says
 * nothing, and waits for answers.
 */
void	far_step_back(struct far *, enum far_place);
void	far_leave(struct far *);
/* Nothing that others publish there is taken any more. */
void	far_deafen(struct far *);
/* It is to be closed without a word: another process goes on in its place. */
void	far_hush(struct far *);
bool	far_has_left(const struct far *);
/* It is told of another one in the gauges, or of this one again. */
void	far_quiet(struct far *, bool quiet);
/*
 * What was published until far_charge(), or far_mark(), may come yet: then it
 * does not drain any more.  One that came to be NEAR the one before does not
 * take until then what servers of Socket.IO are told as well: that one may have
 * had it from them.
 */
void	far_mark(struct far *);
bool	far_drains(struct far *);
/* Of far_mark() alone: what was published there may come yet. */
bool	far_brings(const struct far *);
/* It serves, and another one is heard as well, or not any more; what it has
 * brought meanwhile is taken (hosts.h). */
void	far_meet(struct far *, bool both);
void	far_release(struct far *, bool whole);
/* All that was published has its answer. */
bool	far_is_settled(const struct far *);
/* A frame of a worker that says BUS_FAR; again: another one was given it just
 * now, and answers if it is an order. */
void	far_publish(struct far *, struct slice frame, bool again);
/* A frame of a worker that says BUS_RELAY. */
void	far_answer(struct far *, struct slice frame);
/* Of the interest table. */
void	far_interest(struct far *, const struct table_event *);
/* Another configuration, the one before is there yet.  Its section redis is
 * none of its affair. */
void	far_conf(struct far *, const struct conf *);
/* Files that the configuration names may have changed. */
void	far_reread(struct far *);
/* This worker is no more. */
void	far_worker_gone(struct far *, unsigned slot);
/* About once a second. */
void	far_beat(struct far *);
/* What this host has published since then may not have reached the others. */
void	far_gap_all(struct far *, uint64_t from_ms);
/*
 * Of the presence table.  What a predecessor has mirrored of other hosts stays
 * until it can be compared; or goes, where nothing is mirrored.
 */
void	far_mirror(struct far *, struct table_relay *presence);
void	far_presence(struct far *, const struct table_event *);
/* The end of a turn: what is to be written is written; busy: the next turn is
 * not to wait. */
void	far_flush(struct far *);
bool	far_busy(const struct far *);

#endif
