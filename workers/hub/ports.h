/*
 * What the hub asks of its host.  The worker implements it; unit tests have
 * fakes.  None of these may call back into the hub.
 */
#ifndef HUB_PORTS_H
#define HUB_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "base/slice.h"
#include "proto/token.h"

struct bus_envelope;
struct client;
struct outq;

enum client_note {
	CLIENT_JOINED,		/* a namespace, be it again */
	CLIENT_REFUSED,		/* ... with this code */
	CLIENT_RATE_LIMITED	/* an event, or packet, of it */
};

struct client_noted {
	enum client_note note;
	struct slice	 ns, user, sid;	/* empty: unknown */
	struct slice	 what;		/* REFUSED: the code, or words */
};

struct longpoll_answer;

struct hub_ports {
	void	*host;		/* first argument of all */
	/*
	 * The connection of this client shall end: send what is queued, then
	 * close as reason.def says.  The host calls client_gone() when it has
	 * let go, not from within this call.
	 */
	void	(*close)(void *host, struct client *, enum reason);
	/* client_due() became earlier than it was. */
	void	(*rearm)(void *host, struct client *);
	/* Hand an envelope to the relay; false: no relay now, or its queue is
	 * full (counted by the host). */
	bool	(*bus_send)(void *host, const struct bus_envelope *);
	/* What was handed over before is not all with the relay: what can wait
	 * shall do so. */
	bool	(*bus_is_behind)(void *host);
	/* It is known that Redis is away: what waits there need not be asked for
	 * now.  May be NULL. */
	bool	(*redis_is_away)(void *host);
	/* Take bytes from the queue to the socket (end of turn). */
	void	(*flush)(void *host, struct outq *);
	/*
	 * The answers to what this asker asked (api.h) are there: an HTTP
	 * status and a JSON body, or empty when there was no memory for it.
	 */
	void	(*answered)(void *host, void *asker, int status,
		    struct slice body);
	/* A long poll (client.h) of this asker is answered, and over. */
	void	(*polled)(void *host, void *asker,
		    const struct longpoll_answer *);
	/* All is known that a hook was asked about this asker's request
	 * (client.h): it may ask again. */
	void	(*heard)(void *host, void *asker);
	/* A token was refused, or is missing, or what the host vouched for was;
	 * enum authfail.  May be NULL. */
	void	(*refused)(void *host, enum authfail, bool vouched);
	/* What a back end has published through Redis was refused: an error's
	 * code and message.  May be NULL. */
	void	(*unpublished)(void *host, struct slice code,
		    struct slice message);
	/* What became of a client, for who asks later.  May be NULL. */
	void	(*noted)(void *host, struct client *,
		    const struct client_noted *);
	/* Bytes of the kernel's random generator (may be buffered). */
	void	(*random)(void *host, void *p, size_t n);
};

#endif
