/*
 * From the text of roost.conf to a struct conf: each section of the tree is
 * filled in by the table, then its parts are held against each other.
 */
#include "conf/conf_section.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_addr.h"
#include "conf/conf_match.h"
#include "conf/conf_rate.h"
#include "conf/conf_rule.h"
#include "conf/conf_substitute.h"
#include "conf/conf_type.h"

#define DEFAULT_LISTEN	"127.0.0.1:8080"

/* --- titled sections ------------------------------------------------------ */

static bool
addr_same(const struct conf_addr *a, const struct conf_addr *b)
{
	return (a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0);
}

/* Sockets are compared, not texts; port 0 is never the same twice. */
static bool
listen_same(const struct conf_listen *a, const struct conf_listen *b)
{
	if (a->addrs[0].sa.ss_family != AF_UNIX &&
	    strcmp(strrchr(a->text, ':'), ":0") == 0)
		return (false);
	for (unsigned i = 0; i < a->naddrs; i++)
		for (unsigned j = 0; j < b->naddrs; j++)
			if (addr_same(&a->addrs[i], &b->addrs[j]))
				return (true);
	return (false);
}

static void
check_tls(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_listen *l)
{
	bool certificate = l->certificate[0] != '\0';
	bool key = l->key[0] != '\0';

	if (l->tls && !certificate)
		conf_titled_bad(parse, s, "tls needs a certificate");
	if (l->tls && !key)
		conf_titled_bad(parse, s, "tls needs a key");
	if (!l->tls && (certificate || key))
		conf_titled_bad(parse, s,
		    "certificate and key need tls = true");
}

static void
read_listen(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_listen *l = &conf->listens[conf->nlistens++];
	const char *wrong;

	l->text = conf_strdup(s->title.text);
	l->line = s->title.at.line;
	wrong = conf_addr_parse(l->text, l->addrs, &l->naddrs);
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	conf_titled_fill(parse, s, l);
	check_tls(parse, s, l);
	for (struct conf_listen *o = conf->listens; wrong == NULL && o < l;
	    o++)
		if (listen_same(o, l)) {
			conf_titled_repeats(parse, s, o->line);
			break;
		}
}

static void
read_listens(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(&parse->tree, CONF_SEC_LISTEN);
	char text[] = DEFAULT_LISTEN;
	const struct conf_tree usual = { .section = CONF_SEC_LISTEN,
		.title = { .at = { "default", 0 }, .text = text } };
	const struct conf_tree *s = NULL;

	conf->listens = conf_calloc(n + 1, sizeof(*conf->listens));
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_LISTEN, s)) != NULL)
		read_listen(parse, s);
	if (n == 0)
		read_listen(parse, &usual);
}

static void
read_jwt_keys(struct conf_reading *parse)
{
	struct conf_jwt *jwt = &parse->p.conf->jwt;
	const struct conf_tree *tree = conf_tree_plain(&parse->tree,
	    CONF_SEC_JWT), *s = NULL;
	struct conf_jwt_key *key;

	jwt->keys = conf_calloc(conf_tree_count(tree, CONF_SEC_JWT_KEY),
	    sizeof(*jwt->keys));
	while ((s = conf_tree_next(tree, CONF_SEC_JWT_KEY, s)) != NULL) {
		for (size_t j = 0; j < jwt->nkeys; j++)
			if (strcmp(jwt->keys[j].kid, s->title.text) == 0) {
				conf_titled_repeats(parse, s,
				    jwt->keys[j].line);
				break;
			}
		key = &jwt->keys[jwt->nkeys++];
		key->kid = conf_strdup(s->title.text);
		key->line = s->title.at.line;
		conf_titled_fill(parse, s, key);
	}
}

static void
read_api_keys(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	const struct conf_tree *tree = conf_tree_plain(&parse->tree,
	    CONF_SEC_API), *s = NULL;
	struct conf_api_key *key;

	conf->api_keys = conf_calloc(conf_tree_count(tree, CONF_SEC_API_KEY),
	    sizeof(*conf->api_keys));
	while ((s = conf_tree_next(tree, CONF_SEC_API_KEY, s)) != NULL) {
		for (size_t j = 0; j < conf->napi_keys; j++)
			if (strcmp(conf->api_keys[j].name,
			    s->title.text) == 0) {
				conf_titled_repeats(parse, s,
				    conf->api_keys[j].line);
				break;
			}
		key = &conf->api_keys[conf->napi_keys++];
		key->name = conf_strdup(s->title.text);
		key->line = s->title.at.line;
		if (key->name[0] == '\0')
			conf_titled_bad(parse, s, "the name is empty");
		conf_titled_fill(parse, s, key);
	}
}

/* Handshakes and bad tokens have no user yet: address is their default. */
static void
check_rate(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_rate *rate)
{
	size_t per = (size_t)conf_directive_find(CONF_SEC_RATE, SLICE("per"));
	const char *wrong = conf_rate_bad(rate);

	if (conf_rate_of_addresses(rate->name)) {
		if (conf_tree_given(s, per) == NULL)
			rate->per = CONF_PER_ADDRESS;
		else if (rate->per != CONF_PER_ADDRESS)
			conf_titled_bad(parse, s, "must be per = address");
		if (rate->strikes != 0)
			conf_titled_bad(parse, s, "strikes are for events");
	}
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
}

static void
read_rate(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_rate *rate = &conf->rates[conf->nrates];

	rate->index = (unsigned)conf->nrates++;
	rate->name = conf_strdup(s->title.text);
	rate->line = s->title.at.line;
	if (rate->name[0] == '\0')
		conf_titled_bad(parse, s, "the name is empty");
	for (struct conf_rate *o = conf->rates; o < rate; o++)
		if (strcmp(o->name, rate->name) == 0) {
			conf_titled_repeats(parse, s, o->line);
			break;
		}
	conf_titled_fill(parse, s, rate);
	check_rate(parse, s, rate);
}

static void
read_rates(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(&parse->tree, CONF_SEC_RATE);
	const struct conf_tree *s = NULL;

	conf->rates = conf_calloc(n + 1, sizeof(*conf->rates));
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_RATE, s)) != NULL) {
		if (conf->nrates == CONF_RATES_MAX) {
			conf_titled_bad(parse, s, "more than 64 rates");
			break;
		}
		read_rate(parse, s);
	}
	if (conf_rate_find(conf, "messages") == NULL &&
	    conf->nrates < CONF_RATES_MAX)
		conf_rate_environment(&parse->p);
	conf->rate_messages = conf_rate_find(conf, "messages");
	conf->rate_connects = conf_rate_find(conf, "connects");
	conf->rate_auth_failures = conf_rate_find(conf, "auth_failures");
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
	if (conf_path_under(slice_str(path), slice_str(conf->socketio_path)))
		return ("the path is socketio's");
	if (conf_path_own(conf, slice_str(path)))
		return ("the path is one of roostd's own");
	return (NULL);
}

static void
read_route(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_route *route = &conf->routes[conf->nroutes++];
	const char *wrong = conf_pattern_parse(s->title.text, &route->path);

	route->line = s->title.at.line;
	if (wrong == NULL)
		wrong = route_path_bad(conf, s->title.text);
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	for (struct conf_route *o = conf->routes; wrong == NULL && o < route;
	    o++)
		if (o->path.text != NULL &&
		    conf_pattern_same(&o->path, &route->path)) {
			conf_titled_repeats(parse, s, o->line);
			break;
		}
	conf_titled_fill(parse, s, route);
	if (wrong == NULL && route->format == CONF_FORMAT_ENGINE &&
	    s->title.text[strlen(s->title.text) - 1] == '/')
		conf_titled_bad(parse, s, "without the slash at its end: "
		    "with format = engine it is served with and without");
}

static void
read_routes(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	const struct conf_tree *s = NULL;

	conf->routes = conf_calloc(conf_tree_count(&parse->tree,
	    CONF_SEC_ROUTE), sizeof(*conf->routes));
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_ROUTE, s)) != NULL)
		read_route(parse, s);
}

/* --- the whole ------------------------------------------------------------ */

static void
read_plain_sections(struct conf_reading *parse)
{
	struct conf_place nowhere = { parse->p.src->file, 0 };
	enum conf_section id;

	for (unsigned i = 0; i < CONF_SEC__MAX; i++) {
		id = (enum conf_section)i;
		if (conf_sections[i].title == NULL)
			conf_section_fill(parse, conf_tree_plain(&parse->tree,
			    id), id, nowhere, parse->p.conf);
	}
}

/* Algorithms that no configured key could have signed with. */
static void
check_algorithms(struct conf_reading *parse)
{
	struct conf_jwt *jwt = &parse->p.conf->jwt;
	bool secret = jwt->secret[0] != '\0' || jwt->jwks_file[0] != '\0';
	bool public = jwt->nkeys > 0 || jwt->jwks_file[0] != '\0';
	struct conf_place at = conf_section_place(parse, CONF_SEC_JWT,
	    "algorithms");
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
check_auth(struct conf_reading *parse)
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
check_cookie(struct conf_reading *parse)
{
	const struct conf_cookie *k = &parse->p.conf->cookie;
	struct conf_place at = conf_section_place(parse, CONF_SEC_SOCKETIO,
	    "cookie_secure");

	if (k->same_site == CONF_SAME_SITE_NONE &&
	    k->secure == CONF_SECURE_FALSE)
		conf_diag(&parse->p.diags, at, "socketio: cookie_same_site = "
		    "none needs cookie_secure");
}

static void
build(struct conf_reading *parse)
{
	conf_substitute_overrides(&parse->substitutes, parse->p.src,
	    &parse->p.diags);
	conf_substitute_environment(&parse->substitutes, parse->p.src,
	    &parse->tree);
	read_plain_sections(parse);
	read_listens(parse);
	read_jwt_keys(parse);
	read_rates(parse);
	conf_namespaces_read(parse);
	read_api_keys(parse);
	read_routes(parse);
	check_algorithms(parse);
	check_auth(parse);
	check_cookie(parse);
}

struct conf *
conf_parse(const struct conf_source *src, struct conf_errors *errors)
{
	struct conf_reading parse = { .p.src = src };
	struct conf_parser *p = &parse.p;

	conf_diags_init(&p->diags);
	if (conf_tree_read(&parse.tree, src, &p->diags)) {
		p->conf = conf_calloc(1, sizeof(*p->conf));
		p->conf->magic = CONF_MAGIC;
		build(&parse);
	}
	conf_tree_fini(&parse.tree);
	conf_tree_fini(&parse.substitutes);
	if (p->diags.n > 0)
		conf_free(&p->conf);
	conf_diags_flush(&p->diags, errors);
	conf_diags_fini(&p->diags);
	return (p->conf);
}
