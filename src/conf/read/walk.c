/*
 * Which sections there are, and where their structs lie; see walk.h.
 */
#include "conf/read/walk.h"

/* All directives of a section. */
static void
walk_rows(enum conf_section section, const void *object,
    const struct conf_visitor *v)
{
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_directives[i].section == section)
			v->directive(v->arg, &conf_directives[i], object);
}

static void
walk_section(enum conf_section section, const char *title, const void *object,
    const struct conf_visitor *v)
{
	v->open(v->arg, section, title);
	walk_rows(section, object, v);
	v->close(v->arg);
}

static void
walk_listen(const struct conf_listen *l, const struct conf_visitor *v)
{
	size_t i;

	v->open(v->arg, CONF_SEC_LISTEN, l->text);
	walk_rows(CONF_SEC_LISTEN, l, v);
	for (i = 0; i < l->ntls_hosts; i++)
		walk_section(CONF_SEC_LISTEN_HOST, l->tls_hosts[i].name,
		    &l->tls_hosts[i], v);
	v->close(v->arg);
}

static void
walk_jwt(const struct conf *conf, const struct conf_visitor *v)
{
	const struct conf_jwt *jwt = &conf->jwt;
	size_t i;

	v->open(v->arg, CONF_SEC_JWT, NULL);
	walk_rows(CONF_SEC_JWT, conf, v);
	for (i = 0; i < jwt->nkeys; i++)
		walk_section(CONF_SEC_JWT_KEY, jwt->keys[i].kid,
		    &jwt->keys[i], v);
	v->close(v->arg);
}

static void
walk_api(const struct conf *conf, const struct conf_visitor *v)
{
	size_t i;

	v->open(v->arg, CONF_SEC_API, NULL);
	for (i = 0; i < conf->napi_keys; i++)
		walk_section(CONF_SEC_API_KEY, conf->api_keys[i].name,
		    &conf->api_keys[i], v);
	v->close(v->arg);
}

static void
walk_event(const struct conf_event *event, const struct conf_visitor *v)
{
	size_t i;

	v->open(v->arg, CONF_SEC_EVENT, event->name);
	walk_rows(CONF_SEC_EVENT, event, v);
	for (i = 0; i < event->nthen; i++)
		walk_section(CONF_SEC_THEN, event->then[i].name,
		    &event->then[i], v);
	v->close(v->arg);
}

static void
walk_room(const struct conf_room *room, const struct conf_visitor *v)
{
	size_t i;

	v->open(v->arg, CONF_SEC_ROOM, room->pattern.text);
	walk_rows(CONF_SEC_ROOM, room, v);
	for (i = 0; i < room->nkey_rules; i++)
		walk_section(CONF_SEC_KEY, room->key_rules[i].pattern.text,
		    &room->key_rules[i], v);
	v->close(v->arg);
}

static void
walk_namespace(const struct conf_namespace *ns, const struct conf_visitor *v)
{
	size_t i;

	v->open(v->arg, CONF_SEC_NAMESPACE, ns->name);
	walk_rows(CONF_SEC_NAMESPACE, ns, v);
	for (i = 0; i < ns->nrooms; i++)
		walk_room(&ns->rooms[i], v);
	for (i = 0; i < ns->nevents; i++)
		walk_event(&ns->events[i], v);
	v->close(v->arg);
}

void
conf_walk(const struct conf *conf, const struct conf_visitor *v)
{
	static const enum conf_section plain[] = { CONF_SEC_TLS,
		CONF_SEC_LIMITS,
		CONF_SEC_HEARTBEAT, CONF_SEC_RECOVERY, CONF_SEC_SOCKETIO,
		CONF_SEC_WEBSOCKET,
		CONF_SEC_SOCKJS, CONF_SEC_CORS, CONF_SEC_REDIS, CONF_SEC_STORE,
		CONF_SEC_SHM, CONF_SEC_STATS, CONF_SEC_PRESENCE };
	size_t i;

	CHECK_MAGIC(conf, CONF_MAGIC);
	walk_rows(CONF_SEC_TOP, conf, v);
	for (i = 0; i < conf->nlistens; i++)
		walk_listen(&conf->listens[i], v);
	for (i = 0; i < nitems(plain); i++)
		walk_section(plain[i], NULL, conf, v);
	walk_jwt(conf, v);
	walk_api(conf, v);
	for (i = 0; i < conf->nrates; i++)
		walk_section(CONF_SEC_RATE, conf->rates[i].name,
		    &conf->rates[i], v);
	for (i = 0; i < conf->nhooks; i++)
		walk_section(CONF_SEC_HOOK, conf->hooks[i].name,
		    &conf->hooks[i], v);
	for (i = 0; i < conf->nnamespaces; i++)
		if (!conf->namespaces[i].gone)
			walk_namespace(&conf->namespaces[i], v);
	for (i = 0; i < conf->nroutes; i++)
		walk_section(CONF_SEC_ROUTE, conf->routes[i].path.text,
		    &conf->routes[i], v);
}
