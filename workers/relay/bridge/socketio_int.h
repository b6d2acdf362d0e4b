/*
 * Between the files of Socket.IO's bridge: the way in (socketio_in.c), what
 * is ordered (socketio_order.c), the way out (socketio_out.c).
 */
#ifndef RELAY_BRIDGE_SOCKETIO_INT_H
#define RELAY_BRIDGE_SOCKETIO_INT_H

#include "conf/conf.h"
#include "relay/bridge/home.h"
#include "relay/bridge/msgpack.h"
#include "relay/bridge/socketio.h"
#include "relay/bridge/whom.h"
#include "shm/counters.h"

#define SOCKETIO_FAMILY	9	/* of a uid: digits, and a hyphen, that daemons
				 * of one configuration have in common; */
#define SOCKETIO_SELF	8	/* ... and the digits of one process */
#define SOCKETIO_PARTS	3	/* of a broadcast: uid, packet, options */
#define SOCKETIO_UID_MAX 32

struct socketio_namespace {
	struct socketio	*s;
	const struct conf_namespace *ns;	/* NULL: there is none yet */
	bool		 listens;
};

struct socketio {
	unsigned	 magic;
#define SOCKETIO_MAGIC	0x50c4e710
	struct socketio_params p;
	struct interest	*interest;
	struct whom_joins *joins;
	struct socketio_namespace *ns;	/* as in the configuration */
	char		 uid[SOCKETIO_UID_MAX];	/* 24 characters */
	uint8_t		 head[2 * SOCKETIO_UID_MAX]; /* how ours begin: up to
						 * the end of the uid */
	size_t		 head_n;
	struct buf	 channel, text, message;
};

static inline struct slice
socketio_nsp(const struct socketio_namespace *n)
{
	return (slice_of(n->ns->name, n->ns->name_len));
}

/* The lists of e->*.to are to be named. */
struct whom socketio_whom(const struct socketio_namespace *,
	    struct bus_audience *to);

/* Of a daemon of this configuration, or of this process, whatever its link has
 * for one. */
bool	socketio_is_ours(const struct socketio *, struct slice payload);
void	socketio_on_broadcast(void *arg, struct slice channel,
	    struct slice payload);
void	socketio_on_request(void *arg, struct slice channel,
	    struct slice payload);

#endif
