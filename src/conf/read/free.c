/*
 * The configuration's life ends here: everything that one parse has made.
 */
#include "conf/read/free.h"

#include <stdlib.h>

#include "conf/index.h"
#include "conf/pattern.h"
#include "conf/read/type.h"

static void
free_event(struct conf_event *event, enum conf_section section)
{
	size_t i;

	if (event->as_json == event->name_json)
		event->as_json = NULL;
	for (i = 0; i < event->nthen; i++)
		free_event(&event->then[i], CONF_SEC_THEN);
	free(event->then);
	conf_object_free(section, event);
	free(event->name);
	free(event->name_json);
}

static void
free_room(struct conf_room *room)
{
	size_t i;

	for (i = 0; i < room->nkey_rules; i++) {
		conf_object_free(CONF_SEC_KEY, &room->key_rules[i]);
		conf_pattern_fini(&room->key_rules[i].pattern);
	}
	free(room->key_rules);
	conf_object_free(CONF_SEC_ROOM, room);
	conf_pattern_fini(&room->pattern);
}

static void
free_namespace(struct conf_namespace *ns)
{
	size_t i;

	for (i = 0; i < ns->nrooms; i++)
		free_room(&ns->rooms[i]);
	for (i = 0; i < ns->nevents; i++)
		free_event(&ns->events[i], CONF_SEC_EVENT);
	free(ns->rooms);
	free(ns->events);
	conf_index_free(&ns->event_index);
	conf_object_free(CONF_SEC_NAMESPACE, ns);
	free(ns->name);
}

static void
free_listen(struct conf_listen *l)
{
	size_t i;

	for (i = 0; i < l->ntls_hosts; i++) {
		conf_object_free(CONF_SEC_LISTEN_HOST, &l->tls_hosts[i]);
		free(l->tls_hosts[i].name);
	}
	free(l->tls_hosts);
	conf_object_free(CONF_SEC_LISTEN, l);
	free(l->text);
}

static void
free_titled(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nlistens; i++)
		free_listen(&conf->listens[i]);
	for (i = 0; i < conf->jwt.nkeys; i++) {
		conf_object_free(CONF_SEC_JWT_KEY, &conf->jwt.keys[i]);
		free(conf->jwt.keys[i].kid);
	}
	for (i = 0; i < conf->napi_keys; i++) {
		conf_object_free(CONF_SEC_API_KEY, &conf->api_keys[i]);
		free(conf->api_keys[i].name);
	}
	for (i = 0; i < conf->nroutes; i++) {
		conf_object_free(CONF_SEC_ROUTE, &conf->routes[i]);
		conf_pattern_fini(&conf->routes[i].path);
	}
	for (i = 0; i < conf->nrates; i++) {
		conf_object_free(CONF_SEC_RATE, &conf->rates[i]);
		free(conf->rates[i].name);
	}
	for (i = 0; i < conf->nhooks; i++) {
		conf_object_free(CONF_SEC_HOOK, &conf->hooks[i]);
		free(conf->hooks[i].name);
	}
	for (i = 0; i < conf->nnamespaces; i++)
		free_namespace(&conf->namespaces[i]);
	free(conf->listens);
	free(conf->jwt.keys);
	free(conf->api_keys);
	free(conf->routes);
	free(conf->rates);
	free(conf->hooks);
	free(conf->namespaces);
	for (i = 0; i < conf->nfiles; i++) {
		free(conf->files[i].path);
		free(conf->files[i].text);
	}
	free(conf->files);
	free(conf->claims.v);
	free(conf->query.v);
	free(conf->headers.v);
	conf_index_free(&conf->ns_index);
}

void
conf_free(struct conf **confp)
{
	struct conf *conf = *confp;
	size_t i;

	if (conf == NULL)
		return;
	CHECK_MAGIC(conf, CONF_MAGIC);
	free_titled(conf);
	for (i = 0; i < CONF_NDIRECTIVES; i++)
		if (conf_sections[conf_directives[i].section].title == NULL)
			conf_value_free(&conf_directives[i], conf);
	free(conf->lines);
	conf->magic = 0;
	free(conf);
	*confp = NULL;
}
