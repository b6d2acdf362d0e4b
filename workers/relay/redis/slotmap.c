/*
 * Slots and their nodes; see slotmap.h.
 */
#include "relay/redis/slotmap.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "relay/redis/resolve.h"

void
slotmap_init(struct slotmap *m)
{
	m->n = 0;
	memset(m->owner, 0xff, sizeof m->owner);
}

/* --- CLUSTER SLOTS --------------------------------------------------------*/

uint16_t
slotmap_node(struct slotmap *m, const char *host, unsigned port,
    const char *id)
{
	struct slotmap_node *node;
	size_t i;

	for (i = 0; i < m->n; i++) {
		node = &m->nodes[i];
		if (node->port != port || strcmp(node->host, host) != 0)
			continue;
		if (id[0] != '\0')
			(void)snprintf(node->id, sizeof node->id, "%s", id);
		return ((uint16_t)i);
	}
	if (i == SLOTMAP_NODES)
		return (SLOTMAP_NOBODY);
	node = &m->nodes[m->n++];
	(void)snprintf(node->host, sizeof node->host, "%s", host);
	(void)snprintf(node->id, sizeof node->id, "%s", id);
	node->port = port;
	return ((uint16_t)i);
}

/* A name or an address, cut nowhere. */
static bool
slotmap_text(const struct reply *o, char *out, size_t size)
{
	if (o->type != REPLY_STRING || o->text.n >= size ||
	    (o->text.n > 0 && memchr(o->text.p, '\0', o->text.n) != NULL))
		return (false);
	if (o->text.n > 0)
		memcpy(out, o->text.p, o->text.n);
	out[o->text.n] = '\0';
	return (true);
}

/* [host, port, id, ...]: a node; no host: the one that was asked. */
static uint16_t
slotmap_read_node(struct slotmap *m, const struct reply *o, const char *asked)
{
	char host[LINK_HOST] = "", id[SLOTMAP_ID] = "";

	if (o->type != REPLY_ARRAY || o->n < 2 ||
	    o->elements[1]->type != REPLY_INTEGER ||
	    o->elements[1]->integer <= 0 || o->elements[1]->integer > 65535)
		return (SLOTMAP_NOBODY);
	if (o->elements[0]->type != REPLY_NIL &&
	    !slotmap_text(o->elements[0], host, sizeof host))
		return (SLOTMAP_NOBODY);
	if (o->n > 2 && !slotmap_text(o->elements[2], id, sizeof id))
		id[0] = '\0';
	if (host[0] == '\0' || strcmp(host, "?") == 0)
		(void)snprintf(host, sizeof host, "%s", asked);
	else if (!resolve_is_host(slice_str(host)))
		return (SLOTMAP_NOBODY);
	return (slotmap_node(m, host, (unsigned)o->elements[1]->integer, id));
}

/* [first, last, master, replica, ...] */
static bool
slotmap_read_range(struct slotmap *m, const struct reply *o, const char *asked)
{
	int64_t first, last;
	uint16_t owner;

	if (o->type != REPLY_ARRAY || o->n < 3 ||
	    o->elements[0]->type != REPLY_INTEGER ||
	    o->elements[1]->type != REPLY_INTEGER)
		return (false);
	first = o->elements[0]->integer;
	last = o->elements[1]->integer;
	if (first < 0 || last < first || last >= SPREAD_SLOTS)
		return (false);
	owner = slotmap_read_node(m, o->elements[2], asked);
	for (; first <= last; first++)
		m->owner[first] = owner;
	return (true);
}

bool
slotmap_read(struct slotmap *m, const struct reply *o, const char *asked)
{
	static struct slotmap new;	/* large; one at a time */
	size_t i;

	if (o->type != REPLY_ARRAY)
		return (false);
	slotmap_init(&new);
	for (i = 0; i < o->n; i++)
		if (!slotmap_read_range(&new, o->elements[i], asked))
			return (false);
	*m = new;
	return (true);
}

/* --- errors ---------------------------------------------------------------*/

static bool
slotmap_number(struct slice s, unsigned max, unsigned *out)
{
	uint64_t v;

	if (!ascii_number(s, max, &v))
		return (false);
	*out = (unsigned)v;
	return (true);
}

bool
slotmap_redirect(const struct reply *o, struct slotmap_redirect *to)
{
	struct slice rest = o->text, where;
	const uint8_t *colon;
	size_t n;

	to->ask = reply_is_error(o, SLICE("ASK"));
	if (!to->ask && !reply_is_error(o, SLICE("MOVED")))
		return (false);
	(void)ascii_take(&rest, ' ');
	if (!slotmap_number(ascii_take(&rest, ' '), SPREAD_SLOTS - 1, &to->slot))
		return (false);
	where = ascii_take(&rest, ' ');
	colon = where.n == 0 ? NULL : memrchr(where.p, ':', where.n);
	if (colon == NULL)
		return (false);
	n = (size_t)(colon - where.p);
	if (n == 1 && where.p[0] == '?')	/* as in the map */
		n = 0;
	if (n > 0 && !resolve_is_host(slice_of(where.p, n)))
		return (false);
	if (n >= sizeof to->host || !slotmap_number(slice_from(where,
	    (size_t)(colon - where.p) + 1), 65535, &to->port) || to->port == 0)
		return (false);
	memcpy(to->host, where.p, n);
	to->host[n] = '\0';
	return (true);
}

bool
slotmap_is_passing(const struct reply *o)
{
	return (reply_is_error(o, SLICE("TRYAGAIN")) ||
	    reply_is_error(o, SLICE("CLUSTERDOWN")) ||
	    reply_is_error(o, SLICE("MASTERDOWN")) ||
	    reply_is_error(o, SLICE("LOADING")));
}
