/*
 * URLs of hooks, and references to them; see hook.h.
 */
#include "conf/rule/hook.h"

#include <stdlib.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/value/string.h"

static const char *
hook_skip_scheme(struct conf_hook *hook, const char *url)
{
	hook->tls = strncmp(url, "https://", 8) == 0;
	hook->port = hook->tls ? 443 : 80;
	if (hook->tls)
		return (url + 8);
	return (strncmp(url, "http://", 7) == 0 ? url + 7 : NULL);
}

/* From behind the ":" on. */
static const char *
hook_port(struct conf_hook *hook, const char *text, const char *end)
{
	unsigned port = 0;

	if (text == end)
		return ("there is no port behind the \":\"");
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return ("the port is no number");
		port = port * 10 + (unsigned)(*text - '0');
		if (port > 65535)
			return ("the port is above 65535");
	}
	hook->port = port;
	return (port == 0 ? "the port is 0" : NULL);
}

/* host, host:port, [address] or [address]:port. */
static const char *
hook_authority(struct conf_hook *hook, const char *text, const char *end)
{
	const char *host = text, *stop;

	if (memchr(text, '@', (size_t)(end - text)) != NULL)
		return ("names nobody in front of a \"@\": requests are "
		    "signed with secret");
	if (*text == '[') {
		host++;
		stop = memchr(text, ']', (size_t)(end - text));
		if (stop == NULL)
			return ("the \"[\" is not closed");
		text = stop + 1;
	} else {
		stop = memchr(text, ':', (size_t)(end - text));
		if (stop == NULL)
			stop = end;
		text = stop;
	}
	if (stop == host)
		return ("there is no host");
	hook->host = conf_strndup(host, (size_t)(stop - host));
	if (text == end)
		return (NULL);
	if (*text != ':')
		return ("there is something between host and path");
	return (hook_port(hook, text + 1, end));
}

static const char *
hook_url_parse(struct conf_hook *hook, const char *url)
{
	const char *c, *rest = hook_skip_scheme(hook, url);

	if (rest == NULL)
		return ("must begin with https:// or http://");
	for (c = rest; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f ||
		    strchr("\"\\<>#", *c) != NULL)
			return ("has a character that a URL does not have");
	return (hook_authority(hook, rest, rest + strcspn(rest, "/?")));
}

void
conf_free_hook_url(const struct conf_directive *row, void *object)
{
	struct conf_hook *hook = object;

	(void)row;
	free(hook->url);
	free(hook->host);
	hook->url = hook->host = NULL;
}

void
conf_set_hook_url(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_hook *hook = object;
	const char *wrong;

	conf_free_hook_url(v->row, hook);
	hook->url = conf_strdup(v->tokens[0].text);
	wrong = hook_url_parse(hook, hook->url);
	if (wrong != NULL)
		conf_value_bad(p, v, &v->tokens[0], "%s", wrong);
}

void
conf_set_hookref(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_namespace *ns = object;
	const char *name = v->tokens[0].text;
	size_t i;

	ns->hook = NULL;
	for (i = 0; i < p->conf->nhooks; i++)
		if (strcmp(p->conf->hooks[i].name, name) == 0)
			ns->hook = &p->conf->hooks[i];
	if (ns->hook == NULL && *name != '\0')
		conf_value_bad(p, v, &v->tokens[0], "there is no such hook");
}

void
conf_dump_hookref(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_namespace *ns = object;

	(void)row;
	conf_string_print(ns->hook == NULL ? "" : ns->hook->name, out);
}
