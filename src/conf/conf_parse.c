/*
 * From the text of roost.conf to a struct conf: each section of the tree is
 * filled in by the table, then its parts are held against each other.
 */
#include "conf/conf_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_addr.h"
#include "conf/conf_match.h"
#include "conf/conf_rate.h"
#include "conf/conf_rule.h"
#include "conf/conf_substitute.h"
#include "conf/conf_tree.h"
#include "conf/conf_type.h"

#define DEFAULT_LISTEN	"127.0.0.1:8080"

struct parse {
	struct conf_parser p;
	struct conf_substitutes substitutes;
	struct cfg_t	*tree;
	char		 where[96];	/* the section being filled in */
};

/* --- diagnostics ---------------------------------------------------------- */

void
conf_value_bad(struct conf_parser *p, const struct conf_value *v,
    const struct conf_token *t, const char *wrong, ...)
{
	char text[256], shown[72] = "";
	va_list ap;

	va_start(ap, wrong);
	(void)vsnprintf(text, sizeof(text), wrong, ap);
	va_end(ap);
	if (v->row->type != CONF_TYPE_SECRET)
		(void)snprintf(shown, sizeof(shown), " = %.60s", t->text);
	conf_diag(&p->diags, t->at, "%s%s%s%s: %s", v->where,
	    *v->where == '\0' ? "" : ": ", v->row->name, shown, text);
}

/* --- values --------------------------------------------------------------- */

/* What the table says when the file says nothing. */
static void
set_default(struct parse *parse, const struct conf_directive *row,
    void *object)
{
	char *text = conf_strdup(row->def == NULL ? "" : row->def);
	struct conf_token token = { .at = { "default", 0 }, .text = text };
	const struct conf_token *list[] = { &token };
	struct conf_value v = { .row = row, .tokens = list, .n = 1,
		.where = parse->where };

	if (conf_type_is_list(row->type))
		v.n = 0;
	if (row->def != NULL)
		conf_value_set(&parse->p, &v, object);
	free(text);
}

static void
set_given(struct parse *parse, const struct conf_directive *row,
    const struct conf_token **tokens, size_t n, void *object)
{
	struct conf_value v = { .row = row, .tokens = tokens, .n = n,
		.where = parse->where };

	conf_value_set(&parse->p, &v, object);
}

static bool
set_substitute(struct parse *parse, size_t row, void *object)
{
	const struct conf_token *tokens = parse->substitutes.rows[row].tokens;
	size_t n = parse->substitutes.rows[row].n;
	const struct conf_token **list;

	if (!parse->substitutes.rows[row].given)
		return (false);
	list = conf_calloc(n, sizeof(const struct conf_token *));
	for (size_t i = 0; i < n; i++)
		list[i] = &tokens[i];
	set_given(parse, &conf_directives[row], list, n, object);
	free(list);
	return (true);
}

/* false when the section doesn't say. */
static bool
set_from_file(struct parse *parse, struct cfg_t *sec,
    const struct conf_directive *row, void *object)
{
	size_t n;
	const struct conf_token **list = conf_tree_values(sec, &parse->p.scan,
	    row, &n);

	if (list == NULL)
		return (false);
	set_given(parse, row, list, n, object);
	free(list);
	return (true);
}

static void
fill_section(struct parse *parse, struct cfg_t *sec, enum conf_section section,
    struct conf_place at, void *object)
{
	const struct conf_directive *row;
	bool titled = conf_sections[section].title != NULL;

	for (size_t i = 0; i < CONF_NDIRECTIVES; i++) {
		row = &conf_directives[i];
		if (row->section != section)
			continue;
		set_default(parse, row, object);
		if (!titled && set_substitute(parse, i, object))
			continue;
		if (!set_from_file(parse, sec, row, object) &&
		    row->def == NULL)
			conf_diag(&parse->p.diags, at, "%s needs %s",
			    parse->where, row->name);
	}
}

/* `room "x"`: for messages. */
static void
name_section(struct parse *parse, enum conf_section section,
    const char *title)
{
	if (title == NULL)
		(void)snprintf(parse->where, sizeof(parse->where), "%s",
		    conf_sections[section].name);
	else
		(void)snprintf(parse->where, sizeof(parse->where),
		    "%s \"%.60s\"", conf_sections[section].name, title);
}

/* --- titled sections ------------------------------------------------------ */

/* One titled section: what its reader gets. */
struct section {
	struct cfg_t	*tree;
	enum conf_section id;
	const struct conf_token *title;
};

static void
section_bad(struct parse *parse, const struct section *s, const char *wrong)
{
	if (!s->title->unset)
		conf_diag(&parse->p.diags, s->title->at, "%s \"%.60s\": %s",
		    conf_sections[s->id].name, s->title->text, wrong);
}

static void
section_repeats(struct parse *parse, const struct section *s, int first)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "is there already (line %d)",
	    first);
	section_bad(parse, s, text);
}

static struct section
section_at(struct parse *parse, struct cfg_t *tree, enum conf_section id,
    size_t i)
{
	struct section s = { .id = id };

	s.tree = conf_tree_section(tree, id, i);
	s.title = conf_tree_title(s.tree, &parse->p.scan);
	return (s);
}

static void
fill_titled(struct parse *parse, const struct section *s, void *object)
{
	name_section(parse, s->id, s->title->text);
	fill_section(parse, s->tree, s->id, s->title->at, object);
}

/* Sockets are compared, not texts; port 0 is never the same twice. */
static bool
listen_same(const struct conf_listen *a, const struct conf_listen *b)
{
	return (a->addrlen == b->addrlen &&
	    memcmp(&a->addr, &b->addr, a->addrlen) == 0 &&
	    (a->addr.ss_family == AF_UNIX ||
	    strcmp(strrchr(a->text, ':'), ":0") != 0));
}

static void
check_tls(struct parse *parse, const struct section *s,
    const struct conf_listen *l)
{
	bool certificate = l->certificate[0] != '\0';
	bool key = l->key[0] != '\0';

	if (l->tls && !certificate)
		section_bad(parse, s, "tls needs a certificate");
	if (l->tls && !key)
		section_bad(parse, s, "tls needs a key");
	if (!l->tls && (certificate || key))
		section_bad(parse, s, "certificate and key need tls = true");
}

static void
read_listen(struct parse *parse, const struct section *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_listen *l = &conf->listens[conf->nlistens++];
	const char *wrong;

	l->text = conf_strdup(s->title->text);
	l->line = s->title->at.line;
	wrong = conf_addr_parse(l->text, &l->addr, &l->addrlen);
	if (wrong != NULL)
		section_bad(parse, s, wrong);
	fill_titled(parse, s, l);
	check_tls(parse, s, l);
	for (struct conf_listen *o = conf->listens; wrong == NULL && o < l;
	    o++)
		if (listen_same(o, l)) {
			section_repeats(parse, s, o->line);
			break;
		}
}

static void
read_listens(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(parse->tree, CONF_SEC_LISTEN);
	char text[] = DEFAULT_LISTEN;
	struct conf_token token = { .at = { "default", 0 }, .text = text };
	struct section s = { .id = CONF_SEC_LISTEN, .title = &token };

	conf->listens = conf_calloc(n + 1, sizeof(*conf->listens));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, parse->tree, CONF_SEC_LISTEN, i);
		read_listen(parse, &s);
	}
	if (n > 0)
		return;
	s.tree = NULL;
	read_listen(parse, &s);
}

static void
read_jwt_keys(struct parse *parse)
{
	struct conf_jwt *jwt = &parse->p.conf->jwt;
	struct cfg_t *tree = conf_tree_section(parse->tree, CONF_SEC_JWT, 0);
	size_t n = conf_tree_count(tree, CONF_SEC_JWT_KEY);
	struct conf_jwt_key *key;
	struct section s;

	if (n > 0)
		jwt->keys = conf_calloc(n, sizeof(*jwt->keys));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, tree, CONF_SEC_JWT_KEY, i);
		for (size_t j = 0; j < jwt->nkeys; j++)
			if (strcmp(jwt->keys[j].kid, s.title->text) == 0) {
				section_repeats(parse, &s, jwt->keys[j].line);
				break;
			}
		key = &jwt->keys[jwt->nkeys++];
		key->kid = conf_strdup(s.title->text);
		key->line = s.title->at.line;
		fill_titled(parse, &s, key);
	}
}

static void
read_api_keys(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	struct cfg_t *tree = conf_tree_section(parse->tree, CONF_SEC_API, 0);
	size_t n = conf_tree_count(tree, CONF_SEC_API_KEY);
	struct conf_api_key *key;
	struct section s;

	if (n > 0)
		conf->api_keys = conf_calloc(n, sizeof(*conf->api_keys));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, tree, CONF_SEC_API_KEY, i);
		for (size_t j = 0; j < conf->napi_keys; j++)
			if (strcmp(conf->api_keys[j].name,
			    s.title->text) == 0) {
				section_repeats(parse, &s,
				    conf->api_keys[j].line);
				break;
			}
		key = &conf->api_keys[conf->napi_keys++];
		key->name = conf_strdup(s.title->text);
		key->line = s.title->at.line;
		if (key->name[0] == '\0')
			section_bad(parse, &s, "the name is empty");
		fill_titled(parse, &s, key);
	}
}

/* Handshakes and bad tokens have no user yet: address is their default. */
static void
check_rate(struct parse *parse, const struct section *s,
    struct conf_rate *rate)
{
	const struct conf_directive *per = &conf_directives[
	    conf_directive_find(CONF_SEC_RATE, SLICE("per"))];
	const char *wrong = conf_rate_bad(rate);
	const struct conf_token **given;
	size_t n;

	if (conf_rate_of_addresses(rate->name)) {
		given = conf_tree_values(s->tree, &parse->p.scan, per, &n);
		if (given == NULL)
			rate->per = CONF_PER_ADDRESS;
		else if (rate->per != CONF_PER_ADDRESS)
			section_bad(parse, s, "must be per = address");
		free(given);
		if (rate->strikes != 0)
			section_bad(parse, s, "strikes are for events");
	}
	if (wrong != NULL)
		section_bad(parse, s, wrong);
}

static void
read_rate(struct parse *parse, const struct section *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_rate *rate = &conf->rates[conf->nrates];

	rate->index = (unsigned)conf->nrates++;
	rate->name = conf_strdup(s->title->text);
	rate->line = s->title->at.line;
	if (rate->name[0] == '\0')
		section_bad(parse, s, "the name is empty");
	for (struct conf_rate *o = conf->rates; o < rate; o++)
		if (strcmp(o->name, rate->name) == 0) {
			section_repeats(parse, s, o->line);
			break;
		}
	fill_titled(parse, s, rate);
	check_rate(parse, s, rate);
}

static void
read_rates(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(parse->tree, CONF_SEC_RATE);
	struct section s;

	conf->rates = conf_calloc(n + 1, sizeof(*conf->rates));
	for (size_t i = 0; i < n; i++) {
		s = section_at(parse, parse->tree, CONF_SEC_RATE, i);
		if (i == CONF_RATES_MAX) {
			section_bad(parse, &s, "more than 64 rates");
			break;
		}
		read_rate(parse, &s);
	}
	if (conf_rate_find(conf, "messages") == NULL &&
	    conf->nrates < CONF_RATES_MAX)
		conf_rate_environment(&parse->p);
	conf->rate_messages = conf_rate_find(conf, "messages");
	conf->rate_connects = conf_rate_find(conf, "connects");
	conf->rate_auth_failures = conf_rate_find(conf, "auth_failures");
}

static void
read_room(struct parse *parse, const struct section *s,
    struct conf_namespace *ns)
{
	struct conf_room *room = &ns->rooms[ns->nrooms++];
	const char *wrong = conf_pattern_parse(s->title->text, &room->pattern);

	room->line = s->title->at.line;
	if (wrong == NULL && s->title->text[0] == '\0')
		wrong = "the name is empty";
	if (wrong == NULL && strchr(s->title->text, '*') != NULL)
		wrong = "there are no wild cards: use a {parameter}";
	if (wrong != NULL)
		section_bad(parse, s, wrong);
	for (struct conf_room *o = ns->rooms; wrong == NULL && o < room; o++)
		if (o->pattern.text != NULL &&
		    conf_pattern_same(&o->pattern, &room->pattern)) {
			section_repeats(parse, s, o->line);
			break;
		}
	fill_titled(parse, s, room);
}

/* What the directives of a rule mean together. */
static void
check_event(struct parse *parse, const struct section *s,
    const struct conf_event *event)
{
	if (event->error[0] != '\0' && event->to != CONF_TO_NOWHERE)
		section_bad(parse, s, "error needs to = nowhere");
	if (event->self && event->to == CONF_TO_NOWHERE)
		section_bad(parse, s, "self needs a receiver: to = ...");
	if (event->confirm_json != NULL && event->error[0] != '\0')
		section_bad(parse, s, "confirm and error contradict");
}

/*
 * The rule for the moment of joining.  What it sends on is the auth object of
 * a CONNECT, which may hold a token: to nobody but the one who sent it.
 */
static void
check_connect(struct parse *parse, const struct section *s,
    const struct conf_event *event)
{
	const bool given[] = { event->nroles > 0, event->self,
		event->is_volatile, !event->member,
		event->confirm_json != NULL, event->ack != CONF_ACK_NONE,
		event->max_bytes != 0, event->rate != NULL,
		event->nchecks > 0, event->error[0] != '\0' };

	if (event->to != CONF_TO_SENDER && event->to != CONF_TO_NOWHERE)
		section_bad(parse, s, "only to = sender: "
		    "an auth object, with tokens in it, is for nobody else");
	else if (event->to == CONF_TO_SENDER && event->as_json == NULL)
		section_bad(parse, s, "to = sender needs as: "
		    "clients may not be sent an event of this name");
	for (size_t i = 0; i < nitems(given); i++)
		if (given[i]) {
			section_bad(parse, s, "nobody sends it: it takes "
			    "to, as and meta, and nothing else");
			break;
		}
}

static void
read_event(struct parse *parse, const struct section *s,
    struct conf_namespace *ns)
{
	struct conf_event *event = &ns->events[ns->nevents++];
	bool connect = strcmp(s->title->text, "connect") == 0;
	const char *wrong = connect ? NULL :
	    conf_event_name_bad(s->title->text);

	event->name = conf_strdup(s->title->text);
	event->name_len = strlen(event->name);
	event->name_json = conf_json_string(event->name);
	event->line = s->title->at.line;
	if (wrong != NULL)
		section_bad(parse, s, wrong);
	fill_titled(parse, s, event);
	if (connect) {
		check_connect(parse, s, event);
		if (ns->on_connect != NULL)
			section_repeats(parse, s, ns->on_connect->line);
		ns->on_connect = event;
		return;
	}
	check_event(parse, s, event);
	if (strcmp(event->name, "*") == 0)
		ns->fallback = event;
	else if (event->as_json == NULL)
		event->as_json = event->name_json;
}

static struct conf_index *
index_new(size_t n)
{
	struct conf_index *index = conf_calloc(1, sizeof(*index));

	index->names = conf_calloc(n, sizeof(*index->names));
	return (index);
}

static void
index_add(struct conf_index *index, const char *name, const void *what,
    int line)
{
	index->names[index->n++] =
	    (struct conf_name){ slice_str(name), what, line };
}

/* Sort; names that are there twice are neighbours then. */
static void
index_finish(struct parse *parse, struct conf_index *index,
    enum conf_section section)
{
	const struct conf_name *a, *b;

	conf_index_sort(index);
	for (size_t i = 1; i < index->n; i++) {
		a = &index->names[i - 1];
		b = &index->names[i];
		if (slice_eq(a->name, b->name))
			conf_diag(&parse->p.diags, (struct conf_place){
			    parse->p.src->file, b->line },
			    "%s \"%.60s\": is there already (line %d)",
			    conf_sections[section].name,
			    (const char *)b->name.p, a->line);
	}
}

static void
index_events(struct parse *parse, struct conf_namespace *ns)
{
	struct conf_index *index = index_new(ns->nevents);

	for (size_t i = 0; i < ns->nevents; i++)
		if (strcmp(ns->events[i].name, "connect") != 0)
			index_add(index, ns->events[i].name, &ns->events[i],
			    ns->events[i].line);
	index_finish(parse, index, CONF_SEC_EVENT);
	ns->event_index = index;
}

static void
read_namespace(struct parse *parse, const struct section *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_namespace *ns = &conf->namespaces[conf->nnamespaces];
	const char *wrong = conf_namespace_name_bad(s->title->text);
	size_t nrooms = conf_tree_count(s->tree, CONF_SEC_ROOM);
	size_t nevents = conf_tree_count(s->tree, CONF_SEC_EVENT);
	struct section sub;

	ns->index = (uint16_t)conf->nnamespaces++;
	ns->name = conf_strdup(s->title->text);
	ns->name_len = strlen(ns->name);
	ns->line = s->title->at.line;
	if (wrong != NULL)
		section_bad(parse, s, wrong);
	fill_titled(parse, s, ns);
	if (nrooms > 0)
		ns->rooms = conf_calloc(nrooms, sizeof(*ns->rooms));
	if (nevents > 0)
		ns->events = conf_calloc(nevents, sizeof(*ns->events));
	for (unsigned i = 0; i < nrooms; i++) {
		sub = section_at(parse, s->tree, CONF_SEC_ROOM, i);
		read_room(parse, &sub, ns);
	}
	for (unsigned i = 0; i < nevents; i++) {
		sub = section_at(parse, s->tree, CONF_SEC_EVENT, i);
		read_event(parse, &sub, ns);
	}
	index_events(parse, ns);
}

static void
index_namespaces(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	struct conf_index *index = index_new(conf->nnamespaces);

	for (size_t i = 0; i < conf->nnamespaces; i++)
		index_add(index, conf->namespaces[i].name,
		    &conf->namespaces[i], conf->namespaces[i].line);
	index_finish(parse, index, CONF_SEC_NAMESPACE);
	conf->ns_index = index;
}

#define NAMESPACES_MAX	1024

static void
read_namespaces(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(parse->tree, CONF_SEC_NAMESPACE);
	struct section s;

	if (n > 0)
		conf->namespaces = conf_calloc(n, sizeof(*conf->namespaces));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, parse->tree, CONF_SEC_NAMESPACE, i);
		if (i == NAMESPACES_MAX) {
			section_bad(parse, &s, "more than 1024 namespaces");
			break;
		}
		read_namespace(parse, &s);
	}
	index_namespaces(parse);
}

/* Paths that are roostd's own. */
static const char *const own_paths[] = { "/health", "/healthz", "/livez",
	"/readyz", "/metrics", "/api/v1", "/api/health", "/console", "/demo",
	"/sse", "/poll" };

/* path is prefix, or continues it with a slash. */
static bool
path_under(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return (strncmp(path, prefix, n) == 0 &&
	    (path[n] == '\0' || path[n] == '/'));
}

static const char *
route_path_bad(const struct conf *conf, const char *path)
{
	if (path[0] != '/' || path[1] == '\0')
		return ("a path starts with \"/\", and goes on");
	for (const char *c = path; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f ||
		    strchr("?#*", *c) != NULL)
			return ("the path has blanks or one of ?#*");
	if (path_under(path, conf->socketio_path))
		return ("the path is socketio's");
	for (size_t i = 0; i < nitems(own_paths); i++)
		if (path_under(path, own_paths[i]))
			return ("the path is one of roostd's own");
	return (NULL);
}

static void
read_route(struct parse *parse, const struct section *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_route *route = &conf->routes[conf->nroutes++];
	const char *wrong = conf_pattern_parse(s->title->text, &route->path);

	route->line = s->title->at.line;
	if (wrong == NULL)
		wrong = route_path_bad(conf, s->title->text);
	if (wrong != NULL)
		section_bad(parse, s, wrong);
	for (struct conf_route *o = conf->routes; wrong == NULL && o < route;
	    o++)
		if (o->path.text != NULL &&
		    conf_pattern_same(&o->path, &route->path)) {
			section_repeats(parse, s, o->line);
			break;
		}
	fill_titled(parse, s, route);
	if (wrong == NULL && route->format == CONF_FORMAT_ENGINE &&
	    s->title->text[strlen(s->title->text) - 1] == '/')
		section_bad(parse, s, "without the slash at its end: "
		    "with format = engine it is served with and without");
}

static void
read_routes(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(parse->tree, CONF_SEC_ROUTE);
	struct section s;

	if (n > 0)
		conf->routes = conf_calloc(n, sizeof(*conf->routes));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, parse->tree, CONF_SEC_ROUTE, i);
		read_route(parse, &s);
	}
}

/* --- the whole ------------------------------------------------------------ */

static void
read_plain_sections(struct parse *parse)
{
	struct conf_place nowhere = { parse->p.src->file, 0 };
	struct cfg_t *tree;

	for (unsigned i = 0; i < CONF_SEC__MAX; i++) {
		if (conf_sections[i].title != NULL)
			continue;
		tree = i == CONF_SEC_TOP ? parse->tree : conf_tree_section(
		    parse->tree, (enum conf_section)i, 0);
		name_section(parse, (enum conf_section)i, NULL);
		fill_section(parse, tree, (enum conf_section)i, nowhere,
		    parse->p.conf);
	}
}

/* Algorithms that no configured key could have signed with. */
static void
check_algorithms(struct parse *parse)
{
	struct conf_jwt *jwt = &parse->p.conf->jwt;
	bool secret = jwt->secret[0] != '\0' || jwt->jwks_file[0] != '\0';
	bool public = jwt->nkeys > 0 || jwt->jwks_file[0] != '\0';
	struct conf_place at = { parse->p.src->file, parse->p.scan.given[
	    conf_directive_find(CONF_SEC_JWT, SLICE("algorithms"))] };
	uint32_t can = (secret ? CONF_ALGORITHMS_HS : 0) |
	    (public ? CONF_ALGORITHMS_PUBLIC : 0);

	jwt->enabled = secret || public;
	if (jwt->enabled && (jwt->algorithms & ~can) != 0)
		conf_diag(&parse->p.diags, at, "jwt: algorithms has %s",
		    secret ? "RS, PS, ES or EdDSA, but there is no public key"
		    : "HS, but there is no secret");
	if (jwt->algorithms == 0)
		jwt->algorithms = can;
}

static void
check_auth(struct parse *parse)
{
	struct conf *conf = parse->p.conf;

	for (size_t i = 0; i < conf->nnamespaces && !conf->jwt.enabled; i++)
		if (conf->namespaces[i].auth == CONF_AUTH_REQUIRED)
			conf_diag(&parse->p.diags, (struct conf_place){
			    parse->p.src->file, conf->namespaces[i].line },
			    "namespace \"%.60s\": auth = required, but jwt has "
			    "no secret, key or jwks_file",
			    conf->namespaces[i].name);
}

/* Browsers drop such a cookie. */
static void
check_cookie(struct parse *parse)
{
	const struct conf_cookie *k = &parse->p.conf->cookie;
	struct conf_place at = { parse->p.src->file, parse->p.scan.given[
	    conf_directive_find(CONF_SEC_SOCKETIO, SLICE("cookie_secure"))] };

	if (k->same_site == CONF_SAME_SITE_NONE &&
	    k->secure == CONF_SECURE_FALSE)
		conf_diag(&parse->p.diags, at, "socketio: cookie_same_site = "
		    "none needs cookie_secure");
}

static void
build(struct parse *parse)
{
	conf_substitutes_overrides(&parse->substitutes, parse->p.src,
	    &parse->p.diags);
	conf_substitutes_environment(&parse->substitutes, parse->p.src,
	    &parse->p.scan, conf_tree_count(conf_tree_section(parse->tree,
	    CONF_SEC_JWT, 0), CONF_SEC_JWT_KEY) > 0);
	read_plain_sections(parse);
	read_listens(parse);
	read_jwt_keys(parse);
	read_api_keys(parse);
	read_rates(parse);
	read_namespaces(parse);
	read_routes(parse);
	check_algorithms(parse);
	check_auth(parse);
	check_cookie(parse);
}

struct conf *
conf_parse(const struct conf_source *src, struct conf_errors *errors)
{
	struct parse parse = { .p.src = src };
	struct conf_parser *p = &parse.p;

	conf_diags_init(&p->diags);
	conf_scan_init(&p->scan);
	conf_substitutes_init(&parse.substitutes);
	if (conf_scan(&p->scan, src, &p->diags))
		parse.tree = conf_tree_read(&p->scan, src->file, &p->diags);
	if (parse.tree != NULL) {
		p->conf = conf_calloc(1, sizeof(*p->conf));
		p->conf->magic = CONF_MAGIC;
		build(&parse);
	}
	conf_tree_free(&parse.tree);
	conf_substitutes_fini(&parse.substitutes);
	conf_scan_fini(&p->scan);
	if (p->diags.n > 0)
		conf_free(&p->conf);
	conf_diags_flush(&p->diags, errors);
	conf_diags_fini(&p->diags);
	return (p->conf);
}
