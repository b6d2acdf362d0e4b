/*
 * The inside of keep.h, between keep.c (rooms: reading, and what is common),
 * keep_take.c (what is published there), keep_give.c (what workers are told),
 * keep_journal.c (journals),
 * keep_sessions.c (sessions that can be recovered from these) and keep_far.c
 * (other hosts, by the engine that keeps in Redis).
 */
#ifndef STORE_KEEP_INT_H
#define STORE_KEEP_INT_H

#include "base/buf.h"
#include "conf/conf.h"
#include "relay/local/exchange.h"
#include "relay/store/keep.h"
#include "relay/store/remote.h"
#include "relay/store/store.h"
#include "relay/store/waiting.h"
#include "shm/interest.h"

struct journal;
struct sessions;

struct keep {
	unsigned	 magic;
#define KEEP_MAGIC	0x6ee96ee9
	const struct conf *conf;
	struct exchange	*x;
	struct interest	*interest;
	struct wheel	*wheel;
	struct store	*store;
	struct remote	*remote;	/* whose that is; NULL: memory.h's */
	struct remote_link link;	/* that serves; redis is NULL: none */
	struct buf	 frame;		/* scratch: answers */
	struct waiting	 waiting;
	unsigned	 pages;		/* read in this turn */
	uint64_t	 page_bytes;
	struct journal	**journals;	/* by namespace; NULL: none yet */
	size_t		 njournals;
	struct buf	 entry;		/* scratch of keep_journal.c */
	struct sessions	*sessions;
	/* keep_along(); NULL: nothing does */
	void		(*along_save)(void *arg, struct buf *);
	bool		(*along_load)(void *arg, struct slice, struct slice *);
	void		*along_arg;
};

/* To a worker that has asked; it may be gone by now.  False: it has no room for
 * it. */
bool	keep_answer(struct keep *, const struct store_asker *,
	    struct bus_envelope *);
/* BUS_KEPT; slots: who gets it. */
void	keep_say(struct keep *, const struct store_asker *, enum bus_store,
	    struct slice epoch, uint64_t kept, const uint64_t slots[2]);
void	keep_refuse(struct keep *, const struct store_asker *, enum bus_store);
/* Workers with members of the room. */
void	keep_who(struct keep *, struct slice nsp, struct slice room,
	    uint64_t slots[2]);
/* It goes to these workers, who may be none, as what `from' has published, and
 * where else that wanted it to.  b holds a frame for nobody. */
void	keep_route(struct keep *, const struct store_asker *from, struct buf *b,
	    const uint64_t slots[2]);
/* The same here alone, with a frame for nobody in b. */
void	keep_give(struct keep *, const struct store_asker *from, struct buf *b,
	    const uint64_t slots[2]);
/* As keep_route() in two steps, in this order. */
void	keep_route_here(struct keep *, const struct store_asker *from,
	    struct buf *b, const uint64_t slots[2]);
void	keep_route_far(struct keep *, const struct store_asker *from,
	    struct buf *b);
/* BUS_KEEP; BUS_TRIM. */
void	keep_take(struct keep *, struct bus_envelope *);
void	keep_trim(struct keep *, const struct bus_envelope *);
/* Who has sent it. */
struct store_asker keep_asker(const struct bus_envelope *);
/* A page may be read for this worker now. */
bool	keep_takes(const struct keep *, unsigned slot);
bool	keep_judge(void *keep, const struct store_key *,
	    struct store_bounds *);
uint64_t keep_now_ms(void *keep);
/* What the room may keep; false: nothing. */
bool	keep_bounds(const struct keep *, const struct conf_namespace *,
	    struct slice room, struct store_bounds *);
void	keep_count_refused(const struct keep *, enum bus_store);
/* It ends its room, or tells of a change. */
void	keep_count_kept(const struct store_kept *);

/* --- keep_far.c -----------------------------------------------------------*/

/* The engine of this configuration, if there is another one yet.  false: no
 * memory. */
bool	keep_choose(struct keep *) MUST_USE;
/* Another configuration, or link: the journals are to be heard. */
void	keep_far_journals(struct keep *);
/* Nothing is kept, though it is asked for. */
bool	keep_is_off(const struct conf *);

#endif
