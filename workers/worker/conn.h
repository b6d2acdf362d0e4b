/*
 * One socket of a client: fill, pump, flush, close.
 *
 *	fill	the socket's bytes into the worker's one buffer
 *	pump	the bytes to HTTP (request.h) or, after the 101, as frames to
 *		the hub's client; what is incomplete is kept
 *	flush	the hub's queue to the socket, once a turn
 *	close	one way out, with a reason, at the end of the turn
 *
 *	TLS ──► HTTP ──► WS ──► CLOSING ──┐
 *	  └───────┴──► LINGER ◄───────────┴──► DEAD
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <assert.h>

#include "base/reason.h"
#include "hub/out.h"
#include "proto/ws.h"
#include "sys/loop.h"
#include "worker/host.h"

struct ask;
struct client;
struct http_body;
struct poller;
struct tunnel;
struct tls;
struct tls_ctx;
struct worker;

enum conn_state {
	CONN_TLS,	/* handshake */
	CONN_HTTP,	/* requests; also while a response is on its way */
	CONN_WS,	/* frames; a client of the hub */
	CONN_TUNNEL,	/* TLS whose plain bytes are another worker's */
	CONN_CLOSING,	/* our Close is out; only the peer's is waited for */
	CONN_LINGER,	/* the last bytes go out; what comes is discarded */
	CONN_DEAD	/* closed; freed when the turn is over */
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
	uint8_t		 later;		/* CONN_LATER_ bits: on the list */
	bool		 parting : 1;	/* closes at the end of this turn */
	bool		 abort : 1;	/* ... without another word */
	bool		 peer_closed : 1; /* its Close has been read */
	bool		 half : 1;	/* LINGER: shut down, then wait */
	bool		 shut : 1;	/* ... done */
	bool		 idle : 1;	/* HTTP: between two requests */
	bool		 stalled : 1;	/* not read: what is queued goes first */
	bool		 refused : 1;	/* over the limit: told and closed */
	/* what a delivery touches ends with this line */
	struct outq	 outq;
	struct loop_fd	 io;
	struct tls	*tls;		/* NULL: plain */
	struct client	*client;	/* WS */
	struct ws	 ws;
	struct conn_tail *tail;
	struct http_body *body;		/* HTTP: a request's body is coming */
	union {
		struct poller	*poller; /* HTTP, WS: this is one of its
					  * requests, its candidate, or its
					  * WebSocket */
		struct tunnel	*tunnel; /* TUNNEL */
		struct ask	*ask;	/* HTTP, asking: its response is the
					 * clients' answers */
	};
	struct worker	*w;
	LIST_ENTRY(conn) link;		/* of the worker's connections */
	struct conn	*next;		/* parting or doomed */
	struct conn	*next_later;
	struct timer	 timer;		/* the nearest of: */
	struct mono	 deadline;	/*   of the state */
	struct mono	 blocked_until;	/*   of what the socket does not take */
	uint8_t		 address[16];	/* IPv6 or mapped; zero: unix socket */
	uint16_t	 port;
	uint16_t	 close_code;	/* peer_closed: its code */
	uint16_t	 waiting;	/* KiB, counted in send_queue_bytes */
	bool		 fin : 1;	/* the peer sends no more: read to the
					 * end, no other event tells of it */
	bool		 counted : 1;	/* in shm/count.h, see accept.c */
	bool		 held : 1;	/* HTTP: a response comes later */
	bool		 keep : 1;	/* held: then the connection stays */
	bool		 asked : 1;	/* held: it has more to send, perhaps */
	bool		 asking : 1;	/* held: for ask */
	bool		 secure : 1;	/* over TLS, which may be another
					 * worker's */
	bool		 passage : 1;	/* the far end of a tunnel: the connection
					 * is counted where its TLS is */
	bool		 no_status : 1;	/* its listener has no health, metrics */
	bool		 guest : 1;	/* over the limit: may ask for a status
					 * page, then it is closed */
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

enum { CONN_LATER_READ = 1, CONN_LATER_WRITE = 2 };

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
/* HTTP is over: from now on frames go to this client (NULL: no memory, the
 * connection is closed with REASON_memory). */
void	conn_upgraded(struct conn *, struct client *);
/* The same without a client so far: what comes is its poller's, for ms. */
void	conn_candidate(struct conn *, uint64_t ms);
/*
 * The connection shall end: at the end of this turn, after what is queued and
 * a Close frame, if the reason has a code.  The first reason counts.  Safe
 * from anywhere, the hub's ports included.
 */
void	conn_close(struct conn *, enum reason);
/* The same without another word: the socket is dead or does not take any. */
void	conn_abort(struct conn *, enum reason);
/* So much is queued that its client's input waits. */
bool	conn_is_behind(const struct worker *, const struct outq *);
/* A deadline changed: see that the timer is early enough. */
void	conn_rearm(struct conn *);
/* Take bytes from the queue to the socket: hub_ports.flush. */
void	conn_flush(struct outq *);
/* The same without waiting for the turn's end; HTTP only. */
void	conn_push(struct conn *);
/* Do this part again without waiting for an event. */
void	conn_later(struct conn *, unsigned bits);

/* The worker's turn: at its start, and at its end. */
void	conn_turn_start(struct worker *);
void	conn_turn_end(struct worker *);
/* "203.0.113.7:51234", for the log. */
#define CONN_NAME_MAX	64
const char *conn_name(const struct conn *, char out[CONN_NAME_MAX]);

#endif
