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
		    strchr("?#*", *c) != NULL)
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
