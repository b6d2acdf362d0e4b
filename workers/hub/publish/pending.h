/*
 * Acks that wait for other workers: a rule with ack = delivered tells the
 * sender how many connections of this host got the event.  The count of this
 * worker is known at once; each other worker that was sent the event answers,
 * or the time limit passes.  Bounded: when too many wait, the sender is told
 * what is known.
 */
#ifndef HUB_PUBLISH_PENDING_H
#define HUB_PUBLISH_PENDING_H

#include "base/slice.h"
#include "hub/publish/gone.h"
#include "hub/session/session.h"

#define PENDING_MAX		2048
#define PENDING_TIMEOUT_MS	2000

struct bus_envelope;
struct pending_table;
struct pending_table *pending_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	pending_table_free(struct hub *);

/* A reference for a question about to be asked; 0: too many wait. */
uint32_t pending_ref(struct hub *);
/*
 * The question was put to the workers in slots: answer `ack` of this
 * session later.  count: receivers here.  With no slots the answer goes out
 * now.
 */
void	pending_wait(struct hub *, uint32_t ref, const struct session *,
	    const struct ack *, struct slice id, uint32_t count,
	    const uint64_t slots[2]);
/* The ack itself: {"id","ts","delivered"}. */
void	pending_answer(struct session *, const struct ack *, struct slice id,
	    uint64_t ts, uint64_t count);
/* Does this client wait; does any? */
bool	pending_waits(const struct hub *, uint32_t serial);
bool	pending_any(const struct hub *);
void	pending_bus(struct hub *, const struct bus_envelope *);
void	pending_tick(struct hub *);
/* Are those who were in these slots waited for no more?  That is done here;
 * whoever has other questions to them does it as well, and tells whom it
 * asks. */
void	pending_asked(struct hub *, const uint64_t slots[2],
	    uint64_t reseated[2]);
bool	pending_look(struct hub *, uint64_t slots[2]) MUST_USE;
void	pending_lost(struct hub *);	/* the relay went: answer them all */

#endif
