/*
 * Keys: of those who sign tokens, and of back ends.  Called by parse.c.
 */
#ifndef CONF_READ_KEY_H
#define CONF_READ_KEY_H

#include "conf/read/section.h"

void	conf_jwt_keys_read(struct conf_reading *);
/* Namespaces have been read. */
void	conf_api_keys_read(struct conf_reading *);

#endif
