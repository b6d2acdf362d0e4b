/*
 * Namespaces with their rooms and events, as they are read.  Called by
 * parse.c.
 */
#ifndef CONF_READ_NAMESPACE_H
#define CONF_READ_NAMESPACE_H

#include "conf/read/section.h"

void	conf_namespaces_read(struct conf_reading *);

#endif
