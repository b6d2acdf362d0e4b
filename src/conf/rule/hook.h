/*
 * Hooks: where requests go, and the namespaces that name them.  Called by the
 * table of read/type.c.
 */
#ifndef CONF_RULE_HOOK_H
#define CONF_RULE_HOOK_H

#include "base/buf.h"
#include "conf/value/value.h"

/* url = https://host:port/path: and its parts. */
void	conf_set_hook_url(struct conf_parser *, const struct conf_value *,
	    void *hook);
void	conf_free_hook_url(const struct conf_directive *, void *hook);
void	conf_set_hookref(struct conf_parser *, const struct conf_value *,
	    void *ns);
void	conf_dump_hookref(const struct conf_directive *, const void *ns,
	    struct buf *);

#endif
