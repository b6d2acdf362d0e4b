/*
 * Which names events and namespaces may have.
 */
#ifndef CONF_NAME_H
#define CONF_NAME_H

#include "base/slice.h"

#define CONF_NAMESPACE_MAX	128	/* bytes of a namespace's name */
#define CONF_EVENT_MAX		256	/* bytes of an event's name */

/* "*" does not cover it: that, and what the server says to refuse an event,
 * which no client is to be able to say to others unless a rule has it. */
bool	conf_event_needs_rule(struct slice name);
/* Why clients may not send an event of that name, or NULL. */
const char *conf_event_name_bad(const char *);
/* What a namespace can't be called, or NULL. */
const char *conf_namespace_name_bad(const char *);

#endif
