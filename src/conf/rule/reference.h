/*
 * Namespaces and events that others name, and rooms that are made of a path's
 * parameters.  Setters are in the table of read/type.c.
 */
#ifndef CONF_RULE_REFERENCE_H
#define CONF_RULE_REFERENCE_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_nsnames(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_nsnames(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_set_eventnames(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_set_nsref(struct conf_parser *, const struct conf_value *,
	    void *route);
void	conf_dump_nsref(const struct conf_directive *, const void *route,
	    struct buf *);
void	conf_set_template(struct conf_parser *, const struct conf_value *,
	    void *route);
void	conf_dump_template(const struct conf_directive *, const void *route,
	    struct buf *);
void	conf_free_template(const struct conf_directive *, void *route);

#endif
