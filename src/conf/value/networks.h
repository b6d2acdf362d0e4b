/*
 * Lists of networks, `struct conf_network *x; size_t nx;`.  Setters are in the
 * table of read/type.c.
 */
#ifndef CONF_VALUE_NETWORKS_H
#define CONF_VALUE_NETWORKS_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_networks(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_networks(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_networks(const struct conf_directive *, void *object);

#endif
