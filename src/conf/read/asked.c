/*
 * What rules ask for, all of them together; see asked.h.
 */
#include "conf/read/asked.h"

#include <string.h>

#include "conf/heap.h"

static void
asked_name(struct conf_names *names, const char *name)
{
	size_t cap = names->n, i;

	for (i = 0; i < names->n; i++)
		if (strcmp(names->v[i], name) == 0)
			return;
	names->v = conf_grow(names->v, names->n, &cap, sizeof *names->v);
	names->v[names->n++] = name;
}

static void
asked_by_event(struct conf *conf, const struct conf_event *event)
{
	size_t i;

	for (i = 0; i < event->nmembers; i++) {
		if (event->members[i].from == CONF_FROM_CLAIM)
			asked_name(&conf->claims, event->members[i].text);
		conf->keeps_address |=
		    event->members[i].from == CONF_FROM_ADDRESS;
	}
	conf->keeps_trace |= conf_event_forwards(event) || event->asks;
	for (i = 0; i < event->nthen; i++)
		asked_by_event(conf, &event->then[i]);
}

static void
asked_by_namespace(struct conf *conf, const struct conf_namespace *ns)
{
	size_t i;

	/* back ends are told from where */
	conf->keeps_address |= ns->asks_connect;
	for (i = 0; i < ns->nrooms; i++)
		if (ns->rooms[i].join == CONF_JOIN_CLAIM)
			asked_name(&conf->claims, ns->rooms[i].claim);
	if (ns->sees == CONF_SEES_CLAIM)
		asked_name(&conf->claims, ns->sees_claim);
	for (i = 0; i < ns->nevents; i++)
		asked_by_event(conf, &ns->events[i]);
	for (i = 0; i < ns->nkeep_claims; i++)
		asked_name(&conf->claims, ns->keep_claims[i]);
	for (i = 0; i < ns->nkeep_query; i++)
		asked_name(&conf->query, ns->keep_query[i]);
	for (i = 0; i < ns->nkeep_headers; i++)
		asked_name(&conf->headers, ns->keep_headers[i]);
}

void
conf_asked_note(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		asked_by_namespace(conf, &conf->namespaces[i]);
	conf->keeps_handshakes = conf->query.n != 0 || conf->headers.n != 0 ||
	    conf->keeps_address || conf->keeps_trace;
}
