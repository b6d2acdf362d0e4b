/*
 * Between the files of Socket.IO: packets (socketio.c), and who comes in
 * (socketio_connect.c).
 */
#ifndef HUB_DIALECT_SOCKETIO_INT_H
#define HUB_DIALECT_SOCKETIO_INT_H

#include "base/slice.h"

struct client;
struct conf_namespace;
struct principal;
struct session;
struct sio_packet;

/* socketio.c: of this client, in this namespace; NULL: none. */
struct session *socketio_session(const struct client *, struct slice nsp);
/* A whole packet, with its attachments. */
void	socketio_packet(struct client *, const struct sio_packet *,
	    const struct slice *attachments, unsigned n);

/* A CONNECT. */
void	socketio_connect(struct client *, const struct sio_packet *);
/* The reply to one: this session. */
void	socketio_back(struct client *, struct session *);
/* Nobody has the session that it asked for. */
void	socketio_enter(struct client *, const struct conf_namespace *,
	    struct principal *, struct slice auth);

#endif
