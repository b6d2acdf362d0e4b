/*
 * The ground of the role worker: one worker's data, which all of its folders
 * work on.  What belongs to one of them is an incomplete pointer or a plain
 * value here, beside its name.  What a lower folder has done by a higher one is a
 * row of a table in worker.c, the roof.  Private to workers/worker/.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/slab.h"
#include "conf/conf.h"
#include "hub/hub.h"
#include "proto/ws.h"
#include "role.h"
#include "shm/bucket_storm.h"
#include "shm/counters.h"
#include "shm/slots_trail.h"
#include "sys/loop.h"

struct bus_port;
struct coded;
struct conn;
struct conn_bodies;
struct conn_hand;
struct handover;
struct later_queue;
struct parcels;
struct polling;
struct route_row;
struct slot_row;
struct sockjs_all;
struct tickets;
struct tls_ctx;
struct worker;

/* The buffer that every read goes to: what a connection kept from before,
 * then what the socket has.  One writable byte stays behind it. */
#define WORKER_RBUF	(64u << 10)
/* The request in hand: pieces of its path, and of its query, decoded. */
#define WORKER_DECODED	(2 * HTTP_LINE_MAX)

#define WORKER_TICK_MS	100
#define RECORD_LATELY	256		/* see net/record.h */

struct listener {
	struct loop_fd	 io;
	struct worker	*w;
	struct tls_ctx	*tls;		/* NULL: plain */
	bool		 tcp;		/* else a unix socket */
	unsigned	 proxy;		/* enum proxy_version */
	bool		 clients, api;	/* these are served, */
	bool		 status;	/* and health, metrics are answered */
	bool		 deflate;	/* WebSockets may be compressed */
	unsigned	 guests;	/* beyond the limit, for these */
};

enum worker_mode {
	WORKER_SERVING,
	WORKER_LEAVING,		/* the same, but not for long: balancers shall
				 * see it */
	WORKER_DRAINING,	/* clients go one by one */
	WORKER_STOPPING		/* all have been told to go */
};

struct worker {
	unsigned	 magic;
#define WORKER_MAGIC	0x0a0b0c0d
	const struct heritage *h;
	const struct conf *conf;
	const struct conn_hand *hands;	/* by enum conn_state; net */
	const struct conn_bodies *bodies; /* net/conn_save */
	const struct route_row *routes; /* by enum route; http */
	struct loop	*loop;
	struct wheel	*wheel;		/* of loop */
	struct hub	*hub;
	struct out	*out;		/* of hub */
	struct work	*work;		/* of hub: of this turn */
	struct slot_row	*row;		/* shm/slots.h: what we are doing */
	struct interest	*interest;
	struct presence	*presence;
	struct count	*count;
	struct ws_pool	*ws_pool;
	struct ws_limits ws_limits[4];	/* plain; permessage-deflate; the
					 * same for documents */
	struct mono	 now;		/* of this turn */
	struct wall	 wall;
	enum worker_mode mode;
	bool		 succeeded;	/* others have its listeners, and get all
					 * that it has and that can go */
	struct mono	 stop_at;	/* all clients are gone by then */
	struct mono	 drain_from;	/* DRAINING: since when, */
	size_t		 drain_all;	/*   and of how many at that time */
	struct mono	 left_at;	/* DRAINING: the last has gone; 0: not */
	size_t		 drain_told;	/*   so many have been told to go */
	struct loop_fd	 control;
	struct bus_port	*bus;		/* net */
	struct timer	 tick;
	bool		 other_turn;	/* each second one */
	struct mono	 second;	/* next thing done once a second */
	size_t		 most_crowd;	/* connections and sessions over polling,
					 * since memory was given back */
	size_t		 last_crowd;	/* a second ago */
	unsigned	 moves;		/* connections that came or went since */
	unsigned	 moved;		/* ... and before, a quarter of them
					 * forgotten each second */

	/* net/accept */
	struct listener	 listeners[ROLE_SOCKETS_MAX];
	size_t		 nlisteners;
	struct tickets	*tickets;	/* of TLS sessions */
	bool		 listening;	/* they are watched */
	bool		 short_of_fds;	/* told to the log */
	int		 reserve_fd;	/* given up when nothing else is free */
	int		 fd_clients;	/* clients get those below; others go */
	int		 fd_passed;	/*   on to here: those of other workers */
	int		 fd_status;	/*   to here: for status pages */
	unsigned	 max_guests;	/* of each listener */
	struct mono	 accept_again;	/* after a failure */
	unsigned	 refusals;	/* refused ones still being told */
	uint64_t	 age_unit_us;	/* of connections, see net/age.h */

	/* net/conn; http: what is sent */
	struct slab	 conn_slab;
	TAILQ_HEAD(, conn) conns;	/* newest first, but see leave.c */
	size_t		 nconns;
	struct conn	*parting;	/* to be closed as the turn ends */
	unsigned	 npartings;	/* ... so many were, this turn */
	struct conn	*doomed;	/* closed; freed after the turn */
	struct later_queue *later;	/* conns: work for which no event
					 * comes */
	bool		 later_writes;	/* ... some of it this turn's */
	uint64_t	 handshake_us;	/* of this turn, by TLS */
	uint8_t		*rbuf;		/* WORKER_RBUF + 1 bytes */
	uint8_t		*tlsbuf;	/* small runs made one record */
	struct buf	 text;		/* what is encoded and sent at once */
	struct buf	 body;		/* of a response */
	struct buf	 lines;		/* of a response's head */
	struct buf	 cors;		/* ... for this request's origin */
	struct buf	 vouched;	/* claims of a client's certificate */
	struct buf	 kept;		/* of a handshake */
	uint8_t		 decoded[WORKER_DECODED];

	struct parcels	*parcels;	/* net */
	struct coded	*coded;		/* http */
	struct trail	 trail;		/* net/record: of clients */
	struct names	*names;		/* net: of requests; NULL: none yet */
	struct record_lately {
		uint64_t	 key;	/* of a note that was written */
		uint64_t	 again_us;	/* not before */
	} lately[RECORD_LATELY];
	struct storm_rate storm;	/* http: handshakes of the host */
	struct polling	*polling;	/* engineio */
	struct sockjs_all *sockjs;	/* sockjs */
	struct handover	*handover;

	/* worker.c */
	uint8_t		 random[512];
	size_t		 nrandom;	/* bytes left, at the end */

	/* http/trace */
	uint64_t	 requests;	/* names that were made */
	const char	*request_id;	/* of the request in hand; NULL: none */

	/* http/from */
	uint8_t		 only_address[16];	/* of all handshakes, */
	unsigned	 only_handshakes;	/*   so many */
	bool		 many_addresses; /* ... or not, or it was told */

	/* demo.c, status.c */
	char		*demo_extra;	/* response lines for the page */
	uint32_t	*users;		/* per namespace, as of users_at */
	struct mono	 users_at;
};

#endif
