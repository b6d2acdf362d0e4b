/*
 * Names of events that a rule gives to others: as, confirm.  Setters are in the
 * table of read/type.c.
 */
#ifndef CONF_RULE_EVENTNAME_H
#define CONF_RULE_EVENTNAME_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_eventname(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_eventname(const struct conf_directive *, const void *event,
	    struct buf *);

#endif
