/*
 * Listening addresses.
 */
#include "conf/read/listen.h"

#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/origin.h"
#include "conf/value/addr.h"

static_assert(offsetof(struct sockaddr_in, sin_port) ==
    offsetof(struct sockaddr_in6, sin6_port), "a port is a port");

#define DEFAULT_LISTEN	"127.0.0.1:8080"

static bool
listen_addr_same(const struct conf_addr *a, const struct conf_addr *b)
{
	return (a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0);
}

/* Of all addresses, with the same port; what is no address stays as it is. */
static struct conf_addr
listen_wide(const struct conf_addr *a)
{
	struct conf_addr wide = *a;

	if (a->sa.ss_family == AF_INET)
		memset(&((struct sockaddr_in *)(void *)&wide.sa)->sin_addr, 0,
		    sizeof(struct in_addr));
	else if (a->sa.ss_family == AF_INET6)
		memset(&((struct sockaddr_in6 *)(void *)&wide.sa)->sin6_addr,
		    0, sizeof(struct in6_addr));
	return (wide);
}

/* a is all addresses, b one of them, of the same port. */
static bool
listen_addr_covers(const struct conf_addr *a, const struct conf_addr *b)
{
	struct conf_addr wide = listen_wide(b);

	return (!listen_addr_same(a, b) && listen_addr_same(a, &wide));
}

/* Any port that is free: never the same twice. */
static bool
listen_port_free(const struct conf_listen *l)
{
	struct sockaddr_in sin;

	/* the port of both kinds is in the same place */
	memcpy(&sin, &l->addrs[0].sa, sizeof sin);
	return (sin.sin_family != AF_UNIX && sin.sin_port == 0);
}

/* One of a's addresses is so to one of b's. */
static bool
listen_any(const struct conf_listen *a, const struct conf_listen *b,
    bool (*so)(const struct conf_addr *, const struct conf_addr *))
{
	unsigned i, j;

	if (listen_port_free(a))
		return (false);
	for (i = 0; i < a->naddrs; i++)
		for (j = 0; j < b->naddrs; j++)
			if (so(&a->addrs[i], &b->addrs[j]))
				return (true);
	return (false);
}

/* Sockets are compared, not texts. */
static bool
listen_same(const void *va, const void *vb)
{
	return (listen_any(va, vb, listen_addr_same));
}

/*
 * The kernel would give each connection to the more specific of the two, or
 * refuse the second: which settings count would be its choice.
 */
static void
listen_check_cover(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_listen *l)
{
	const struct conf_listen *o;
	char text[128];

	for (o = parse->p.conf->listens; o < l; o++) {
		if (listen_any(o, l, listen_addr_same))
			continue;	/* that is told already */
		if (listen_any(o, l, listen_addr_covers))
			(void)snprintf(text, sizeof text, "\"%.60s\" (line "
			    "%d) is all addresses of that port", o->text,
			    o->line);
		else if (listen_any(l, o, listen_addr_covers))
			(void)snprintf(text, sizeof text, "is all addresses "
			    "of that port, \"%.60s\" too (line %d)",
			    o->text, o->line);
		else
			continue;
		conf_titled_bad(parse, s, text);
	}
}

static void
listen_check_tls(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_listen *l)
{
	bool certificate = l->certificate[0] != '\0';
	bool key = l->key[0] != '\0';

	if (l->tls && !certificate)
		conf_titled_bad(parse, s, "tls needs a certificate");
	if (l->tls && !key)
		conf_titled_bad(parse, s, "tls needs a key");
	if (!l->tls && (certificate || key || l->ocsp[0] != '\0'))
		conf_titled_bad(parse, s, l->ocsp[0] != '\0' ?
		    "ocsp needs tls = true" :
		    "certificate and key need tls = true");
	if (l->client_verify != CONF_CLIENT_OFF && !l->tls)
		conf_titled_bad(parse, s, "client_verify needs tls = true");
	if (l->client_verify != CONF_CLIENT_OFF && l->client_ca[0] == '\0')
		conf_titled_bad(parse, s, "client_verify needs client_ca");
	if (l->client_verify == CONF_CLIENT_OFF && l->client_ca[0] != '\0')
		conf_titled_bad(parse, s, "client_ca needs client_verify = "
		    "optional or required");
}

/* Those who ask for the name get its certificate. */
static void
listen_host(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_listen *l)
{
	struct conf_listen_host *h = &l->tls_hosts[l->ntls_hosts++], *o;
	const char *wrong = conf_host_parse(s->title.text, &h->name);

	if (wrong != NULL) {
		conf_titled_bad(parse, s, wrong);
		h->name = conf_strdup(s->title.text);
	}
	h->line = s->title.at.line;
	for (o = l->tls_hosts; o < h; o++)
		if (strcmp(o->name, h->name) == 0) {
			conf_section_again(parse, s->section, h->name, h->line,
			    o->line);
			break;
		}
	conf_titled_fill(parse, s, h);
}

static void
listen_read_hosts(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_listen *l)
{
	size_t n = conf_tree_count(s, CONF_SEC_LISTEN_HOST);
	const struct conf_tree *h = NULL;

	l->tls_hosts = conf_calloc(n + 1, sizeof *l->tls_hosts);
	while ((h = conf_tree_next(s, CONF_SEC_LISTEN_HOST, h)) != NULL)
		listen_host(parse, h, l);
	if (n > 0 && !l->tls)
		conf_titled_bad(parse, s, "host needs tls = true");
}

static void
listen_read(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_listen *l = &conf->listens[conf->nlistens++];
	const char *wrong;

	l->text = conf_strdup(s->title.text);
	l->line = s->title.at.line;
	wrong = conf_addr_parse(l->text, l->addrs, &l->naddrs);
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	else {
		conf_titled_repeats(parse, &parse->tree, s, conf->listens,
		    sizeof *conf->listens, listen_same);
		listen_check_cover(parse, s, l);
	}
	conf_titled_fill(parse, s, l);
	listen_read_hosts(parse, s, l);
	listen_check_tls(parse, s, l);
	if (l->proxy_protocol != CONF_PROXY_OFF && conf->nproxies == 0)
		conf_titled_bad(parse, s, "proxy_protocol: nobody may send "
		    "its header without trusted_proxies");
}

void
conf_listens_read(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(&parse->tree, CONF_SEC_LISTEN);
	char text[] = DEFAULT_LISTEN;
	const struct conf_tree usual = { .section = CONF_SEC_LISTEN,
		.title = { .at = { "default", 0 }, .text = text } };
	const struct conf_tree *s = NULL;

	conf->listens = conf_calloc(n + 1, sizeof *conf->listens);
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_LISTEN, s)) != NULL)
		listen_read(parse, s);
	if (n == 0)
		listen_read(parse, &usual);
}
