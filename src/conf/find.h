/*
 * What the daemon asks of its configuration by name, and a few questions that
 * the struct answers by itself.
 */
#ifndef CONF_FIND_H
#define CONF_FIND_H

#include "conf/model.h"

/* By name with its slash; NULL when unknown. */
const struct conf_namespace *conf_namespace_find(const struct conf *,
	    struct slice name);
/* By an index in shared memory, of its own or of its rooms; NULL: there is none,
 * or it is gone. */
const struct conf_namespace *conf_namespace_at(const struct conf *,
	    size_t index);
/* Its holder may publish an event of this name. */
bool	conf_api_key_sends(const struct conf_api_key *, struct slice event);
/* A key may be used for this namespace. */
bool	conf_api_key_covers(const struct conf_api_key *,
	    const struct conf_namespace *);
/* The rule for a client's event by its plain name, else "*", else NULL.  "*" is
 * not for names that Socket.IO keeps for itself (its clients break when they
 * are sent one), nor for "error", by which the server refuses events. */
const struct conf_event *conf_event_find(const struct conf_namespace *,
	    struct slice name);
/* The first room rule that matches, or NULL. */
const struct conf_room *conf_room_find(const struct conf_namespace *,
	    struct slice room, struct slice values[CONF_PARAMS_MAX]);
/* Has this room a history? */
bool	conf_room_keeps(const struct conf_namespace *, struct slice room);
/* What it keeps the newest of each key of; NULL: it does not. */
const struct conf_room *conf_room_keyed(const struct conf_namespace *,
	    struct slice room);

/* Who may change this key of a document; NULL: no rule fits. */
const struct conf_key *conf_key_find(const struct conf_room *,
	    struct slice key);

/* A path is prefix, or continues it with a slash. */
bool	conf_path_under(struct slice path, struct slice prefix);
/* It is socketio's or one of those that roostd serves itself: no route's. */
bool	conf_path_own(const struct conf *, struct slice path);
/*
 * path here is decoded: what a {parameter} stands for is seen as it will be
 * used.  The route whose path matches, with its parameters; for format =
 * engine also with a slash behind it.  A path of our own is none's, whatever
 * a {parameter} could stand for.
 */
const struct conf_route *conf_route_find(const struct conf *,
	    struct slice path, struct slice values[CONF_PARAMS_MAX]);
/* Does it match this one? */
bool	conf_route_match(const struct conf_route *, struct slice path,
	    struct slice values[CONF_PARAMS_MAX]);

/* May Engine.IO clients use this one? */
static inline bool
conf_transport_allowed(const struct conf *conf, uint32_t transport)
{
	return (conf->socketio_transports == 0 ||
	    (conf->socketio_transports & transport) != 0);
}

static inline bool
conf_may_upgrade(const struct conf *conf)
{
	return (conf->allow_upgrades &&
	    conf_transport_allowed(conf, CONF_TRANSPORT_WEBSOCKET));
}

#endif
