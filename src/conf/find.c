/*
 * Names against the configuration: which namespace, which room rule, which
 * event, which route.  Asked for each message; nothing is allocated.
 */
#include "conf/find.h"

#include <string.h>

#include "conf/index.h"
#include "conf/name.h"
#include "conf/pattern.h"

const struct conf_namespace *
conf_namespace_find(const struct conf *conf, struct slice name)
{
	CHECK_MAGIC(conf, CONF_MAGIC);
	return (conf_index_find(conf->ns_index, name));
}

const struct conf_namespace *
conf_namespace_at(const struct conf *conf, size_t index)
{
	if (index >= conf->ns_room)
		index -= conf->ns_room;
	return (index >= conf->nnamespaces || conf->namespaces[index].gone ?
	    NULL : &conf->namespaces[index]);
}

bool
conf_api_key_covers(const struct conf_api_key *key,
    const struct conf_namespace *ns)
{
	size_t i;

	for (i = 0; i < key->nnamespaces; i++)
		if (strcmp(key->namespaces[i], ns->name) == 0)
			return (true);
	return (key->nnamespaces == 0);
}

bool
conf_api_key_sends(const struct conf_api_key *key, struct slice event)
{
	struct slice name;
	size_t i;

	for (i = 0; i < key->nevents; i++) {
		name = slice_str(key->events[i]);
		if (name.n > 0 && name.p[name.n - 1] == '*') {
			name.n--;
			if (slice_starts(event, name))
				return (true);
		} else if (slice_eq(event, name))
			return (true);
	}
	return (false);
}

const struct conf_event *
conf_event_find(const struct conf_namespace *ns, struct slice name)
{
	const struct conf_event *event = conf_index_find(ns->event_index, name);

	if (event == NULL && ns->fallback != NULL &&
	    !conf_event_needs_rule(name))
		event = ns->fallback;
	return (event);
}

const struct conf_room *
conf_room_find(const struct conf_namespace *ns, struct slice room,
    struct slice values[CONF_PARAMS_MAX])
{
	size_t i;

	for (i = 0; i < ns->nrooms; i++)
		if (conf_pattern_match(&ns->rooms[i].pattern, room, values))
			return (&ns->rooms[i]);
	return (NULL);
}

bool
conf_room_keeps(const struct conf_namespace *ns, struct slice room)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *r;

	if (!ns->keeps)
		return (false);
	r = conf_room_find(ns, room, values);
	return (r != NULL && r->history != 0);
}

const struct conf_room *
conf_room_keyed(const struct conf_namespace *ns, struct slice room)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *r;

	if (!ns->keyed)
		return (NULL);
	r = conf_room_find(ns, room, values);
	return (r != NULL && (r->documents || r->latest) ? r : NULL);
}

const struct conf_key *
conf_key_find(const struct conf_room *r, struct slice key)
{
	struct slice values[CONF_PARAMS_MAX];
	size_t i;

	for (i = 0; i < r->nkey_rules; i++)
		if (conf_pattern_match(&r->key_rules[i].pattern, key, values))
			return (&r->key_rules[i]);
	return (NULL);
}

/* --- routes ----------------------------------------------------------- */

bool
conf_path_under(struct slice path, struct slice prefix)
{
	return (slice_starts(path, prefix) &&
	    (path.n == prefix.n || path.p[prefix.n] == '/'));
}

bool
conf_path_own(const struct conf *conf, struct slice path)
{
	static const char *const own[] = { "/health", "/healthz", "/livez",
		"/readyz", "/metrics", "/api/v1", "/api/health", "/console",
		"/demo", "/sse", "/poll" };
	size_t i;

	if (conf_path_under(path, slice_str(conf->socketio_path)))
		return (true);
	for (i = 0; i < nitems(own); i++)
		if (conf_path_under(path, slice_str(own[i])))
			return (true);
	return (false);
}

bool
conf_route_match(const struct conf_route *route, struct slice path,
    struct slice values[CONF_PARAMS_MAX])
{
	if (conf_pattern_match(&route->path, path, values))
		return (true);
	/* with or without a slash at its end */
	if (path.n == 0 || path.p[path.n - 1] != '/')
		return (false);
	path.n--;
	return (conf_pattern_match(&route->path, path, values));
}

const struct conf_route *
conf_route_find(const struct conf *conf, struct slice path,
    struct slice values[CONF_PARAMS_MAX])
{
	size_t i;

	CHECK_MAGIC(conf, CONF_MAGIC);
	if (conf->nroutes == 0 || conf_path_own(conf, path))
		return (NULL);
	for (i = 0; i < conf->nroutes; i++)
		if (conf_route_match(&conf->routes[i], path, values))
			return (&conf->routes[i]);
	return (NULL);
}
