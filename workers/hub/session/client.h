/*
 * A client, whatever it speaks: its kind, which dialect/ has, and what all
 * kinds share.  What the host calls is in hub/client.h.
 */
#ifndef HUB_SESSION_CLIENT_H
#define HUB_SESSION_CLIENT_H

#include <assert.h>

#include "hub/client.h"
#include "hub/session/session.h"

enum client_slab { CLIENT_PLAIN, CLIENT_ENGINE,
	CLIENT_SSE, CLIENT_YJS };	/* hub.clients */
/* As one worker tells another: never used for something else. */
enum client_number { CLIENT_IS_PLAIN = 1, CLIENT_IS_SOCKETIO,
	CLIENT_IS_MESSAGES, CLIENT_IS_SSE, CLIENT_IS_SOCKJS,
	CLIENT_IS_SOCKJS_POLLING, CLIENT_IS_YJS };

struct book;
struct buf;
struct comeback;
struct principals;
struct state_in;

struct client_kind {
	enum client_slab slab;	/* of the struct that begins with client */
	uint8_t	number;		/* enum client_number */
	bool	documents;	/* it sends messages as large as these */
	void	(*text)(struct client *, uint8_t *, size_t);
	void	(*binary)(struct client *, uint8_t *, size_t);
	void	(*pong)(struct client *);
	/* the nearest of its own deadlines (us, 0: none), and: it has come */
	uint64_t (*due)(const struct client *);
	void	(*tick)(struct client *);
	/* the last words, behind all that is queued (NULL: it has none of its
	 * own) */
	void	(*farewell)(struct client *, unsigned code, const char *words);
	/* about to go: sessions may be kept (NULL: never) */
	void	(*parting)(struct client *, enum reason);
	/* the end (NULL: nothing to do) */
	void	(*gone)(struct client *);
	/* one session's token is over, or revoked: as below, and a connection
	 * that has no session any more is closed */
	void	(*expire)(struct client *, struct session *, enum reason);
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
	/* it was in this namespace at another worker, and here there is none
	 * (NULL: it has one session, and goes) */
	void	(*no_namespace)(struct client *, struct slice name);
	/* the id that its requests have (NULL: its session's) */
	struct slice (*sid)(const struct client *);
	/* who it was while it had a session (NULL: that is still known);
	 * false: it had none */
	bool	(*was)(const struct client *, const char **ns,
		    struct slice *user);
	/* to another worker: its own fields.  load: on those that are zero, when
	 * client's are there; false: bad, or no memory, and nothing is held */
	void	(*save)(const struct client *, struct book *, struct buf *);
	bool	(*load)(struct client *, struct book *, struct state_in *);
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

/* auth:expiring, now. */
void	client_warn(struct session *);
/* Asked at each use of a session's rights; true: over, and it has been ended
 * for that. */
bool	client_expired(struct session *) MUST_USE;

/*
 * client_save.c: from one worker to another, the fields that all kinds share.
 * make: without a session, on this queue; NULL: bad, or no memory; *gone: the
 * route that it came by is no more.
 */
void	client_put(const struct client *, const struct principals *,
	    struct buf *);
struct client *client_make(struct hub *, const struct client_kind *,
	    struct outq *, const struct principals *, struct state_in *,
	    bool *gone) MUST_USE;
/* It has no session any more, and what its kind has is gone. */
void	client_drop(struct client **);

#endif
