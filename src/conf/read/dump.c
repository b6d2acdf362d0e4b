/*
 * The effective configuration as text that parses again: `roostd -n`.
 */
#include "conf/read/dump.h"

#include "conf/read/type.h"
#include "conf/value/string.h"

static void
dump_indent(unsigned depth, struct buf *out)
{
	unsigned i;

	for (i = 0; i < depth; i++)
		buf_str(out, "    ");
}

/* All directives of a section, one a line. */
static void
dump_rows(enum conf_section section, const void *object, unsigned depth,
    struct buf *out)
{
	size_t i;

	for (i = 0; i < CONF_NDIRECTIVES; i++) {
		if (conf_directives[i].section != section)
			continue;
		dump_indent(depth, out);
		buf_printf(out, "%s = ", conf_directives[i].name);
		conf_value_dump(&conf_directives[i], object, out);
		buf_byte(out, '\n');
	}
}

static void
dump_open(enum conf_section section, const char *title, unsigned depth,
    struct buf *out)
{
	dump_indent(depth, out);
	buf_str(out, conf_sections[section].name);
	if (title != NULL) {
		buf_byte(out, ' ');
		conf_string_print(title, out);
	}
	buf_str(out, " {\n");
}

static void
dump_close(unsigned depth, struct buf *out)
{
	dump_indent(depth, out);
	buf_str(out, "}\n");
}

static void
dump_section(enum conf_section section, const char *title, const void *object,
    unsigned depth, struct buf *out)
{
	dump_open(section, title, depth, out);
	dump_rows(section, object, depth + 1, out);
	dump_close(depth, out);
}

static void
dump_jwt(const struct conf *conf, struct buf *out)
{
	const struct conf_jwt *jwt = &conf->jwt;
	size_t i;

	dump_open(CONF_SEC_JWT, NULL, 0, out);
	dump_rows(CONF_SEC_JWT, conf, 1, out);
	for (i = 0; i < jwt->nkeys; i++)
		dump_section(CONF_SEC_JWT_KEY, jwt->keys[i].kid, &jwt->keys[i],
		    1, out);
	dump_close(0, out);
}

static void
dump_api(const struct conf *conf, struct buf *out)
{
	size_t i;

	dump_open(CONF_SEC_API, NULL, 0, out);
	for (i = 0; i < conf->napi_keys; i++)
		dump_section(CONF_SEC_API_KEY, conf->api_keys[i].name,
		    &conf->api_keys[i], 1, out);
	dump_close(0, out);
}

static void
dump_namespace(const struct conf_namespace *ns, struct buf *out)
{
	size_t i;

	dump_open(CONF_SEC_NAMESPACE, ns->name, 0, out);
	dump_rows(CONF_SEC_NAMESPACE, ns, 1, out);
	for (i = 0; i < ns->nrooms; i++)
		dump_section(CONF_SEC_ROOM, ns->rooms[i].pattern.text,
		    &ns->rooms[i], 1, out);
	for (i = 0; i < ns->nevents; i++)
		dump_section(CONF_SEC_EVENT, ns->events[i].name,
		    &ns->events[i], 1, out);
	dump_close(0, out);
}

void
conf_dump(const struct conf *conf, struct buf *out)
{
	static const enum conf_section plain[] = { CONF_SEC_LIMITS,
		CONF_SEC_HEARTBEAT, CONF_SEC_RECOVERY, CONF_SEC_SOCKETIO,
		CONF_SEC_CORS, CONF_SEC_REDIS, CONF_SEC_SHM,
		CONF_SEC_STATS, CONF_SEC_PRESENCE };
	size_t i;

	CHECK_MAGIC(conf, CONF_MAGIC);
	dump_rows(CONF_SEC_TOP, conf, 0, out);
	for (i = 0; i < conf->nlistens; i++)
		dump_section(CONF_SEC_LISTEN, conf->listens[i].text,
		    &conf->listens[i], 0, out);
	for (i = 0; i < nitems(plain); i++)
		dump_section(plain[i], NULL, conf, 0, out);
	dump_jwt(conf, out);
	dump_api(conf, out);
	for (i = 0; i < conf->nrates; i++)
		dump_section(CONF_SEC_RATE, conf->rates[i].name,
		    &conf->rates[i], 0, out);
	for (i = 0; i < conf->nnamespaces; i++)
		dump_namespace(&conf->namespaces[i], out);
	for (i = 0; i < conf->nroutes; i++)
		dump_section(CONF_SEC_ROUTE, conf->routes[i].path.text,
		    &conf->routes[i], 0, out);
}
