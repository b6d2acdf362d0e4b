/*
 * From the text of roost.conf to a struct conf: each section of the tree is
 * filled in by the table, then its parts are held against each other.
 */
#include "conf/read/parse.h"

#include "conf/heap.h"
#include "conf/read/free.h"
#include "conf/read/key.h"
#include "conf/read/line.h"
#include "conf/read/listen.h"
#include "conf/read/namespace.h"
#include "conf/read/rates.h"
#include "conf/read/route.h"
#include "conf/text/substitute.h"
#include "conf/value/redis_check.h"

static void
parse_plain_sections(struct conf_reading *parse)
{
	struct conf_place nowhere = { parse->p.src->file, 0 };
	enum conf_section id;
	unsigned i;

	for (i = 0; i < CONF_SEC__MAX; i++) {
		id = (enum conf_section)i;
		if (conf_sections[i].title == NULL)
			conf_section_fill(parse, conf_tree_plain(&parse->tree,
			    id), id, nowhere, parse->p.conf);
	}
}

/* Algorithms that no configured key could have signed with. */
static void
parse_check_algorithms(struct conf_reading *parse)
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

/* Clients can say who they are, by a token or a certificate. */
static bool
parse_knows_clients(const struct conf *conf)
{
	bool knows = conf->jwt.enabled;
	size_t i;

	for (i = 0; i < conf->nlistens; i++)
		knows |= conf->listens[i].client_verify != CONF_CLIENT_OFF;
	return (knows);
}

static void
parse_check_auth(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	bool known = parse_knows_clients(conf);
	size_t i;

	for (i = 0; i < conf->nnamespaces && !known; i++)
		if (conf->namespaces[i].auth == CONF_AUTH_REQUIRED)
			conf_diag(&parse->p.diags, (struct conf_place){
			    parse->p.src->file, conf->namespaces[i].line },
			    "namespace \"%.60s\": auth = required, but jwt has "
			    "no secret, key or jwks_file",
			    conf->namespaces[i].name);
}

/* Browsers drop such a cookie. */
static void
parse_check_cookie(struct conf_reading *parse)
{
	const struct conf_cookie *k = &parse->p.conf->cookie;
	struct conf_place at = conf_section_place(parse, CONF_SEC_SOCKETIO,
	    "cookie_secure");

	if (k->same_site == CONF_SAME_SITE_NONE &&
	    k->secure == CONF_SECURE_FALSE)
		conf_diag(&parse->p.diags, at, "socketio: cookie_same_site = "
		    "none needs cookie_secure");
}

/* It becomes a part of a page of ours. */
static bool
parse_is_script(const char *url)
{
	const char *c;

	for (c = url; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f ||
		    strchr("\"'<>&\\`", *c) != NULL)
			return (false);
	return (url[0] == '\0' || url[0] == '/' ||
	    strncmp(url, "http://", 7) == 0 ||
	    strncmp(url, "https://", 8) == 0);
}

static void
parse_check_sockjs(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		conf->serves_sockjs |= conf->namespaces[i].sockjs;
	for (i = 0; i < conf->nroutes; i++)
		conf->serves_sockjs |= conf->routes[i].sockjs;
	if (!parse_is_script(conf->sockjs.client_url))
		conf_diag(&parse->p.diags, conf_section_place(parse,
		    CONF_SEC_SOCKJS, "client_url"), "sockjs: client_url is "
		    "no http:// or https:// URL, or path, without quotes, "
		    "blanks, \"&\" and \"<\"");
}

static void
parse_check_redis(struct conf_reading *parse)
{
	const struct conf_redis *r = &parse->p.conf->redis;
	const char *wrong = conf_redis_bad(r);

	if (wrong != NULL)
		conf_diag(&parse->p.diags, conf_section_place(parse,
		    CONF_SEC_REDIS, r->url.text != NULL ? "url" :
		    r->nshards > 0 ? "shards" : r->nsentinels > 0 ?
		    "sentinels" : "url"), "redis: %s", wrong);
}

static void
parse_check_store(struct conf_reading *parse)
{
	const struct conf *conf = parse->p.conf;

	if (conf->store_engine == CONF_STORE_REDIS &&
	    !conf_redis_on(&conf->redis))
		conf_diag(&parse->p.diags, conf_section_place(parse,
		    CONF_SEC_STORE, "engine"),
		    "store: engine = redis needs a section redis");
}

static void
parse_all(struct conf_reading *parse)
{
	conf_substitute_overrides(&parse->substitutes, parse->p.src,
	    &parse->p.diags);
	conf_substitute_environment(&parse->substitutes, parse->p.src,
	    &parse->tree);
	parse_plain_sections(parse);
	conf_listens_read(parse);
	conf_jwt_keys_read(parse);
	conf_rates_read(parse);
	conf_hooks_read(parse);
	conf_namespaces_read(parse);
	conf_api_keys_read(parse);
	conf_routes_read(parse);
	parse_check_algorithms(parse);
	parse_check_auth(parse);
	parse_check_cookie(parse);
	parse_check_sockjs(parse);
	parse_check_redis(parse);
	parse_check_store(parse);
	conf_lines_note(parse);
}

struct conf *
conf_parse(const struct conf_source *src, struct conf_errors *errors)
{
	struct conf_reading parse = { .p.src = src };
	struct conf_parser *p = &parse.p;
	size_t i;

	conf_diags_init(&p->diags);
	if (conf_tree_read(&parse.tree, src, &p->diags)) {
		p->conf = conf_calloc(1, sizeof *p->conf);
		p->conf->magic = CONF_MAGIC;
		parse_all(&parse);
	}
	conf_tree_fini(&parse.tree);
	conf_tree_fini(&parse.substitutes);
	if (p->diags.n > 0)
		conf_free(&p->conf);
	conf_diags_sort(&p->diags);
	for (i = 0; i < p->diags.n; i++)
		conf_error(errors, p->diags.rows[i].at.file,
		    p->diags.rows[i].at.line, "%s", p->diags.rows[i].text);
	conf_diags_fini(&p->diags);
	return (p->conf);
}
