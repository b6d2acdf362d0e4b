/*
 * Who may join a room.  Setters are in the table of read/type.c.
 */
#ifndef CONF_RULE_JOIN_H
#define CONF_RULE_JOIN_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_join(struct conf_parser *, const struct conf_value *,
	    void *room);
void	conf_dump_join(const struct conf_directive *, const void *room,
	    struct buf *);
void	conf_free_join(const struct conf_directive *, void *room);

#endif
