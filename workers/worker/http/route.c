/*
 * Paths.  What an operator configured wins over /ws; the paths of our own are
 * nobody else's, see conf_path_own().
 */
#include "worker/http/route.h"

#include "proto/http.h"

static const struct {
	const char	*path;
	enum route	 route;
} route_paths[] = {
	{ "/",				ROUTE_ROOT },
	{ "*",				ROUTE_ROOT },
	{ "/health",			ROUTE_HEALTH },
	{ "/health/websocket",		ROUTE_HEALTH },
	{ "/api/health/websocket",	ROUTE_HEALTH },
	{ "/livez",			ROUTE_LIVE },
	{ "/readyz",			ROUTE_READY },
	{ "/healthz",			ROUTE_BOTH },
	{ "/metrics",			ROUTE_METRICS },
	{ "/api/v1/publish",		ROUTE_PUBLISH },
	{ "/api/v1/batch",		ROUTE_BATCH },
	{ "/api/v1/disconnect",		ROUTE_DISCONNECT },
	{ "/api/v1/rooms",		ROUTE_ROOMS_ORDER },
	{ "/api/v1/revoke",		ROUTE_REVOKE },
	{ "/api/v1/stats",		ROUTE_STATS },
	{ "/api/v1/answers",		ROUTE_ANSWERS },
	{ "/api/v1/hooks",		ROUTE_HOOKS },
	{ "/demo/",			ROUTE_DEMO },
	{ "/demo",			ROUTE_DEMO_MOVED },
};

/*
 * A path as routes see it, decoded once.  false: a route has no such path.
 * An encoded slash would be taken for one that separates, so it is not
 * accepted; nor is a control character, for names are made of parameters.
 */
static bool
route_decode(struct slice path, uint8_t *out, struct slice *decoded)
{
	size_t i, slashes = 0;
	ssize_t n = path.n > ROUTE_PATH_MAX ? -1 : http_path_decode(path, out);

	if (n < 0)
		return (false);
	*decoded = slice_of(out, (size_t)n);
	for (i = 0; i < decoded->n; i++) {
		if (out[i] < 0x20 || out[i] == 0x7f)
			return (false);
		slashes += out[i] == '/';
	}
	for (i = 0; i < path.n; i++)
		slashes -= path.p[i] == '/';
	return (slashes == 0);
}

/* A path that is no good still has a route, whose words refuse it. */
static const struct conf_route *
route_configured(const struct conf *conf, struct slice path)
{
	static uint8_t plain[ROUTE_PATH_MAX];	/* too large for the stack */
	struct slice values[CONF_PARAMS_MAX], decoded;

	if (conf->nroutes == 0)
		return (NULL);
	return (conf_route_find(conf, route_decode(path, plain, &decoded) ?
	    decoded : path, values));
}

bool
route_values(const struct conf_route *route, struct slice path, uint8_t *out,
    struct slice values[CONF_PARAMS_MAX])
{
	struct slice decoded;

	return (route_decode(path, out, &decoded) &&
	    conf_route_match(route, decoded, values));
}

/* /api/v1/users/USER; and .../ORDER: as /api/v1/ORDER, to one user. */
static void
route_user(struct slice path, struct route_match *m)
{
	static const struct {
		struct slice	 order;
		enum route	 route;
	} orders[] = {
		{ SLICE("/disconnect"),	ROUTE_DISCONNECT },
		{ SLICE("/rooms"),	ROUTE_ROOMS_ORDER },
	};
	struct slice rest = slice_from(path, sizeof "/api/v1/users");
	const uint8_t *slash = rest.n == 0 ? NULL :
	    memchr(rest.p, '/', rest.n);
	size_t i, n;

	if (rest.n == 0 || slash == rest.p)
		return;
	n = slash == NULL ? rest.n : (size_t)(slash - rest.p);
	if (n == rest.n) {
		m->route = ROUTE_USER;
		m->ns_name = rest;
		return;
	}
	for (i = 0; i < nitems(orders); i++) {
		if (!slice_eq(slice_from(rest, n), orders[i].order))
			continue;
		m->route = orders[i].route;
		m->ns_name = slice_of(rest.p, n);
	}
}

/* /api/v1/hooks/NAME/dead, and what is behind it. */
static void
route_hook(struct slice path, struct route_match *m)
{
	static const struct {
		struct slice	 below;
		enum route	 route;
	} rows[] = {
		{ SLICE("/dead"),	 ROUTE_HOOKS },
		{ SLICE("/dead/retry"),	 ROUTE_HOOKS_RETRY },
		{ SLICE("/dead/forget"), ROUTE_HOOKS_FORGET },
	};
	struct slice rest = slice_from(path, sizeof "/api/v1/hooks");
	const uint8_t *slash = rest.n == 0 ? NULL :
	    memchr(rest.p, '/', rest.n);
	size_t i, n;

	if (slash == NULL || slash == rest.p)
		return;
	n = (size_t)(slash - rest.p);
	for (i = 0; i < nitems(rows); i++) {
		if (!slice_eq(slice_from(rest, n), rows[i].below))
			continue;
		m->route = rows[i].route;
		m->ns_name = slice_of(rest.p, n);
	}
}

/* A slash at its end means nothing. */
static struct slice
route_bare(struct slice path)
{
	if (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	return (path);
}

/* NS, NS/USER, NS/USER/WHAT; none of them is empty. */
static enum route
route_inbox(struct slice rest)
{
	static const enum route routes[] = { ROUTE_INBOX, ROUTE_INBOX_USER,
		ROUTE_INBOX_ONE };
	const uint8_t *slash;
	unsigned n = 0;

	while ((slash = rest.n == 0 ? NULL : memchr(rest.p, '/', rest.n)) !=
	    NULL) {
		if (slash == rest.p || ++n == nitems(routes))
			return (ROUTE_NONE);
		rest = slice_from(rest, (size_t)(slash - rest.p) + 1);
	}
	if (rest.n == 0)
		return (ROUTE_NONE);
	if (n == 2 && (slice_eq(rest, SLICE("read")) ||
	    slice_eq(rest, SLICE("delete"))))
		return (ROUTE_INBOX_ORDER);
	if (n == 2 && slice_eq(rest, SLICE("preferences")))
		return (ROUTE_INBOX_PREFS);
	return (routes[n]);
}

/* NS/DOC/KEY, and not NS/DOC. */
static bool
route_has_key(struct slice path)
{
	size_t i;
	unsigned n = 0;

	for (i = 0; i < path.n; i++)
		n += path.p[i] == '/';
	return (n > 1);
}

/* The paths that are our own. */
static void
route_own(struct slice path, struct route_match *m)
{
	size_t i;

	if (slice_starts(path, SLICE("/api/v1/presence/"))) {
		m->route = ROUTE_PRESENCE;
		m->ns_name = route_bare(slice_from(path,
		    sizeof "/api/v1/presence"));
		return;
	}
	if (slice_starts(path, SLICE("/api/v1/history/"))) {
		m->route = ROUTE_HISTORY;
		m->ns_name = slice_from(path, sizeof "/api/v1/history");
		return;
	}
	if (slice_starts(path, SLICE("/api/v1/inbox/"))) {
		m->ns_name = route_bare(slice_from(path,
		    sizeof "/api/v1/inbox"));
		m->route = route_inbox(m->ns_name);
		return;
	}
	if (slice_starts(path, SLICE("/api/v1/documents/"))) {
		m->ns_name = slice_from(path, sizeof "/api/v1/documents");
		m->route = route_has_key(m->ns_name) ? ROUTE_DOCUMENTS_KEY :
		    ROUTE_DOCUMENTS;
		return;
	}
	if (slice_starts(path, SLICE("/api/v1/rooms/")) &&
	    path.n > sizeof "/api/v1/rooms") {
		m->route = ROUTE_ROOMS;
		m->ns_name = slice_from(path, sizeof "/api/v1/rooms");
		return;
	}
	if (slice_starts(path, SLICE("/api/v1/users/"))) {
		route_user(path, m);
		return;
	}
	if (slice_starts(path, SLICE("/api/v1/hooks/"))) {
		route_hook(path, m);
		return;
	}
	for (i = 0; i < nitems(route_paths); i++)
		if (slice_eq(path, slice_str(route_paths[i].path)))
			m->route = route_paths[i].route;
}

/* --- SockJS ---------------------------------------------------------------- */

/* Its clients ask for paths below the endpoint's own: /info, and of sessions
 * /SERVER/SESSION/TRANSPORT. */

/* The namespace that /ws has there, or NULL. */
static const struct conf_namespace *
route_namespace(const struct conf *conf, struct slice path)
{
	static uint8_t plain[ROUTE_PATH_MAX];	/* too large for the stack */
	struct slice name;
	ssize_t n;

	if (!conf_path_under(path, SLICE("/ws")) || path.n > ROUTE_PATH_MAX)
		return (NULL);
	n = http_path_decode(slice_from(path, 3), plain);
	if (n < 0)
		return (NULL);
	name = n == 0 ? SLICE("/") : slice_of(plain, (size_t)n);
	return (conf_namespace_find(conf, name));
}

/* It is an endpoint; *is: with SockJS, and that is what m says then. */
static bool
route_sockjs_base(const struct conf *conf, struct slice base,
    struct route_match *m, bool *is)
{
	const struct conf_route *route = route_configured(conf, base);
	const struct conf_namespace *ns = route != NULL ? NULL :
	    route_namespace(conf, base);

	*is = route != NULL ? route->sockjs : ns != NULL && ns->sockjs;
	if (!*is)
		return (route != NULL || ns != NULL);
	m->route = ROUTE_SOCKJS;
	m->conf = route;
	m->base = base;
	if (route == NULL)
		m->ns_name = slice_from(base, 3);
	return (true);
}

/* path without its last part; neither that nor the one before may be empty. */
static bool
route_shorter(struct slice *path)
{
	size_t n = path->n;

	while (n > 0 && path->p[n - 1] != '/')
		n--;
	if (n <= 1 || n == path->n || path->p[n - 2] == '/')
		return (false);
	path->n = n - 1;
	return (true);
}

/* "/path//" */
static bool
route_ends_twice(struct slice path)
{
	return (path.n > 1 && path.p[path.n - 1] == '/' &&
	    path.p[path.n - 2] == '/');
}

/* The longest one counts, also if it is without; one with a slash behind it is the
 * same. */
static bool
route_sockjs(const struct conf *conf, struct slice path, struct route_match *m)
{
	struct slice base = path;
	bool is = false;
	unsigned parts;

	if (route_ends_twice(path))
		return (false);
	if (m->conf != NULL)		/* that path and no other is meant */
		return (route_sockjs_base(conf, path, m, &is) && is);
	if (base.n > 1 && base.p[base.n - 1] == '/') {
		base.n--;
		return (route_sockjs_base(conf, base, m, &is) && is);
	}
	for (parts = 0; parts <= 3; parts++) {
		if (parts > 0 && !route_shorter(&base))
			return (false);
		if (parts != 2 && route_sockjs_base(conf, base, m, &is)) {
			m->below = slice_from(path, base.n);
			return (is);
		}
	}
	return (false);
}

void
route_find(const struct conf *conf, struct slice path, struct route_match *m)
{
	memset(m, 0, sizeof *m);
	if (conf_path_under(path, slice_str(conf->socketio_path))) {
		m->route = ROUTE_ENGINE;
		return;
	}
	m->conf = route_configured(conf, path);
	if (conf->serves_sockjs && route_sockjs(conf, path, m))
		return;
	if (m->conf != NULL) {
		m->route = m->conf->format == CONF_FORMAT_ENGINE ?
		    ROUTE_ENGINE : ROUTE_PLAIN;
		return;
	}
	if (conf_path_under(path, SLICE("/ws"))) {
		m->route = ROUTE_PLAIN;
		m->ns_name = slice_from(path, 3);
		return;
	}
	if (conf_path_under(path, SLICE("/sse"))) {
		m->route = ROUTE_SSE;
		m->ns_name = slice_from(path, 4);
		return;
	}
	if (conf_path_under(path, SLICE("/poll"))) {
		m->route = ROUTE_POLL;
		m->ns_name = slice_from(path, 5);
		return;
	}
	route_own(path, m);
	if (m->route == ROUTE_NONE)
		route_own(route_bare(path), m);
}
