/*
 * A host for the hub without sockets: connections whose bytes are collected
 * at the end of each turn, a clock set by hand, a bus that connects the hubs
 * of one test through the real envelope codec, and tokens of known claims.
 */
#ifndef TESTS_LIB_FAKE_HOST_H
#define TESTS_LIB_FAKE_HOST_H

#include "base/buf.h"
#include "hub/api.h"
#include "hub/client.h"
#include "hub/hub.h"
#include "shm/segment.h"

#define FAKE_CONNS	320
#define FAKE_HOSTS	4
#define FAKE_SECRET	"0123456789abcdef0123456789abcdef"

struct fake_conn {
	struct outq	 out;
	struct client	*client;	/* NULL: gone */
	struct buf	 got;		/* bytes flushed, not read yet */
	int		 closed;	/* -1, or the reason it was closed with */
	size_t		 window;	/* bytes flush may take; SIZE_MAX: all */
	unsigned	 flushes;
};

struct fake_world {
	struct conf	*conf;
	struct token_keys *keys;
	struct segment	*segment;
	struct mono	 now;
	struct wall	 wall;
	struct fake_host *hosts[FAKE_HOSTS];	/* in order of making */
	size_t		 nhosts;
	struct conf	*other;		/* another configuration, or NULL */
	unsigned	 giver, heir;	/* slots; 0: there was no cut.  Frames for
					 * the one are for the other, too */
};

struct fake_host {
	struct fake_world *world;
	unsigned	 slot;
	struct hub	*hub;
	struct interest	*interest;
	struct presence	*presence;
	struct count	*count;
	uint64_t	 address;	/* of those who come; 0: unix socket */
	struct fake_conn conns[FAKE_CONNS];
	size_t		 nconns;
	struct buf	 bus;		/* frames for the other hosts */
	unsigned	 bus_sent;
	bool		 bus_down, bus_behind;
	bool		 redis_away;	/* the relay knows */
	unsigned	 rnd;
	struct buf	 relay;		/* frames for the relay, not read yet */
	struct buf	 answers;	/* of ports.answered, a line each */
	int		 status;	/* ... of the last one */
	void		*asker;		/* of the last one */
};

/* One segment and conf for up to FAKE_HOSTS hubs, with slots 1 to 4; text is a
 * configuration.  of: with slots up to twice the number of workers. */
struct fake_world *fake_world_new(const char *text);
struct fake_world *fake_world_of(const char *text, unsigned workers);
void	fake_world_free(struct fake_world **);
struct fake_host *fake_host_new(struct fake_world *, unsigned slot);
/* ... with another configuration. */
struct fake_host *fake_host_of(struct fake_world *, unsigned slot,
	    const struct conf *);
struct conf *fake_conf(const char *text);

/* A connection without a client. */
struct fake_conn *fake_conn_new(struct fake_host *);
/* Connections: Engine.IO, or plain by namespace or route path. */
struct fake_conn *fake_engine(struct fake_host *, const char *token);
struct fake_conn *fake_plain(struct fake_host *, const char *path,
	    const char *token, struct refusal *);
/* A route of format = engine, over WebSocket or (polling) not. */
struct fake_conn *fake_engine_route(struct fake_host *, const char *path,
	    bool b64, bool polling);
/* A Socket.IO client in a namespace, the answers of which are read; token as
 * above. */
struct fake_conn *fake_enter(struct fake_host *, const char *nsp,
	    const char *token);
void	fake_text(struct fake_host *, struct fake_conn *, const char *text);
void	fake_gone(struct fake_host *, struct fake_conn *);
/* What the host has on the bus, and no more, to the others; false: nothing. */
bool	fake_carry(struct fake_host *);
/* End the turn of each host and carry the bus until nothing moves. */
void	fake_turn(struct fake_world *);
void	fake_advance(struct fake_world *, uint64_t ms); /* and tick the due */
/* The next text frame that c was sent, without header; "" when none. The
 * text stays until the next call. */
const char *fake_next(struct fake_conn *);
/* fake_text() and a turn of the world. */
void	fake_say(struct fake_host *, struct fake_conn *, const char *text);
/* The next text is this one; "": there is none. */
void	fake_hears(struct fake_conn *, const char *want);
/* ... begins so. */
void	fake_starts(struct fake_conn *, const char *want);
/* A JWT over these claims, signed with FAKE_SECRET; static storage. */
const char *fake_token(const char *claims);

#endif
