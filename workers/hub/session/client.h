/*
 * A client, whatever it speaks: its kind, which dialect/ has, and what all
 * kinds share.  What the host calls is in hub/client.h.
 */
#ifndef HUB_SESSION_CLIENT_H
#define HUB_SESSION_CLIENT_H

#include <assert.h>

#include "hub/client.h"
#include "hub/session/session.h"

enum client_slab { CLIENT_PLAIN, CLIENT_ENGINE };	/* hub.clients */

struct comeback;

struct client_kind {
	enum client_slab slab;	/* of the struct that begins with client */
	void	(*text)(struct client *, uint8_t *, size_t);
	void	(*binary)(struct client *, uint8_t *, size_t);
	void	(*pong)(struct client *);
	/* the nearest of its own deadlines (us, 0: none), and: it has come */
	uint64_t (*due)(const struct client *);
	void	(*tick)(struct client *);
	/* about to go: sessions may be kept (NULL: never) */
	void	(*parting)(struct client *, enum reason);
	/* the end (NULL: nothing to do) */
	void	(*gone)(struct client *);
	/* one session's token is over */
	void	(*expire)(struct client *, struct session *);
	/* one session has to go: it is told, and freed; a connection that has
	 * no other is closed for this reason */
	void	(*kick)(struct client *, struct session *, enum reason);
	/* what recover.h keeps in it (NULL: nobody comes back on this kind) */
	struct comeback *(*comeback)(struct client *);
	/* CONNECT is answered: who asked for a session that nobody has gets a
	 * new one, if he may now; it came back, and goes on with this client */
	void	(*enter)(struct client *, const struct conf_namespace *,
		    struct principal *, struct slice auth);
	void	(*back)(struct client *, struct session *);
};

/* A text packet or message from a scratch buffer; binary bytes. */
void	client_send(struct client *, const struct buf *);
void	client_send_binary(struct client *, struct slice);
/* Ask the host to close; further input is ignored. */
void	client_close(struct client *, enum reason);
struct client *client_new(struct hub *, const struct client_kind *,
	    enum wire, struct outq *, struct admission *) MUST_USE;
void	client_link(struct client *, struct session *);
void	client_unlink(struct client *, struct session *);
/* Deadlines have changed: compute due, tell the host when it is earlier. */
void	client_schedule(struct client *);

/* From now on there is a ping each interval. */
void	client_beat_start(struct client *);
/* Send the ping when it is due (true), close when its pong is overdue. */
bool	client_beat(struct client *, struct slice ping);
/* When either has to be looked at (us). */
uint64_t client_beat_due(const struct client *);
/* A sign of life while a pong is due: its deadline is put off, once. */
void	client_beat_extend(struct client *);
/* The pong came; false: none was due. */
bool	client_beat_answered(struct client *);

/* Asked at each use of a session's rights; true: over, and it has been ended
 * for that. */
bool	client_expired(struct session *) MUST_USE;

#endif
