/*
 * Lists of origins, `struct conf_origin *x; size_t nx;`, and of hosts.  Setters
 * are in the table of read/type.c.
 */
#ifndef CONF_VALUE_ORIGINS_H
#define CONF_VALUE_ORIGINS_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_hosts(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_set_origins(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_origins(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_origins(const struct conf_directive *, void *object);

#endif
