/*
 * Keys: of those who sign tokens, and of back ends, which hooks reach.  Called by
 * parse.c.
 */
#ifndef CONF_READ_KEY_H
#define CONF_READ_KEY_H

#include "conf/read/section.h"

void	conf_jwt_keys_read(struct conf_reading *);
/* Namespaces have been read. */
void	conf_api_keys_read(struct conf_reading *);
/* ... not yet: they name hooks. */
void	conf_hooks_read(struct conf_reading *);

#endif
