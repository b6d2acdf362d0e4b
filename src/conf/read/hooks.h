/*
 * Hooks, as they are read.  Called by parse.c.
 */
#ifndef CONF_READ_HOOKS_H
#define CONF_READ_HOOKS_H

#include "conf/read/section.h"

void	conf_hooks_read(struct conf_reading *);

#endif
