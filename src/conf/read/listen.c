/*
 * Listening addresses.
 */
#include "conf/read/listen.h"

#include <string.h>

#include "conf/heap.h"
#include "conf/value/addr.h"

#define DEFAULT_LISTEN	"127.0.0.1:8080"

static bool
listen_addr_same(const struct conf_addr *a, const struct conf_addr *b)
{
	return (a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0);
}

/* Sockets are compared, not texts; port 0 is never the same twice. */
static bool
listen_same(const void *va, const void *vb)
{
	const struct conf_listen *a = va, *b = vb;

	if (a->addrs[0].sa.ss_family != AF_UNIX &&
	    strcmp(strrchr(a->text, ':'), ":0") == 0)
		return (false);
	for (unsigned i = 0; i < a->naddrs; i++)
		for (unsigned j = 0; j < b->naddrs; j++)
			if (listen_addr_same(&a->addrs[i], &b->addrs[j]))
				return (true);
	return (false);
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
	if (!l->tls && (certificate || key))
		conf_titled_bad(parse, s,
		    "certificate and key need tls = true");
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
	else
		conf_titled_repeats(parse, &parse->tree, s, conf->listens,
		    sizeof(*conf->listens), listen_same);
	conf_titled_fill(parse, s, l);
	listen_check_tls(parse, s, l);
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

	conf->listens = conf_calloc(n + 1, sizeof(*conf->listens));
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_LISTEN, s)) != NULL)
		listen_read(parse, s);
	if (n == 0)
		listen_read(parse, &usual);
}
