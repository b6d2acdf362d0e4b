/*
 * What the server writes into an event instead of its sender: arguments that
 * are constants, and members of the first argument.  Setters are in the table
 * of read/type.c.
 */
#ifndef CONF_RULE_WRITTEN_H
#define CONF_RULE_WRITTEN_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_data(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_free_data(const struct conf_directive *, void *event);
void	conf_set_members(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_members(const struct conf_directive *, const void *event,
	    struct buf *);
void	conf_free_members(const struct conf_directive *, void *event);

/* Constant arguments, of which the first takes no members although some are
 * written: it is no object. */
bool	conf_data_takes_none(const struct conf_event *) MUST_USE;
/* What is written of a handshake is not kept: in words; NULL: it is. */
const char *conf_not_kept(const struct conf_event *,
	    const struct conf_namespace *) MUST_USE;
/* The rule writes the member that names its receiver. */
bool	conf_writes_field(const struct conf_event *) MUST_USE;

#endif
