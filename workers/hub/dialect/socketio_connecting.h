/*
 * CONNECTs of Socket.IO that wait for what a hook says, or, after that, for a
 * session that is recovered.  What the client sends to the namespace meanwhile
 * waits behind, in order, within bounds; its other namespaces go on.
 *
 *	CONNECT ─► ask ──► hook ──► said ──► a session, or CONNECT_ERROR ──► end
 *	packets ─► hold ────────────────────────────────────────────────► again
 *
 * A client with one of these does not go to another worker.
 */
#ifndef HUB_DIALECT_SOCKETIO_CONNECTING_H
#define HUB_DIALECT_SOCKETIO_CONNECTING_H

#include "hub/session/client.h"
#include "proto/sio.h"
#include "proto/json_verdict.h"

/* Packets of one client that wait for one namespace, and their bytes. */
#define CONNECTING_BEHIND	128u
#define CONNECTING_BEHIND_BYTES	(1u << 20)

struct connecting;
struct connectings;

struct connecting_calls {
	/* The hook has answered (v: NULL: it has not, in time), and its client is
	 * here. */
	void	(*said)(struct connecting *, const struct verdict *v);
	/* One that has waited behind it. */
	void	(*again)(struct client *, const struct sio_packet *,
		    const struct slice *attachments, unsigned n);
};

struct connectings *connectings_new(void) MUST_USE;	/* NULL: no memory */
void	connectings_free(struct hub *);
/* A turn ends. */
void	connectings_turn(struct hub *);

/* Ask whether this client may come, who has said so much of himself (auth, a JSON
 * object or empty); what is to be known of the answer later on is below.  false:
 * nobody can be asked. */
bool	connecting_ask(struct client *, const struct conf_namespace *,
	    struct principal *who, struct slice auth,
	    const struct connecting_calls *) MUST_USE;
/* The one of this client for this namespace; NULL: none. */
struct connecting *connecting_find(const struct client *, struct slice nsp);
/* How many namespaces is it about to be in? */
unsigned connecting_count(const struct client *);
/* A packet for it waits.  false: there would be too many, or no memory. */
bool	connecting_hold(struct connecting *, const struct sio_packet *,
	    const struct slice *attachments, unsigned n) MUST_USE;
/* It is over, for this namespace: when the turn ends, what has waited goes on, if
 * there is a session.  Harmless when there is none. */
void	connecting_end(struct client *, const struct conf_namespace *);
/* Another CONNECT comes in its place, and what has waited behind it is dropped.
 * false: its hook has answered, and it stays. */
bool	connecting_forget(struct connecting *) MUST_USE;
/* The client goes. */
void	connecting_cancel(struct client *);

struct client *connecting_client(const struct connecting *);
const struct conf_namespace *connecting_ns(const struct connecting *);
/* Who asks, or NULL; whom a hook may make somebody else. */
struct principal **connecting_who(struct connecting *);
/* When, unix. */
uint64_t connecting_asked_ms(const struct connecting *);
struct slice connecting_auth(const struct connecting *);
/* The sid that its session is to have. */
struct slice connecting_sid(const struct connecting *);
/* What the hook has given; empty: nothing. */
struct slice connecting_granted(const struct connecting *);

#endif
