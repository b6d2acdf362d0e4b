/*
 * Where a publication leaves its worker: to the receivers here, and one
 * envelope to the relay when the interest directory says that other workers
 * have some; and the reverse, an envelope from the relay.
 */
#ifndef HUB_PUBLISH_PUBLISH_H
#define HUB_PUBLISH_PUBLISH_H

#include "hub/audience/fanout.h"
#include "hub/audience/room.h"

struct bus_envelope;
struct bus_publish;
struct hub;

/* What the other workers are asked as they get a publication. */
struct publish_question {
	uint32_t	 ref;		/* in: its name; 0: nothing */
	uint32_t	 timeout_ms;	/* in: for their clients' answers; 0: how
					 * many have got it */
	bool		 unheard;	/* out: some should answer, and there is
					 * no way to them */
	bool		 far;		/* out: other hosts are asked as well */
	uint64_t	 bits[2];	/* out: workers asked */
};

/*
 * To one room, user or namespace; except: the sender, or NULL.  Returns the
 * receivers on this worker.
 */
uint32_t publish_room(struct hub *, const struct conf_namespace *,
	    enum room_kind, struct slice name, const struct publication *,
	    const struct session *except, struct publish_question *);
/* To any audience; ask: who else was asked how many have got it, or NULL. */
uint32_t publish_audience(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct publication *,
	    struct publish_question *ask);
/* The same as a question to clients: sent() is told of each here that got it
 * and can answer. */
uint32_t publish_ask(struct hub *, const struct conf_namespace *,
	    const struct audience *, const struct publication *,
	    struct publish_question *,
	    void (*sent)(void *arg, struct session *), void *arg);

/* The other workers that may have some of this audience. */
void	publish_workers(struct hub *, const struct conf_namespace *,
	    const struct audience *, uint64_t bits[2]);

/* What it is, into an envelope; for whom is not said. */
void	publish_fill(struct bus_envelope *, struct bus_publish *,
	    const struct publication *);
/* Other hosts may have some: the relay knows how to ask. */
bool	publish_is_far(const struct hub *, const struct publication *);

/* {"id":..,"from":..,"sid"?:..,"room"?:..,"ts":..} in the hub's scratch; *id is
 * the part between its quotes: as given (needs no escapes), or, when that is
 * empty, a new one.  from and room are raw JSON; sid is one, or empty. */
struct slice publish_meta(struct hub *, struct slice from, struct slice sid,
	    struct slice room, struct slice *id);
/* Of what nobody has sent; room is a name, or empty. */
struct slice publish_meta_api(struct hub *, struct slice room,
	    struct slice *id);

/* BUS_PUBLISH of another worker, or of the relay: but for one that asks
 * clients, which is ask.h's. */
void	publish_bus(struct hub *, const struct bus_envelope *);
/* So many here have got it: to who has asked. */
void	publish_answer_count(struct hub *, const struct bus_envelope *,
	    uint32_t got);
/* What such an envelope holds, and for whom. */
struct publication publish_received(const struct bus_envelope *);
struct audience publish_receivers(const struct bus_envelope *);

#endif
