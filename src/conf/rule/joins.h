/*
 * Rooms that every session of a namespace is put in.  Setters are in the table
 * of read/type.c.
 */
#ifndef CONF_RULE_JOINS_H
#define CONF_RULE_JOINS_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_joins(struct conf_parser *, const struct conf_value *,
	    void *ns);
void	conf_dump_joins(const struct conf_directive *, const void *ns,
	    struct buf *);
void	conf_free_joins(const struct conf_directive *, void *ns);

#endif
