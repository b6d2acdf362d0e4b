/*
 * An engine is Engine.IO (engine.c: transport, heartbeat, opening, upgrade)
 * with one of two things on top: Socket.IO (socketio.c: namespaces, events,
 * attachments), or nothing (messages.c: each message is an event of the one
 * session that it has from the start).  It knows neither; open.c chooses.
 */
#ifndef HUB_DIALECT_ENGINE_H
#define HUB_DIALECT_ENGINE_H

#include <assert.h>

#include "hub/recover/recover.h"
#include "hub/session/client.h"
#include "proto/eio.h"

/* A packet whose attachments have not all come. */
struct assembly {
	struct buf	 text;		/* the packet, as it came */
	struct buf	 bytes;		/* attachments, one behind the other */
	unsigned	 want;		/* announced */
	unsigned	 got;
	size_t		 ends[11];	/* of each in bytes */
	uint64_t	 deadline_us;
};

struct engine;

/* What is on top. */
struct engine_kind {
	struct client_kind client;
	/* opened: a session, or who is waited for.  false: no memory */
	bool	(*begin)(struct engine *, struct admission *);
	void	(*text)(struct engine *, struct slice);
	void	(*binary)(struct engine *, struct slice);
	/* forms over WebSocket, the same for b64, over polling */
	enum wire ws, b64, polling;
};
extern const struct engine_kind engine_socketio, engine_messages;

struct engine {
	struct client	 client;
	uint64_t	 connect_us;	/* deadline of the first CONNECT; 0 */
	struct assembly	*assembly;	/* NULL: none under way */
	struct comeback	 back;		/* recover.h */
	uint16_t	 failed;	/* CONNECTs that were refused */
	bool		 b64;		/* cannot take binary frames */
	char		 sid[EIO_SID_LEN + 1];
	struct engine_was *was;		/* its sessions are over; or NULL */
};

/* Who it was in its last session, for those who are told of its end. */
struct engine_was {
	uint32_t	 user_n;
	uint32_t	 ns_n;
	char		 text[];	/* the user's id; the namespace's name,
					 * with its NUL */
};
void	engine_remember(struct engine *, const struct session *);
bool	engine_was(const struct client *, const char **ns, struct slice *user);
void	engine_was_save(const struct engine *, struct buf *);
bool	engine_was_load(struct engine *, struct state_in *) MUST_USE;

static_assert(offsetof(struct engine, client) == 0, "engine_sid casts");
static_assert(offsetof(struct engine_kind, client) == 0, "a client_kind");

static inline struct engine *
engine_of(struct client *c)
{
	return (container_of(c, struct engine, client));
}

static inline const struct engine_kind *
engine_kind_of(const struct engine *e)
{
	return ((const struct engine_kind *)(const void *)e->client.kind);
}

/* What both kinds have of engine.c. */
#define ENGINE_CLIENT							\
	.slab = CLIENT_ENGINE, .text = engine_text,			\
	.binary = engine_binary, .due = engine_due, .tick = engine_tick, \
	.parting = engine_parting, .save = engine_save, .load = engine_load, \
	.was = engine_was, .sid = engine_own_sid
void	engine_text(struct client *, uint8_t *, size_t);
void	engine_binary(struct client *, uint8_t *, size_t);
void	engine_tick(struct client *);
void	engine_parting(struct client *, enum reason);
void	engine_gone(struct client *);
struct slice engine_own_sid(const struct client *);
void	engine_save(const struct client *, struct book *, struct buf *);
bool	engine_load(struct client *, struct book *, struct state_in *);

/* assembly.c: what came of a packet is dropped (NULL is fine); to another
 * worker. */
void	assembly_free(struct assembly **);
void	assembly_save(const struct assembly *, struct buf *);
struct assembly *assembly_load(struct state_in *) MUST_USE;

/* The nearest of the engine's own deadlines (us). */
uint64_t engine_due(const struct client *);

/* Opened on out, in this wire form; NULL as for engine_open(). */
struct client *engine_new(struct hub *, const struct engine_kind *,
	    struct admission *, enum wire, bool b64, struct outq *out) MUST_USE;

#endif
