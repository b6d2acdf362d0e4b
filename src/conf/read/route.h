/*
 * Endpoints for plain WebSocket, as they are read.  Called by parse.c.
 */
#ifndef CONF_READ_ROUTE_H
#define CONF_READ_ROUTE_H

#include "conf/read/section.h"

void	conf_routes_read(struct conf_reading *);

#endif
