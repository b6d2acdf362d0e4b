/*
 * One socket of a client: fill, pump, flush, close.
 *
 *	fill	the socket's bytes into the worker's one buffer
 *	pump	the bytes to the hand of the state (struct conn_hand); what is
 *		incomplete is kept
 *	flush	the hub's queue to the socket, once a turn
 *	close	one way out, with a reason, at the end of the turn
 *
 *	PREAMBLE ──► TLS or HTTP
 *
 *	TLS ──► HTTP ──► CANDIDATE ──► SESSION ──► CLOSING ──┐
 *	  │      │ └───► WS ───────────────────────►─┘       │
 *	  │      └─────► STREAM ──────────────────►──┐       │
 *	  └──────┴─────► LINGER ◄────────────────────────────┴──► DEAD
 */
#ifndef WORKER_NET_CONN_H
#define WORKER_NET_CONN_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <assert.h>

#include "base/address.h"
#include "base/reason.h"
#include "conf/network.h"
#include "hub/queue/out.h"
#include "hub/work.h"
#include "proto/ws.h"
#include "sys/loop.h"
#include "worker/net/host.h"
#include "worker/net/later.h"
#include "worker/net/record.h"
#include "worker/worker.h"

struct ask;
struct client;
struct conn;
struct conn_poll;
struct hearing;
struct http_body;
struct poller;
struct sockjs;
struct tunnel;
struct tls;
struct tls_ctx;
struct worker;

enum conn_state {
	CONN_PREAMBLE,	/* a header of the PROXY protocol comes */
	CONN_TLS,	/* handshake */
	CONN_IDLE,	/* HTTP: between two requests */
	CONN_HTTP,	/* a request comes, or its response is to come */
	CONN_HELD,	/* ... comes later, from its session over polling */
	CONN_ASKING,	/* ... and is the answers of clients, or workers */
	CONN_POLL,	/* ... and is what a room will keep */
	CONN_AWAITS,	/* ... comes later, from its session over SockJS */
	CONN_HEARING,	/* it is left where it is, and not read on (stalled),
			 * until it is known what a hook says of it */
	CONN_CANDIDATE,	/* frames; asks to take over a session over polling */
	CONN_WAITING,	/* ... has done so, but a POST that came before is not
			 * all done: it is not read */
	CONN_SESSION,	/* ... and is the session's only connection */
	CONN_WS,	/* frames; a client of the hub */
	CONN_STREAM,	/* a response without an end; a client of the hub that
			 * only hears */
	CONN_CHUNKED,	/* a response whose end is not known: what its session
			 * over SockJS receives */
	CONN_TUNNEL,	/* TLS whose plain bytes are another worker's */
	CONN_CLOSING,	/* our Close is out; only the peer's is waited for */
	CONN_LINGER,	/* the last bytes go out; what comes is discarded */
	CONN_DEAD,	/* closed; freed when the turn is over */
	CONN__MAX
};

/*
 * What is done for a connection by those above, by its state: a row for each
 * in worker.c.  NULL: nothing.
 */
struct conn_hand {
	/* There is something to read, which is left to it.  NULL: it is read,
	 * for: */
	void	(*ready)(struct conn *);
	/* Use of p[n] (n > 0), the first `old` bytes of which were seen
	 * before; returns bytes used, 0: more are needed, or not now.  NULL:
	 * nobody reads it. */
	size_t	(*input)(struct conn *, uint8_t *p, size_t n, size_t old);
	/* The deadline of the state has come.  NULL: it ends. */
	void	(*due)(struct conn *);
	/* It shall end: the last words, then conn_finish(), conn_wait() or
	 * conn_end().  NULL: conn_end(). */
	void	(*parting)(struct conn *);
	/* Nothing will be written any more. */
	void	(*gone)(struct conn *);
	/* What it had to say is written, or its next request is here. */
	void	(*drained)(struct conn *);
};

/* What follows a response that comes later. */
enum conn_after {
	CONN_STAYS,	/* the next request */
	CONN_LINGERS,	/* the end; more may be on its way, and is read */
	CONN_ENDS,	/* the end at once */
	CONN_UNFRAMED	/* CHUNKED: the end says that the body has ended */
};

/* Bytes that could not be used yet; heap, NULL while there are none. */
struct conn_tail {
	uint32_t	 n;
	uint32_t	 cap;
	uint8_t		 data[];
};

struct conn {			/* zeroed by the slab; on a cache line */
	unsigned	 magic;
#define CONN_MAGIC	0xc044c044
	uint8_t		 state;		/* enum conn_state */
	uint8_t		 reason;	/* enum reason, once parting is set */
	unsigned	 later : 2;	/* CONN_LATER_ bits: on the list */
	unsigned	 deflate : 2;	/* frames: enum deflate_window that was
					 * agreed on; before: NONE, or
					 * CONN_NO_DEFLATE */
	bool		 parting : 1;	/* closes at the end of this turn */
	bool		 abort : 1;	/* ... without another word */
	bool		 peer_closed : 1; /* its Close has been read */
	bool		 half : 1;	/* LINGER: shut down, then wait */
	bool		 shut : 1;	/* ... done */
	bool		 stalled : 1;	/* not read: what is queued goes first */
	bool		 refused : 1;	/* over the limit: told and closed */
	bool		 frozen : 1;	/* may be another's: see conn_save.h */
	bool		 documents : 1;	/* frames: as large as documents are */
	/* what a delivery touches ends with this line */
	struct outq	 outq;
	struct loop_fd	 io;
	struct tls	*tls;		/* NULL: plain */
	struct client	*client;	/* WS, STREAM, SESSION, WAITING */
	struct ws	 ws;
	struct conn_tail *tail;
	struct http_body *body;		/* HTTP: a request's body is coming */
	union {
		struct poller	*poller; /* HELD: it has the request; HTTP,
					  * IDLE, LINGER: had it, or will have
					  * it; CANDIDATE to SESSION */
		struct tunnel	*tunnel; /* TUNNEL */
		struct ask	*ask;	/* ASKING */
		struct conn_poll *polled; /* POLL */
		struct sockjs	*sockjs; /* AWAITS, CHUNKED */
		struct hearing	*hearing; /* HEARING */
	};
	struct worker	*w;
	TAILQ_ENTRY(conn) link;		/* of the worker's connections */
	struct conn	*next;		/* parting or doomed */
	struct later	 later_link;
	struct timer	 timer;		/* the nearest of: */
	struct mono	 deadline;	/*   of the state */
	struct mono	 blocked_until;	/*   of what the socket does not take */
	uint8_t		 address[16];	/* IPv6 or mapped; zero: unix socket.
					 * HTTP: the peer's; then the
					 * client's, who may be behind it */
	uint16_t	 port;		/* likewise; 0: not known */
	union {
		uint16_t close_code;	/* peer_closed: its code */
		uint16_t old_at;	/* else: its end, see age.h */
	};
	uint16_t	 waiting;	/* KiB, counted in send_queue_bytes */
	bool		 fin : 1;	/* the peer sends no more: read to the
					 * end, no other event tells of it */
	bool		 counted : 1;	/* in shm/count.h, see accept.c */
	unsigned	 after : 2;	/* HELD to AWAITS, CHUNKED: enum
					 * conn_after */
	bool		 secure : 1;	/* over TLS, which may be another
					 * worker's */
	bool		 passage : 1;	/* the far end of a tunnel: the connection
					 * is counted where its TLS is */
	bool		 no_status : 1;	/* its listener has no health, metrics */
	bool		 guest : 1;	/* over the limit: may ask for a status
					 * page, then it is closed */
	bool		 last : 1;	/* a passage whose TLS goes soon: it ends
					 * with its next response */
	bool		 recorded : 1;	/* its end is told */
	unsigned	 proxy : 2;	/* PREAMBLE: what header is taken */
	bool		 vouched : 1;	/* a passage whose TLS has a client's
					 * certificate: who it is, is known only
					 * there, so it ends likewise */
	bool		 no_clients : 1; /* its listener has none, */
	bool		 no_api : 1;	/* nor the HTTP API */
	bool		 far_tls : 1;	/* its client speaks TLS with the proxy, as
					 * that one's header says */
	uint32_t	 address_node;	/* of its address, while counted; of a
					 * guest: its listener */
	union {
		uint32_t since_us;	/* low bits of the time of accept, or
					 * when it was last blocked */
		uint32_t in_kernel;	/* blocked: bytes it has not passed on
					 * when that began */
	};
};

static_assert(offsetof(struct conn, outq) == 8, "one line a delivery");
static_assert(offsetof(struct conn, magic) == offsetof(struct host, magic) &&
    offsetof(struct conn, outq) == offsetof(struct host, outq), "a host");
static_assert(offsetof(struct conn, io.fd) < 64, "one line a delivery");
static_assert(sizeof(struct conn) <= 256, "with the hub's client, an idle "
    "plain connection has 512 bytes");

/* When it was accepted, as record_time(); the number of its client, 0: it has
 * none yet.  They stand where timer and descriptor leave room. */
static inline uint32_t *
conn_opened(struct conn *c)
{
	return (&c->timer.own);
}

static inline uint32_t *
conn_number(struct conn *c)
{
	return (&c->io.own);
}

static inline bool
conn_is_http(const struct conn *c)
{
	return (c->state >= CONN_IDLE && c->state <= CONN_HEARING);
}

static inline bool
conn_is_ws(const struct conn *c)
{
	return (c->state >= CONN_CANDIDATE && c->state <= CONN_WS);
}

/* It is a client's from now to its end. */
static inline bool
conn_is_client(const struct conn *c)
{
	return (conn_is_ws(c) || c->state == CONN_STREAM);
}

/* Its client speaks TLS, with us or with the proxy. */
static inline bool
conn_is_secure(const struct conn *c)
{
	return (c->secure || c->far_tls);
}

/* Its peer is a trusted proxy, which brings the requests of others.  A WebSocket
 * is its client's own. */
static inline bool
conn_is_proxied(const struct conn *c)
{
	const struct conf *conf = c->w->conf;

	return (conf->nproxies > 0 && c->state < CONN_CANDIDATE &&
	    conf_network_listed(conf->proxies, conf->nproxies, c->address));
}

/* What it sent stays where it is until somebody says otherwise, */
static inline bool
conn_held_up(const struct conn *c)
{
	return (c->parting || c->stalled || c->state == CONN_WAITING);
}

/* ... or until the next turn. */
static inline bool
conn_waits(const struct conn *c)
{
	return (work_done(c->w->work) || conn_held_up(c));
}

enum { CONN_LATER_READ = 1, CONN_LATER_WRITE = 2 };

/* Its listener has no permessage-deflate. */
#define CONN_NO_DEFLATE	3u
static_assert((unsigned)DEFLATE__MAX <= CONN_NO_DEFLATE, "conn.deflate");

/*
 * How the kernel tells of readiness: 0 level-triggered, or edge-triggered with
 * word of the peer's FIN.  Level costs a second look at each socket that was
 * read: an echo by 50 and by 500 connections took 7.1 and 7.0 us of CPU so,
 * 6.0 and 6.6 edge-triggered (medians of four).
 */
#define CONN_TRIGGER	(LOOP_EDGE | LOOP_HUP)

#define CONN_TLS_RECORD	16384u	/* bytes of the worker's tlsbuf */

/* Take over fd; NULL: no memory (fd is closed). addr: the peer's. */
struct conn *conn_new(struct worker *, int fd, struct tls_ctx *,
	    const struct sockaddr_storage *addr) MUST_USE;
void	conn_check(const struct conn *);
/* Let go of the socket, which somebody else has from now on; returned.  What
 * was read is the caller's to pass along; nothing may be queued. */
int	conn_release(struct conn *);
/* Bytes that came with a socket stand in the worker's buffer. */
void	conn_given(struct conn *, size_t n);
/* This is no client's socket: counted as a connection no more. */
void	conn_is_passage(struct conn *);
/* A peer's address as conns have it; returns its port. */
uint16_t conn_address(const struct sockaddr_storage *, uint8_t address[16]);

/* Queue bytes for this connection alone (HTTP heads and bodies, frames). */
void	conn_say(struct conn *, struct slice);
/*
 * The connection shall end: at the end of this turn, after what is queued and
 * a Close frame, if the reason has a code; when it is frozen, as soon as it is
 * not.  The first reason counts.  Safe from anywhere, the hub's ports included.
 */
void	conn_close(struct conn *, enum reason);
/* The same without another word: the socket is dead or does not take any. */
void	conn_abort(struct conn *, enum reason);
/* So much is queued that its client's input waits. */
bool	conn_is_behind(const struct worker *, const struct outq *);
/* It has lived for as long as it may. */
bool	conn_is_old(const struct conn *);
/* So, or as its TLS cannot go to those who come after this worker, its next
 * response is the last: its client finds them over another connection. */
bool	conn_is_last(const struct conn *);
/* A deadline changed: see that the timer is early enough. */
void	conn_rearm(struct conn *);
/* Take bytes from the queue to the socket: hub_ports.flush. */
void	conn_flush(struct outq *);
/* The same without waiting for the turn's end; HTTP only. */
void	conn_push(struct conn *);
/* Bytes that were read once are read again, before those that were kept, in the
 * next turn.  false: too many, or no memory. */
bool	conn_read_again(struct conn *, struct slice) MUST_USE;
/* Do this part again without waiting for an event. */
void	conn_later(struct conn *, unsigned bits);

/* --- ends, for the hands ------------------------------------------------- */

/* Let go of the socket and all that hangs on it. */
void	conn_end(struct conn *);
/* The same when what is queued is out. */
void	conn_finish(struct conn *);
/* It is in this state (CLOSING, LINGER) for so long. */
void	conn_wait(struct conn *, enum conn_state, uint64_t ms);
void	conn_tail_free(struct conn *);

/* --- turns --------------------------------------------------------------- */

/* At its start: those with work left over. */
void	conn_turn_start(struct worker *);
/* At its end: those that were to close do so, one step; */
void	conn_part_all(struct worker *);
/* ... sockets that have room again; */
void	conn_write_later(struct worker *);
/* ... and who is gone for good. */
void	conn_free_doomed(struct worker *);
/* As many steps of TLS handshakes were made as a turn has time for. */
bool	conn_tls_is_busy(const struct worker *);

/* "203.0.113.7:51234", for the log. */
#define CONN_NAME_MAX	ADDRESS_TEXT_MAX
const char *conn_name(const struct conn *, char out[CONN_NAME_MAX]);

/* conn_record.c: it has a client now, which its fields need not tell yet; it
 * parts, client: NULL, it has none. */
void	conn_record_open(struct conn *, const struct client *);
void	conn_record_end(struct conn *, const struct client *);
/* Something happened to its client; or who has this address was refused, with
 * this code, and perhaps as this user. */
void	conn_record_note(struct conn *, const struct client_noted *);
void	conn_record_refused(struct conn *, const uint8_t address[16],
	    uint16_t port, struct slice user, const char *code);
/* So much is queued that it is not read any more; it went to another worker,
 * beside which its own one goes on. */
void	conn_record_slow(struct conn *);
void	conn_record_moved(struct conn *);

#endif
