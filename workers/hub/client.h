/*
 * A client: what is on the other end of a connection once HTTP is over, or of a
 * response that does not end.  Six kinds: an Engine.IO engine with Socket.IO sessions on it (engine.c,
 * socketio.c), one with a single session and nothing on it (engine.c,
 * messages.c), a plain WebSocket with one session (plain.c), the same behind SockJS
 * (sockjs.c), a provider of Yjs with one document (yjs.c), and an event stream with one that only hears (sse.c).  The
 * host makes one after the handshake, feeds it messages, tells it the time
 * when it is due, and takes it away when the connection is gone.
 */
#ifndef HUB_CLIENT_H
#define HUB_CLIENT_H

#include "base/clock.h"
#include "base/reason.h"
#include "hub/hub.h"
#include "proto/token.h"

struct client;
struct eio_payload;
struct handshake;
struct hearing;

/* --- handshake ----------------------------------------------------------- */

#define HANDSHAKE_MAX	4096	/* bytes that are kept of one */

/* What the request said about who is there.  The host looks for a token in
 * Authorization, the configured cookie and query parameter, and in the
 * subprotocol "bearer.TOKEN", in this order; the first found counts. */
struct client_request {
	struct slice	 token;		/* empty: none given */
	struct slice	 vouched;	/* claims that the host vouches for, where
					 * no token says otherwise; empty: none */
	struct slice	 since;		/* places in the namespace's rooms that its
					 * client has seen, or empty: plain only */
	struct slice	 handshake;	/* what is kept of it: see
					 * session/handshake.h; or empty */
	uint64_t	 address;	/* limit_address() of the peer */
	const struct conf_namespace *ns;	/* NULL: Socket.IO's CONNECT
						 * will name some */
	const struct conf_route *route;		/* by route, else NULL */
	struct slice	 values[CONF_PARAMS_MAX]; /* the route's parameters,
						   * percent-decoded */
	bool		 polls;		/* so no rollout keeps it out */
	bool		 once;		/* no session comes of it */
	/* Where what a hook says of this request hangs: the host's, and at first
	 * NULL; asker: for ports.heard().  NULL: it cannot wait. */
	struct hearing	**hearing;
	void		*asker;
};
/* The request goes, or is answered.  Clears; NULL is fine. */
void	hearing_forget(struct hearing **);

/* Outcome of the checks, between request and 101. */
struct admission {
	struct principal *who;		/* NULL: anonymous */
	enum authfail	 fail;		/* why a given token was refused */
	const struct conf_namespace *ns;
	const struct conf_route *route;
	char		*room;		/* heap; to join at once, or NULL */
	size_t		 room_len;
	struct slice	 since;		/* as asked with; borrowed */
	enum deflate_window window;	/* set by the host: its WebSocket may be
					 * sent compressed messages */
	uint64_t	 address;	/* as asked with */
	struct handshake *handshake;	/* or NULL */
	struct count	*count;		/* where it is counted */
	uint32_t	 user_node, ns_node;	/* as in limit.h; 0: not */
	struct slice	 granted;	/* what the hook has said (proto/json_verdict.h),
					 * of the request's hearing; or empty */
	bool		 has_sid;	/* its session will have this one, which
					 * the hook has been told */
	char		 sid[20];
};
void	admission_fini(struct admission *);

struct refusal {
	int		 status;	/* 401, 403, 429, 503, or what a hook says;
					 * 0: a hook is asked, and ports.heard()
					 * will say when to ask again */
	const char	*code;		/* stable: "unauthorized" ... */
	const char	*message;	/* for people */
	uint64_t	 retry_ms;	/* 429, 503: not before; 0: who knows */
	const struct conf_namespace *poll; /* it may be polled instead; NULL */
	struct slice	 data;		/* of a hook: JSON, or empty; with code
					 * and message it belongs to the hearing */
};
/* Where that is, appended as a JSON string: "/poll/NS". */
void	refusal_poll_path(struct buf *, const struct conf_namespace *);

/* Engine.IO: a bad token is no refusal yet (CONNECT may bring another), but
 * AUTHFAIL_rate_limited is one. */
void	engine_admit(struct hub *, const struct client_request *,
	    struct admission *);
/* Plain WebSocket, and routes of Engine.IO: true, or false with refusal
 * filled in.  Either way the admission is to be ended: it says who was there. */
bool	plain_admit(struct hub *, const struct client_request *,
	    struct admission *, struct refusal *) MUST_USE;

/*
 * After the 101 was queued on out, by which the transport finds itself.  Takes
 * over what admission holds (fini stays harmless); an engine that was admitted
 * with a route has no Socket.IO.  NULL: no memory (close the connection;
 * something may be queued).
 */
struct client *engine_open(struct hub *, struct admission *, bool b64,
	    struct outq *out) MUST_USE;		/* b64: no binary */
struct client *plain_open(struct hub *, struct admission *, struct outq *out)
	    MUST_USE;

/* --- documents of Yjs -------------------------------------------------------- */

/* As plain_open(), for a route with format = yjs. */
struct client *yjs_open(struct hub *, struct admission *, struct outq *out)
	    MUST_USE;
/* Its messages may be as large as documents are. */
bool	client_has_documents(const struct client *);
/* What is said to one that is not admitted, before the Close: a whole message. */
void	yjs_denied(struct buf *, const struct refusal *);

/* --- event streams --------------------------------------------------------- */

#define SSE_ROOMS_MAX	32	/* of one stream */

/* What a stream's request names, decoded; borrowed. */
struct sse_ask {
	struct slice	 rooms[SSE_ROOMS_MAX];
	unsigned	 nrooms;
	struct slice	 last;		/* the id of the last event that its
					 * client has seen; empty: none */
	bool		 strict;	/* one that cannot be read is refused,
					 * else it is a gap */
};
/* As plain_admit() and plain_open(), with every room: what may not be joined is
 * refused.  Where none is named, and the namespace has rooms of everybody, these
 * are filled in, until the next is admitted. */
bool	sse_admit(struct hub *, const struct client_request *,
	    struct sse_ask *, struct admission *, struct refusal *) MUST_USE;
struct client *sse_open(struct hub *, struct admission *,
	    const struct sse_ask *, struct outq *out) MUST_USE;

/* --- long polls ------------------------------------------------------------ */

struct longpoll;

/* What a poll's request names, decoded; borrowed. */
struct longpoll_ask {
	struct slice	 room;
	struct slice	 since;		/* EPOCH:OFFSET, 0: all that is kept, or
					 * empty: the newest */
	struct slice	 seen;		/* the place that its client has all up
					 * to, or empty: it need not hear that
					 * again */
	uint64_t	 wait_ms;	/* for something new */
	unsigned	 limit;		/* of events */
};
struct longpoll_answer {
	int		 status;	/* 200; 304; 401, 503: an error */
	struct slice	 body;		/* JSON, or empty */
	struct slice	 place;		/* behind it; or empty */
};
/* As plain_admit(); the room is one that is kept and that may be joined. */
bool	longpoll_admit(struct hub *, const struct client_request *,
	    const struct longpoll_ask *, struct admission *, struct refusal *)
	    MUST_USE;
/* ports.polled() will tell asker once, later, and it is over then; an asker that
 * goes before forgets it.  NULL: no memory, or the store cannot be asked. */
struct longpoll *longpoll_open(struct hub *, struct admission *,
	    const struct longpoll_ask *, void *asker) MUST_USE;
/* Clears; NULL is fine. */
void	longpoll_forget(struct longpoll **);
/* The worker goes: all that wait are answered. */
void	longpoll_leave(struct hub *);

/* --- SockJS ---------------------------------------------------------------- */

struct sockjs_messages;

/* As plain_open(): over WebSocket. */
struct client *sockjs_open(struct hub *, struct admission *, struct outq *out)
	    MUST_USE;
/*
 * Over HTTP, without a connection: out is the queue of whatever stands for it,
 * and holds strings, each with a comma behind it, of which the host makes
 * frames.  The host has its deadlines.
 */
struct client *sockjs_open_polling(struct hub *, struct admission *,
	    struct outq *out) MUST_USE;
/* Messages out of a body, one at least, and as many as may be done now (work.h).
 * true: those were all, or the client is closing; else what is left of *m is for
 * later. */
bool	sockjs_take(struct client *, struct sockjs_messages *m) MUST_USE;

struct outq *client_out(const struct client *);
/* It speaks Engine.IO. */
bool	client_is_engine(const struct client *);

/* --- who it is, for the log ---------------------------------------------- */

/* Of its token, or of the first session's that has one; empty: nobody. */
struct slice client_user(const struct client *);
/* The id of its first session, or of its engine. */
struct slice client_sid(const struct client *);
/* Of who was looked at by plain_admit(), be it in vain. */
struct slice admission_user(const struct admission *);
/* The name of the namespace of its i-th session, in order of joining; NULL: it
 * has not so many. */
const char *client_namespace(const struct client *, unsigned i);

/* --- Engine.IO over HTTP polling ----------------------------------------- */

/*
 * An engine without a connection: out is the queue of whatever stands for it
 * and holds packets, each with the separator 0x1e behind it.  The
 * host answers a GET with all that is queued, less the last separator.
 */
struct client *engine_open_polling(struct hub *, struct admission *, bool b64,
	    struct outq *out) MUST_USE;
/* EIO_SID_LEN characters; the first two bytes name slot and generation. */
const char *engine_sid(const struct client *);
/* Packets out of the body of a POST, writable: one at least, and as many as
 * may be done now (work.h).  true: those were all, or the client is closing;
 * else what is left of *it is for later. */
bool	engine_payload(struct client *, struct eio_payload *it) MUST_USE;
/* false: its namespaces have a rollout that leaves it on polling, counted. */
bool	engine_may_upgrade(const struct client *) MUST_USE;
/*
 * The packet "5" came on a WebSocket, which has agreed on this window: from now
 * on out is that connection's; what the polling queue holds is moved there.  Then the
 * client is fed by client_text() and client_binary().  false: no memory,
 * close it.  The old queue is empty; its memory stays until the turn ends.
 */
bool	engine_upgrade(struct client *, struct outq *out,
	    enum deflate_window) MUST_USE;

/* --- life ---------------------------------------------------------------- */

/* One whole WebSocket message.  data is writable and only borrowed. */
void	client_text(struct client *, uint8_t *data, size_t n);
void	client_binary(struct client *, uint8_t *data, size_t n);
/* A WebSocket pong frame (plain clients are pinged by WebSocket). */
void	client_pong(struct client *);

/* When client_tick wants to be called next; never 0. */
struct mono client_due(const struct client *);
void	client_tick(struct client *);

/* It is going to be closed with this code: what its transport has to say of that
 * itself, behind what is queued, before any Close frame. */
void	client_farewell(struct client *, enum reason);
/* The connection has ended (or ends now): leave everything, free. Clears the
 * pointer.  reason is counted by the host, and told to the log. */
void	client_gone(struct client **, enum reason);

#endif
