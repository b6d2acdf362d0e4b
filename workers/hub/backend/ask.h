/*
 * Publications that ask: a back end publishes an event and wants to know what
 * the clients' acknowledgements said.  One question has a part on the worker
 * that the back end asked and one on each other worker that has receivers;
 * every part knows which of its clients have not answered.
 *
 *	back end ─► api ─► home ──event,id──► clients here ──ack,id──┐
 *	    ▲               │ ▲ ◄────────────────────────────────────┘
 *	    └── answers ────┘ └── BUS_ANSWERS ── branch ◄─► clients there
 *
 * A question ends when all have answered or left, or its time is over; what
 * has come until then is the answer.  Bounded in number, clients and bytes.
 *
 * Orders to sessions (members.h) are questions without clients: each worker
 * that was told says how many sessions of its own the order changed.
 */
#ifndef HUB_BACKEND_ASK_H
#define HUB_BACKEND_ASK_H

#include "hub/api.h"
#include "hub/audience/fanout.h"
#include "hub/session/session.h"

#define ASK_MAX		1024		/* questions of one worker at once */
#define ASK_CLIENTS_MAX	200000		/* asked and not answered, of all */
#define ASK_BYTES_MAX	(8u << 20)	/* answers to one question */
#define ASK_BYTES_ALL	(64u << 20)	/* ... and to all of them */
#define ASK_TIMEOUT_MS	5000		/* when the back end names none */
#define ASK_TIMEOUT_MAX	60000
#define ASK_COUNT_MS	2000		/* for workers that only count */
#define ASK_STORE_MS	4000		/* longer than the store is asked */
#define ASK_ID_BYTES	64		/* of the publication */

struct ask;
struct asked;
struct bus_envelope;
struct buf;
struct client;
struct publication;
struct survey;

struct ask_table;
struct ask_table *ask_table_new(const struct hub *) MUST_USE;
					/* NULL: no memory */
void	ask_table_free(struct hub *);

/*
 * A question of a back end; asker: what ports.answered() is told.  Then
 * ask_publish().  NULL: too many are open, or no memory.
 */
struct ask *ask_new(struct hub *, void *asker, struct slice id,
	    uint64_t timeout_ms) MUST_USE;
/* It goes to its audience, and is then put (ask_put). */
void	ask_publish(struct ask **, const struct conf_namespace *,
	    const struct audience *, struct publication *, struct buf *now);
uint32_t ask_ref(const struct ask *);	/* what the other workers answer to */

/*
 * An order of a back end, whose answer is a number: count is its name, which
 * outlives the question.  The order goes out with ask_ref(), then ask_put().
 * NULL: as above.
 */
struct ask *ask_count(struct hub *, void *asker, const char *count)
	    MUST_USE;
void	ask_counted(struct ask *, uint32_t n);	/* here */
/* The part of a worker that was sent the order: n here, some left out. */
void	ask_report(struct hub *, const struct bus_envelope *order, uint32_t n,
	    bool partly);
/* {count:n,"complete"}, for an order without a question. */
void	ask_render_count(struct buf *, const char *count, uint32_t n,
	    bool complete);

/*
 * An order to one session, which is somewhere, or nobody has it: the answer is an
 * error then.  NULL: as above.
 */
struct ask *ask_one(struct hub *, void *asker) MUST_USE;
/* What it is answered with: the status is returned. */
int	ask_render_one(struct buf *, uint32_t n, bool complete);

/* BUS_REPLY of other workers, and hosts (api_answers.c). */
void	answers_bus(struct hub *, const struct bus_envelope *);

/* The order is a revocation until then: the relay adds the hosts that know. */
void	ask_revoked(struct ask *, uint64_t until_s);
/* {count:n,"hosts","until","complete"} */
void	ask_render_revoked(struct buf *, const char *count, uint32_t n,
	    uint32_t hosts, uint64_t until_s, bool complete);

/*
 * A request whose answer comes from what is kept (store/).  NULL: as above.
 * stored: this is it; whose asker has gone hears nothing.
 */
struct ask *ask_store(struct hub *, void *asker) MUST_USE;
void	ask_stored(struct hub *, uint32_t ref, int status,
	    const struct buf *body);

/*
 * A page of who is there (survey.h, which the question owns from then on): it
 * waits for this worker's own part as well.  NULL: as above.
 * ask_here: that, or some of it (BUS_MORE, BUS_TRUNCATED).
 */
struct ask *ask_survey(struct hub *, void *asker, struct survey *) MUST_USE;
void	ask_here(struct hub *, uint32_t ref, uint16_t flags,
	    struct slice elements);

/*
 * A question by a publication into a room that keeps a history: the store has it
 * first.  kept: it has its place, and these workers answer by that ref;
 * unkept: the back end is told so instead.
 */
struct keep_told;
void	ask_waits_for_place(struct ask *);
void	ask_kept(struct hub *, uint32_t ref, const struct keep_told *, bool far);
void	ask_unkept(struct hub *, uint32_t ref, int status,
	    const struct buf *body);

/* There are other workers to ask, and no way to them: not complete. */
void	ask_unheard(struct ask *);
/* Other hosts are asked as well: the relay says what they answer, and when that
 * is all. */
void	ask_far(struct ask *);
/*
 * It has been published, and sent to the workers in bits.  A home that needs
 * to wait for nobody is answered at once: its answer is appended to now and
 * *ap cleared.  A branch (now is NULL) is always cleared.
 */
void	ask_put(struct ask **ap, const uint64_t bits[2], struct buf *now);

/* A client's acknowledgement; false: nobody asked it. */
bool	ask_answer(struct session *, uint64_t id, struct slice args,
	    const struct slice *attachments, unsigned n);
/* The session ends, or is parked; its client is still known. */
void	ask_left(struct session *);

/*
 * ask_save.c: a client goes to another worker with the answers that it owes.
 * load: when its sessions are there; false: bad, or no memory (unload is safe).
 * give: it is the heir's.  unload: it is the giver's.
 */
struct state_in;
void	ask_save(const struct client *, struct buf *);
bool	ask_load(struct client *, uint16_t giver, struct state_in *) MUST_USE;
void	ask_give(struct client *, uint16_t heir);
void	ask_unload(struct client *);
/* Questions are open here. */
bool	ask_any(const struct hub *);

/*
 * From the bus: a publication that asks, BUS_ANSWERS, BUS_ANSWERS_END.  The
 * relay may ask as well, for other hosts: each worker tells it at once how many
 * it has asked, and then each answer.
 */
void	ask_bus_publish(struct hub *, const struct bus_envelope *);
void	ask_bus_answers(struct hub *, const struct bus_envelope *);
void	ask_bus_end(struct hub *, const struct bus_envelope *);
/* The clock; the stream to the relay broke. */
void	ask_tick(struct hub *);
void	ask_lost(struct hub *);
/* Those who were in these slots do not answer any more (gone.h). */
void	ask_gone(struct hub *, const uint64_t slots[2]);
/* The worker goes: all are told what is there. */
void	ask_leave(struct hub *);

#endif
