/*
 * Which part of the worker a request's path is for.  Pure.
 */
#ifndef WORKER_HTTP_ROUTE_H
#define WORKER_HTTP_ROUTE_H

#include "conf/conf.h"

enum route {
	ROUTE_NONE,
	ROUTE_ROOT,		/* "/", and the "*" of OPTIONS */
	ROUTE_ENGINE,		/* {socketio_path}/..., or a configured
				 * route of format = engine */
	ROUTE_PLAIN,		/* /ws/NAMESPACE, or a configured route */
	ROUTE_PUBLISH, ROUTE_BATCH,	/* /api/v1/... */
	ROUTE_PRESENCE,
	ROUTE_DISCONNECT, ROUTE_ROOMS_ORDER,
	ROUTE_HEALTH,
	ROUTE_LIVE, ROUTE_READY, ROUTE_BOTH,	/* livez, readyz, healthz */
	ROUTE_METRICS,
	ROUTE_DEMO, ROUTE_DEMO_MOVED,
	ROUTE_REVOKE,
	ROUTE_HISTORY, ROUTE_ROOMS, ROUTE_USER,	/* /api/v1/history/... */
	ROUTE_STATS,
	ROUTE_SSE, ROUTE_POLL,	/* /sse/NAMESPACE, /poll/NAMESPACE */
	ROUTE_SOCKJS,		/* as PLAIN, or below one of those */
	ROUTE_ANSWERS,
	ROUTE_HOOKS,		/* /api/v1/hooks, and .../NAME/dead */
	ROUTE_HOOKS_RETRY, ROUTE_HOOKS_FORGET,	/* .../NAME/dead/... */
	ROUTE_INBOX, ROUTE_INBOX_USER,	/* /api/v1/inbox/NS, NS/USER */
	ROUTE_INBOX_ORDER,	/* ... /read, /delete */
	ROUTE_INBOX_PREFS,	/* ... /preferences */
	ROUTE_INBOX_ONE,	/* ... /ID */
	ROUTE_DOCUMENTS,	/* /api/v1/documents/NS/DOC */
	ROUTE_DOCUMENTS_KEY,	/* ... /KEY */
	ROUTE_DOCUMENTS_GONE,	/* no path's: the body of a DELETE there */
	ROUTE__MAX
};

struct request;

/* How a route's requests are served; the table of all is worker.c's. */
struct route_row {
	unsigned	 methods;	/* 1 << enum http_method */
	const char	*allow;		/* the line that names them */
	void		(*serve)(struct request *);
	/* its body, which serve wanted (body.h), is complete; writable */
	void		(*body)(struct request *, struct slice);
	/* ... or not taken: the answer, with these lines; NULL: as an error
	 * of the API */
	void		(*refused)(struct request *, int status,
			    const char *lines);
	/* ... and may take so long to come; NULL: as long as a head */
	uint64_t	(*body_ms)(const struct conf *);
	bool		 draining;	/* its connections stay meanwhile */
	bool		 streams;	/* event sources ask for it */
	/* whose it is; neither: clients' */
	bool		 status;
	bool		 api;
};

struct route_match {
	enum route	 route;
	/* ENGINE: the route, or NULL for Socket.IO.  PLAIN: the route, or
	 * NULL and the namespace's encoded name behind "/ws" ("", "/",
	 * "/chat"); SSE, POLL: that behind "/sse", "/poll";
	 * PRESENCE, HISTORY, ROOMS, INBOX..., DOCUMENTS...: what is
	 * behind its slash;
	 * HOOKS...: NAME, or empty;
	 * USER, DISCONNECT and ROOMS_ORDER: USER of /api/v1/users/USER/..., or
	 * empty */
	const struct conf_route *conf;
	struct slice	 ns_name;
	/* SOCKJS: as PLAIN, of the path `base`; behind that is `below`: "", "/X"
	 * or "/X/Y/Z", none of which is empty. */
	struct slice	 base, below;
};

#define ROUTE_PATH_MAX	8192	/* bytes of a path: a request line's */

/* path as sent; configured routes come first. */
void	route_find(const struct conf *, struct slice path,
	    struct route_match *);
/*
 * The parameters of a route that was found for this path, in out, which has
 * room for ROUTE_PATH_MAX bytes.  false: the path is none, as it is encoded.
 */
bool	route_values(const struct conf_route *, struct slice path,
	    uint8_t *out, struct slice values[CONF_PARAMS_MAX]) MUST_USE;

#endif
