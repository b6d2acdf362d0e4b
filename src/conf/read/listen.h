/*
 * Listening addresses, as they are read.  Called by parse.c.
 */
#ifndef CONF_READ_LISTEN_H
#define CONF_READ_LISTEN_H

#include "conf/read/section.h"

void	conf_listens_read(struct conf_reading *);

#endif
