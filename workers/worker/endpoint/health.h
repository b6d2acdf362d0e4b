/*
 * The body of /health: what is told, as JSON.  Pure; status.c gathers.
 */
#ifndef WORKER_ENDPOINT_HEALTH_H
#define WORKER_ENDPOINT_HEALTH_H

#include "base/buf.h"

struct health_namespace {
	struct slice	 name;		/* with its slash */
	uint64_t	 users;		/* different ones, on this host */
	uint64_t	 sockets;	/* sessions */
};

struct health_worker {
	unsigned	 slot;
	uint32_t	 pid;
	uint32_t	 generation;
	uint64_t	 connections;
};

struct health {
	const char	*degraded;	/* why, NULL: healthy */
	const char	*version;
	uint64_t	 uptime_s;
	bool		 redis_configured;
	bool		 redis_connected;
	uint64_t	 redis_nodes;	/* told when there are several */
	uint64_t	 redis_away;	/* of them */
	const struct health_namespace *namespaces;
	size_t		 nnamespaces;
	const struct health_worker *workers;
	size_t		 nworkers;
	uint64_t	 websocket;	/* clients by what they are on, now: plain
					 * WebSocket and Engine.IO over it */
	uint64_t	 polling;	/* Engine.IO over polling */
	uint64_t	 sse;
	uint64_t	 longpoll;	/* requests that wait */
	uint64_t	 eio_opened;	/* sessions of Engine.IO, ever, */
	uint64_t	 eio_fallback;	/* ... that ended on polling */
};

/*
 * {"status":"healthy","namespaces":{"chat":{"users":5,"sockets":6}},
 *  "redis":{"connected":false,"configured":false},"uptime":86400,...}
 * A namespace goes without its slash, "/" stays "/".  degraded adds "reason".
 */
void	health_encode(struct buf *, const struct health *);

#endif
