/*
 * Requirements for an event's first argument: lines of check, and files of JSON
 * Schema.  Setters are in the table of read/type.c.
 */
#ifndef CONF_RULE_CHECK_H
#define CONF_RULE_CHECK_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_checks(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_free_checks(const struct conf_directive *, void *event);
void	conf_set_schema(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_free_schema(const struct conf_directive *, void *event);

#endif
