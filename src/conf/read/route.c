/*
 * Endpoints for plain WebSocket.
 */
#include "conf/read/route.h"

#include <string.h>

#include "conf/find.h"
#include "conf/heap.h"
#include "conf/pattern.h"

static const char *
route_path_bad(const struct conf *conf, const char *path)
{
	const char *c;

	if (path[0] != '/' || path[1] == '\0')
		return ("a path starts with \"/\", and goes on");
	for (c = path; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f ||
		    strchr("?#", *c) != NULL ||
		    (*c == '*' && c[1] != '}'))
			return ("the path has blanks or one of ?#*");
	if (conf_path_under(slice_str(path), slice_str(conf->socketio_path)))
		return ("the path is socketio's");
	if (conf_path_own(conf, slice_str(path)))
		return ("the path is one of roostd's own");
	return (NULL);
}

static bool
route_same(const void *va, const void *vb)
{
	const struct conf_route *a = va, *b = vb;

	return (conf_pattern_same(&a->path, &b->path));
}

/* A name that its room could have; NULL: it joins none, or one without a
 * pattern. */
static const struct conf_room *
route_room(const struct conf_route *r)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *room;
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 0; i < r->njoin; i++)
		buf_str(&b, r->join[i].param ? "x" : r->join[i].text);
	room = r->ns == NULL || b.oom ? NULL :
	    conf_room_find(r->ns, buf_unread(&b), values);
	buf_fini(&b);
	return (room);
}

/* What a document needs: nothing of it goes by itself. */
static void
route_check_yjs(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_route *r)
{
	const struct conf_room *room = route_room(r);

	if (r->format != CONF_FORMAT_YJS || r->ns == NULL)
		return;
	if (room == NULL || !room->document)
		conf_titled_bad(parse, s, "format = yjs needs join, and for "
		    "that a room of the namespace with yjs = true");
	else if (r->compact > room->history / 2)
		conf_titled_bad(parse, s, "compact is more than half of the "
		    "room's history");
	if (r->ns->journals)
		conf_titled_bad(parse, s, "format = yjs does not go with "
		    "recovery = store");
}

static void
route_read(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_route *route = &conf->routes[conf->nroutes++];
	const char *wrong = conf_pattern_parse(s->title.text, &route->path);

	route->line = s->title.at.line;
	if (wrong == NULL)
		wrong = route_path_bad(conf, s->title.text);
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	else
		conf_titled_repeats(parse, &parse->tree, s, conf->routes,
		    sizeof *conf->routes, route_same);
	conf_titled_fill(parse, s, route);
	if (wrong == NULL && route->format == CONF_FORMAT_ENGINE &&
	    s->title.text[strlen(s->title.text) - 1] == '/')
		conf_titled_bad(parse, s, "without the slash at its end: "
		    "with format = engine it is served with and without");
	if (wrong == NULL && route->sockjs &&
	    route->format != CONF_FORMAT_ENVELOPE &&
	    route->format != CONF_FORMAT_BARE)
		conf_titled_bad(parse, s, "sockjs goes with the formats "
		    "envelope and bare");
	if (wrong == NULL)
		route_check_yjs(parse, s, route);
}

void
conf_routes_read(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	const struct conf_tree *s = NULL;

	conf->routes = conf_calloc(conf_tree_count(&parse->tree,
	    CONF_SEC_ROUTE), sizeof *conf->routes);
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_ROUTE, s)) != NULL)
		route_read(parse, s);
}
