/*
 * A session: one client in one namespace, whatever the transport.  Holds who
 * it is, the rooms it is in, and how to answer it.
 */
#ifndef HUB_SESSION_SESSION_H
#define HUB_SESSION_SESSION_H

#include "base/reason.h"
#include "hub/model.h"

struct buf;
struct hub;

/*
 * Begin: a new sid, the namespace's and the user's channel, presence.  Takes
 * a reference to who.  The caller links it to its client.  sid: one that was
 * made before (sids.h), or empty.  NULL: no memory.
 */
struct session *session_new(struct hub *, struct client *, struct outq *,
	    enum wire, const struct conf_namespace *, struct principal *who,
	    struct slice sid) MUST_USE;
/* Leave all rooms, free: one that is parked, or never was anybody's. */
void	session_free(struct session **);
/* The same of one that may have a client: why it ends. */
void	session_over(struct session **, enum reason);

/*
 * Recovery.  Parked: without a client, in all its rooms, not counted and not
 * present; out is then a queue of its own.  made: parked from the start, with
 * a sid from elsewhere (20 characters).  resume: back on a client.
 */
void	session_park(struct session *, enum reason);
struct session *session_made(struct hub *, struct outq *, enum wire,
	    const struct conf_namespace *, struct principal *,
	    struct slice sid) MUST_USE;
void	session_resume(struct session *, struct client *);

/*
 * From another worker (session_save.c), and to one: nobody is told, and nothing
 * counts as news.  load: parked, in the rooms that it says; those of the
 * principals whose number it says.  NULL: bad, or no memory.  take: one that
 * was made, or loaded, has this client.  give: it is off its client's list.
 */
struct book;
struct principals;
struct state_in;
void	session_save(const struct session *, const struct principals *,
	    struct buf *);
struct session *session_load(struct hub *, struct outq *, enum wire,
	    const struct principals *, struct state_in *,
	    struct slice *gone) MUST_USE;
void	session_take(struct session *, struct client *);
void	session_give(struct session **);

/* When it has been silent for idle_after (us); 0: never, or it is told. */
uint64_t session_silent_due(const struct session *);

/* What the sender asked to be answered by. */
enum ack_kind { ACK_NONE, ACK_SIO, ACK_RAW };
struct ack {
	enum ack_kind	 kind;
	uint64_t	 id;		/* SIO */
	struct slice	 raw;		/* RAW: JSON number or string */
};

/* A packet or message that is ready, in the client's protocol. */
void	session_send(struct session *, const struct buf *);
/* args: one JSON element, or none.  Nothing happens without an ack. */
void	session_ack(struct session *, const struct ack *, struct slice args);
/* The same with what b holds.  It holds not all: no memory, and its client,
 * who is owed an answer, goes (queue/send.h). */
void	session_ack_buf(struct session *, const struct ack *,
	    const struct buf *);
/* The same with elements, and binary attachments for their placeholders. */
void	session_ack_binary(struct session *, const struct ack *,
	    struct slice args, const struct slice *attachments, unsigned n);
/* The error as the ack, or, when none was asked for, as event "error". */
struct session_error {
	const char	*code;
	struct slice	 message;
	struct slice	 data;		/* any JSON value, or empty */
	struct slice	 more;		/* members, raw, each with its comma
					 * before it */
};
void	session_error(struct session *, const struct ack *,
	    const struct session_error *, struct slice event);
/* A server event to this session alone; event is a raw JSON string. */
void	session_emit(struct session *, struct slice event, struct slice args);
/* The same with what b holds.  It holds not all: an event that is dropped. */
void	session_emit_buf(struct session *, struct slice event,
	    const struct buf *);
/* It is about to be ended: roost:disconnect with the reason, a raw JSON string
 * (empty: nothing is said). */
void	session_farewell(struct session *, struct slice reason);

#endif
