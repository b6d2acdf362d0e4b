/*
 * What the two kinds of client share, inside the hub.
 */
#ifndef HUB_CLIENT_INT_H
#define HUB_CLIENT_INT_H

#include "hub/client.h"
#include "hub/rule.h"
#include "hub/session.h"

struct client_kind {
	size_t	  size;		/* of the struct that begins with client */
	void	(*text)(struct client *, uint8_t *, size_t);
	void	(*binary)(struct client *, uint8_t *, size_t);
	void	(*pong)(struct client *);
	/* its own deadlines have come; returns the next one (us, 0: none) */
	uint64_t (*tick)(struct client *);
	/* about to go: sessions may be kept (NULL: never) */
	void	(*parting)(struct client *, enum reason);
	/* the end (NULL: nothing to do) */
	void	(*gone)(struct client *);
	/* one session's token is over */
	void	(*expire)(struct client *, struct session *);
	/* a back end ends one session: it is told, and freed */
	void	(*kick)(struct client *, struct session *);
};

struct asked;

struct client {
	unsigned	 magic;
#define CLIENT_MAGIC	0xc11e47c1
	bool		 closing;	/* we asked the host to close */
	uint8_t		 wire;		/* enum wire */
	uint8_t		 nsessions;
	uint8_t		 ping_timeouts;	/* extensions of this ping, 0 or 1 */
	const struct client_kind *kind;
	struct hub	*hub;
	struct outq	*out;
	void		*host;
	struct session	*sessions;	/* in order of joining */
	struct principal *who;		/* from the handshake; may be NULL */
	struct asked	*asked;		/* events it has not acknowledged */
	enum authfail	 fail;		/* of the handshake's token */
	uint32_t	 strikes;	/* refusals since strikes_us */
	uint64_t	 due_us;	/* when client_tick is wanted */
	uint64_t	 own_due_us;	/* what the kind's tick wanted */
	uint64_t	 auth_due_us;	/* next expiry or warning; 0: none */
	/* heartbeat: Engine.IO packets, or WebSocket frames when plain */
	uint64_t	 ping_us;	/* next ping, or the last one's time */
	uint64_t	 pong_us;	/* deadline of its pong; 0: none due */
	/* limit.c */
	uint64_t	 address;	/* limit_address(); 0: unix socket */
	uint64_t	 serial;	/* no other client of this hub has it */
	uint64_t	 strikes_us;	/* the first of its refusals */
};

/* A text packet or message from a scratch buffer; binary bytes. */
void	client_send(struct client *, const struct buf *);
void	client_send_binary(struct client *, struct slice);
/* Ask the host to close; further input is ignored. */
void	client_close(struct client *, enum reason);
/* kick of a kind whose connections have one session: they go with it. */
void	client_kick(struct client *, struct session *);
struct client *client_new(struct hub *, const struct client_kind *,
	    enum wire, struct outq *, void *host, struct admission *) MUST_USE;
/* The one session of a client that has it from the start: admission says
 * where, for whom, in which room.  false: no memory. */
bool	client_begin(struct client *, struct admission *) MUST_USE;
void	client_link(struct client *, struct session *);
void	client_unlink(struct client *, struct session *);
/* Deadlines have changed: compute due, tell the host when it is earlier. */
void	client_schedule(struct client *, uint64_t own_us);
void	client_reschedule(struct client *);	/* own: unchanged */

/* Send the ping when it is due, close when its pong is overdue; the next
 * deadline (us). */
uint64_t client_beat(struct client *, struct slice ping);
/* The pong came; false: none was due. */
bool	client_beat_answered(struct client *);

/* Verify a token. AUTH_OK: *who is a new reference. Failures are counted, and
 * held against the address. */
enum authfail client_verify(struct hub *, uint64_t address,
	    struct slice token, struct principal **who);
/* May this identity use the namespace?  NULL, or the words of the refusal;
 * *code is its stable name. */
const char *client_admits(const struct conf_namespace *, char *const *roles,
	    size_t nroles, const struct principal *, const char **code);
/* auth:refresh; true: accepted and acked. */
bool	client_refresh(struct session *, const struct inbound *,
	    struct slice token);

#endif
