/*
 * From the text of roost.conf to a struct conf: the scanner's clean text goes
 * through libconfuse, each section of its tree is filled in by the table, and
 * then the parts are held against each other.
 */
#include "conf/conf_parse.h"

#include <confuse.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf_addr.h"
#include "conf/conf_match.h"
#include "conf/conf_rule.h"
#include "conf/conf_type.h"

#define DEFAULT_LISTEN	"127.0.0.1:8080"

/* The tokens of -o and of variables that stand in for the file, by row. */
struct substitute {
	struct conf_token *tokens;	/* heap */
	size_t		 n;
};

struct parse {
	struct conf_parser p;
	struct substitute substitutes[CONF_NDIRECTIVES];
	cfg_t		*cfg;		/* libconfuse's tree */
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

/* libconfuse's messages carry no pointer of ours. */
static struct conf_parser *current;

/* A value is the number of a token to libconfuse; people want its text. */
static const char *
token_text(const struct conf_parser *p, const char *number)
{
	char *end;
	unsigned long i;

	if (number == NULL)
		return ("");
	if (!isdigit((unsigned char)*number))
		return (number);
	i = strtoul(number, &end, 10);
	return (*end == '\0' && i < p->scan.n ? p->scan.tokens[i].text :
	    number);
}

static void
on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct conf_place at = { current->src->file, cfg->line };
	const char *s = strstr(fmt, "%s");
	char text[256];

	conf_diags_clear(&current->diags);
	if (s != NULL && strchr(fmt, '%') == s && strchr(s + 1, '%') == NULL)
		(void)snprintf(text, sizeof(text), "%.*s%.60s%s",
		    (int)(s - fmt), fmt, token_text(current,
		    va_arg(ap, const char *)), s + 2);
	else
		(void)vsnprintf(text, sizeof(text), fmt, ap);
	conf_diag(&current->diags, at, "syntax: %s", text);
}

/* --- libconfuse ----------------------------------------------------------- */

/* Options of a section and the sections in it; heap, all the way down. */
static cfg_opt_t *
options_new(enum conf_section section)
{
	cfg_opt_t *opts = conf_calloc(CONF_NDIRECTIVES + CONF_SEC__MAX,
	    sizeof(*opts));
	const struct conf_directive *row;
	size_t n = 0;

	for (size_t i = 0; i < CONF_NDIRECTIVES; i++) {
		row = &conf_directives[i];
		if (row->section != section)
			continue;
		opts[n++] = (cfg_opt_t)CFG_STR(row->name, NULL,
		    CFGF_NODEFAULT | (conf_type_is_list(row->type) ?
		    CFGF_LIST : CFGF_NONE));
	}
	for (unsigned i = CONF_SEC_TOP + 1; i < CONF_SEC__MAX; i++)
		if (conf_sections[i].parent == section)
			opts[n++] = (cfg_opt_t)CFG_SEC(conf_sections[i].name,
			    options_new((enum conf_section)i),
			    conf_sections[i].title == NULL ? CFGF_NONE :
			    CFGF_MULTI | CFGF_TITLE);
	return (opts);
}

static void
options_free(cfg_opt_t *opts)
{
	for (size_t i = 0; opts[i].name != NULL; i++)
		if (opts[i].subopts != NULL)
			options_free(opts[i].subopts);
	free(opts);
}

/* NULL: reported. */
static cfg_t *
read_tree(struct conf_parser *p)
{
	cfg_opt_t *opts = options_new(CONF_SEC_TOP);
	cfg_t *cfg = cfg_init(opts, CFGF_NONE);

	options_free(opts);
	MUST(cfg != NULL);
	current = p;
	(void)cfg_set_error_function(cfg, on_syntax_error);
	if (cfg_parse_buf(cfg, (const char *)p->scan.clean.data) ==
	    CFG_SUCCESS)
		return (cfg);
	(void)cfg_free(cfg);
	return (NULL);
}

/* --- values --------------------------------------------------------------- */

static const struct conf_token *
token_at(const struct conf_parser *p, const char *number)
{
	unsigned long i = strtoul(number, NULL, 10);

	MUST(i < p->scan.n);
	return (&p->scan.tokens[i]);
}

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
set_substitute(struct parse *parse, size_t index, void *object)
{
	struct substitute *s = &parse->substitutes[index];
	const struct conf_token **list;

	if (s->tokens == NULL)
		return (false);
	list = conf_calloc(s->n, sizeof(const struct conf_token *));
	for (size_t i = 0; i < s->n; i++)
		list[i] = &s->tokens[i];
	set_given(parse, &conf_directives[index], list, s->n, object);
	free(list);
	return (true);
}

/* From libconfuse's tree; false when the section doesn't say. */
static bool
set_from_file(struct parse *parse, cfg_t *sec,
    const struct conf_directive *row, void *object)
{
	cfg_opt_t *opt = cfg_getopt(sec, row->name);
	size_t n = cfg_opt_size(opt);
	const struct conf_token **list;

	if (n == 0)
		return (false);
	list = conf_calloc(n, sizeof(const struct conf_token *));
	for (unsigned i = 0; i < n; i++)
		list[i] = token_at(&parse->p, cfg_opt_getnstr(opt, i));
	set_given(parse, row, list, n, object);
	free(list);
	return (true);
}

static void
fill_section(struct parse *parse, cfg_t *sec, enum conf_section section,
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
	cfg_t		*cfg;
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
section_at(struct parse *parse, cfg_t *cfg, enum conf_section id, unsigned i)
{
	struct section s = { .id = id };

	s.cfg = cfg_getnsec(cfg, conf_sections[id].name, i);
	s.title = token_at(&parse->p, cfg_title(s.cfg));
	return (s);
}

static void
fill_titled(struct parse *parse, const struct section *s, void *object)
{
	name_section(parse, s->id, s->title->text);
	fill_section(parse, s->cfg, s->id, s->title->at, object);
}

static size_t
sections_count(cfg_t *cfg, enum conf_section id)
{
	return (cfg_size(cfg, conf_sections[id].name));
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
	size_t n = sections_count(parse->cfg, CONF_SEC_LISTEN);
	char text[] = DEFAULT_LISTEN;
	struct conf_token token = { .at = { "default", 0 }, .text = text };
	struct section s = { .id = CONF_SEC_LISTEN, .title = &token };

	conf->listens = conf_calloc(n + 1, sizeof(*conf->listens));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, parse->cfg, CONF_SEC_LISTEN, i);
		read_listen(parse, &s);
	}
	if (n > 0)
		return;
	s.cfg = NULL;
	read_listen(parse, &s);
}

static void
read_jwt_keys(struct parse *parse)
{
	struct conf_jwt *jwt = &parse->p.conf->jwt;
	cfg_t *cfg = cfg_getsec(parse->cfg, conf_sections[CONF_SEC_JWT].name);
	size_t n = sections_count(cfg, CONF_SEC_JWT_KEY);
	struct conf_jwt_key *key;
	struct section s;

	if (n > 0)
		jwt->keys = conf_calloc(n, sizeof(*jwt->keys));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, cfg, CONF_SEC_JWT_KEY, i);
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
	cfg_t *cfg = cfg_getsec(parse->cfg, conf_sections[CONF_SEC_API].name);
	size_t n = sections_count(cfg, CONF_SEC_API_KEY);
	struct conf_api_key *key;
	struct section s;

	if (n > 0)
		conf->api_keys = conf_calloc(n, sizeof(*conf->api_keys));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, cfg, CONF_SEC_API_KEY, i);
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

static void
read_event(struct parse *parse, const struct section *s,
    struct conf_namespace *ns)
{
	struct conf_event *event = &ns->events[ns->nevents++];
	const char *wrong = conf_event_name_bad(s->title->text);

	event->name = conf_strdup(s->title->text);
	event->name_len = strlen(event->name);
	event->name_json = conf_json_string(event->name);
	event->line = s->title->at.line;
	if (wrong != NULL)
		section_bad(parse, s, wrong);
	fill_titled(parse, s, event);
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
	size_t nrooms = sections_count(s->cfg, CONF_SEC_ROOM);
	size_t nevents = sections_count(s->cfg, CONF_SEC_EVENT);
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
		sub = section_at(parse, s->cfg, CONF_SEC_ROOM, i);
		read_room(parse, &sub, ns);
	}
	for (unsigned i = 0; i < nevents; i++) {
		sub = section_at(parse, s->cfg, CONF_SEC_EVENT, i);
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
	size_t n = sections_count(parse->cfg, CONF_SEC_NAMESPACE);
	struct section s;

	if (n > 0)
		conf->namespaces = conf_calloc(n, sizeof(*conf->namespaces));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, parse->cfg, CONF_SEC_NAMESPACE, i);
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
}

static void
read_routes(struct parse *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = sections_count(parse->cfg, CONF_SEC_ROUTE);
	struct section s;

	if (n > 0)
		conf->routes = conf_calloc(n, sizeof(*conf->routes));
	for (unsigned i = 0; i < n; i++) {
		s = section_at(parse, parse->cfg, CONF_SEC_ROUTE, i);
		read_route(parse, &s);
	}
}

/* --- substitutes: -o and the environment ---------------------------------- */

static void
substitute_add(struct substitute *s, const char *file, const char *text,
    size_t n)
{
	struct conf_token *grown = reallocarray(s->tokens, s->n + 1,
	    sizeof(*grown));

	MUST(grown != NULL);
	s->tokens = grown;
	s->tokens[s->n++] = (struct conf_token){ .at = { file, 0 },
		.text = conf_strndup(text, n) };
}

static void
substitute_free(struct substitute *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->tokens[i].text);
	free(s->tokens);
	memset(s, 0, sizeof(*s));
}

/* "a,b" for lists, the text itself for everything else. */
static void
substitute(struct parse *parse, size_t index, const char *file,
    const char *text)
{
	struct substitute *s = &parse->substitutes[index];
	bool list = conf_type_is_list(conf_directives[index].type);
	size_t n;

	substitute_free(s);
	for (;; text += n + 1) {
		n = list ? strcspn(text, ",") : strlen(text);
		while (list && n > 0 && *text == ' ') {
			text++;
			n--;
		}
		substitute_add(s, file, text, n);
		if (text[n] == '\0')
			return;
	}
}

static int
override_row(struct slice name)
{
	const uint8_t *dot = name.n == 0 ? NULL : memchr(name.p, '.', name.n);
	int section = CONF_SEC_TOP;

	if (dot != NULL) {
		section = conf_section_find(CONF_SEC_TOP,
		    slice_of(name.p, (size_t)(dot - name.p)));
		if (section < 0 || conf_sections[section].title != NULL)
			return (-1);
		name = slice_from(name, (size_t)(dot - name.p) + 1);
	}
	return (conf_directive_find((enum conf_section)section, name));
}

static void
read_overrides(struct parse *parse)
{
	const struct conf_source *src = parse->p.src;
	struct conf_place at = { "-o", 0 };
	const char *text, *equals;
	int row;

	for (size_t i = 0; i < src->noverrides; i++) {
		text = src->overrides[i];
		equals = strchr(text, '=');
		if (equals == NULL) {
			conf_diag(&parse->p.diags, at,
			    "%.60s: must be NAME=VALUE", text);
			continue;
		}
		row = override_row(slice_of(text, (size_t)(equals - text)));
		if (row < 0)
			conf_diag(&parse->p.diags, at, "%.60s: no such "
			    "directive outside sections with a title", text);
		else
			substitute(parse, (size_t)row, "-o", equals + 1);
	}
}

/* The variable's value, NULL when it is not set or empty. */
static const char *
variable(const struct parse *parse, const char *name)
{
	const struct conf_source *src = parse->p.src;
	const char *value = src->env == NULL ? NULL : src->env(name);

	return (value == NULL || *value == '\0' ? NULL : value);
}

static bool
is_set(const struct parse *parse, int row)
{
	MUST(row >= 0);
	return (parse->p.scan.given[row] != 0 ||
	    parse->substitutes[row].tokens != NULL);
}

/* JWT_SECRET and ALLOWED_ORIGIN, where the file is silent. */
static void
read_environment(struct parse *parse)
{
	int secret = conf_directive_find(CONF_SEC_JWT, SLICE("secret"));
	int jwks = conf_directive_find(CONF_SEC_JWT, SLICE("jwks_file"));
	int origins = conf_directive_find(CONF_SEC_TOP,
	    SLICE("allowed_origins"));
	cfg_t *jwt = cfg_getsec(parse->cfg, conf_sections[CONF_SEC_JWT].name);
	const char *value = variable(parse, "JWT_SECRET");

	if (value != NULL && !is_set(parse, secret) && !is_set(parse, jwks) &&
	    sections_count(jwt, CONF_SEC_JWT_KEY) == 0)
		substitute(parse, (size_t)secret, "JWT_SECRET", value);
	value = variable(parse, "ALLOWED_ORIGIN");
	if (value != NULL && !is_set(parse, origins))
		substitute(parse, (size_t)origins, "ALLOWED_ORIGIN", value);
}

/* --- the whole ------------------------------------------------------------ */

static void
read_plain_sections(struct parse *parse)
{
	struct conf_place nowhere = { parse->p.src->file, 0 };
	cfg_t *cfg;

	for (unsigned i = 0; i < CONF_SEC__MAX; i++) {
		if (conf_sections[i].title != NULL)
			continue;
		cfg = i == CONF_SEC_TOP ? parse->cfg :
		    cfg_getsec(parse->cfg, conf_sections[i].name);
		name_section(parse, (enum conf_section)i, NULL);
		fill_section(parse, cfg, (enum conf_section)i, nowhere,
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

static void
build(struct parse *parse)
{
	read_overrides(parse);
	read_environment(parse);
	read_plain_sections(parse);
	read_listens(parse);
	read_jwt_keys(parse);
	read_api_keys(parse);
	read_namespaces(parse);
	read_routes(parse);
	check_algorithms(parse);
	check_auth(parse);
}

struct conf *
conf_parse(const struct conf_source *src, struct conf_errors *errors)
{
	struct parse parse = { .p.src = src };
	struct conf_parser *p = &parse.p;

	conf_diags_init(&p->diags);
	conf_scan_init(&p->scan);
	if (conf_scan(&p->scan, src, &p->diags))
		parse.cfg = read_tree(p);
	if (parse.cfg != NULL) {
		p->conf = conf_calloc(1, sizeof(*p->conf));
		p->conf->magic = CONF_MAGIC;
		build(&parse);
		(void)cfg_free(parse.cfg);
	}
	for (size_t i = 0; i < CONF_NDIRECTIVES; i++)
		substitute_free(&parse.substitutes[i]);
	conf_scan_fini(&p->scan);
	if (p->diags.n > 0)
		conf_free(&p->conf);
	conf_diags_flush(&p->diags, errors);
	conf_diags_fini(&p->diags);
	return (p->conf);
}
