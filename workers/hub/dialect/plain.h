/*
 * A message of a plain client, whatever its transport puts around it.
 */
#ifndef HUB_DIALECT_PLAIN_H
#define HUB_DIALECT_PLAIN_H

#include "hub/session/client.h"

/* Its one session sent this: an envelope (proto/raw.h), or in the bare format
 * data alone.  Writable, and only borrowed. */
void	plain_message(struct client *, uint8_t *data, size_t n);

#endif
