/*
 * The two halves of an engine: engine.c (Engine.IO: transport, heartbeat,
 * opening, upgrade) and engine_packet.c (Socket.IO: namespaces, events,
 * attachments).
 */
#ifndef HUB_ENGINE_INT_H
#define HUB_ENGINE_INT_H

#include <assert.h>

#include "hub/client_int.h"
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

struct engine {
	struct client	 client;
	uint64_t	 connect_us;	/* deadline of the first CONNECT; 0 */
	struct assembly	*assembly;	/* NULL: none under way */
	struct sentlog	*log;		/* NULL: recovery is off */
	unsigned	 asking;	/* recoveries that wait for an answer */
	bool		 b64;		/* cannot take binary frames */
	char		 sid[EIO_SID_LEN + 1];
};

static_assert(offsetof(struct engine, client) == 0, "engine_sid casts");

static inline struct engine *
engine_of(struct client *c)
{
	return (container_of(c, struct engine, client));
}

/* The nearest of the engine's own deadlines (us). */
uint64_t engine_due(const struct engine *);

/* One Socket.IO packet; a binary message behind it. */
void	engine_packet(struct engine *, struct slice text);
void	engine_attachment(struct engine *, struct slice data);
void	engine_assembly_free(struct engine *);
/* A new session in the namespace, and the reply to CONNECT. */
void	engine_enter(struct engine *, const struct conf_namespace *,
	    struct principal *);
/* Position in the log behind all that is queued. */
uint64_t engine_pos(const struct engine *);
/* One session's token is over. */
void	engine_expire(struct client *, struct session *);

#endif
