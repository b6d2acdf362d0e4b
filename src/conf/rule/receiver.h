/*
 * Who receives an event.  Setters are in the table of read/type.c.
 */
#ifndef CONF_RULE_RECEIVER_H
#define CONF_RULE_RECEIVER_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_to(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_to(const struct conf_directive *, const void *event,
	    struct buf *);
void	conf_free_to(const struct conf_directive *, void *event);

#endif
