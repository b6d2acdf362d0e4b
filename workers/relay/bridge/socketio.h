/*
 * Servers and emitters of Socket.IO for Node, through the channels of
 * @socket.io/redis-adapter (channel.h): what they broadcast reaches our
 * clients as from a server of their own, what they order is done to our
 * clients, and what is published here reaches theirs.
 *
 * Each daemon is a server among them, with a uid of its own.  What other
 * daemons of ours have published there comes by hosts.h as well: the uids of
 * all daemons of one configuration begin alike, and are passed by.  So is what
 * another link of this host, with another prefix, has published: the ends of
 * their uids are alike.
 */
#ifndef RELAY_BRIDGE_SOCKETIO_H
#define RELAY_BRIDGE_SOCKETIO_H

#include <stdbool.h>

#include "base/bug.h"
#include "base/slice.h"

struct bus_audience;
struct bus_envelope;
struct conf_namespace;
struct home;
struct message;
struct socketio;
struct whom_joins;

/* What its type says a request wants: as in the adapter. */
enum socketio_request {
	SOCKETIO_SOCKETS, SOCKETIO_ALL_ROOMS, SOCKETIO_JOIN, SOCKETIO_LEAVE,
	SOCKETIO_DISCONNECT, SOCKETIO_FETCH, SOCKETIO_EVENT,
	SOCKETIO_BROADCAST	/* that asks clients */
};

/* One that is to be answered; borrowed. */
struct socketio_question {
	const struct conf_namespace *ns;
	enum socketio_request type;
	bool		 refused;	/* ... with nothing: not allowed */
	const struct message *message;
};

struct socketio_params {
	struct home	*home;
	void		*arg;
	/* Whoever listens to requests is counted, and waited for: */
	void		(*ask)(void *arg, const struct socketio_question *);
};

/* NULL: no memory.  To be freed before redis. */
struct socketio *socketio_new(const struct socketio_params *) MUST_USE;
void	socketio_free(struct socketio **);
/* home has another configuration, the one before is there yet.  False: some
 * namespace is not listened to, for want of memory. */
bool	socketio_conf(struct socketio *) MUST_USE;
/* What a worker here has published: message_is_for_servers(). */
void	socketio_publish(struct socketio *, const struct bus_envelope *);
/* An order (SOCKETIO_JOIN, _LEAVE, _DISCONNECT) that another kind of adapter
 * has given in the same words. */
void	socketio_order(struct socketio *, const struct conf_namespace *,
	    enum socketio_request, struct slice object);
/* Of whom a channel is that was not listened to for a while: all of a
 * namespace, or a room in it (or a client, by its id).  False: nobody's. */
bool	socketio_concerns(struct socketio *, struct slice channel,
	    struct slice *nsp, struct bus_audience *) MUST_USE;
/* Rooms that are about to have members; see whom.h. */
struct whom_joins *socketio_joins(const struct socketio *);
/* Of this daemon, among servers. */
struct slice socketio_uid(const struct socketio *);

#endif
