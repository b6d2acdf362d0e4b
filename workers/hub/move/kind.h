/*
 * The kinds of clients by number, for who takes one from another worker.
 */
#ifndef HUB_MOVE_KIND_H
#define HUB_MOVE_KIND_H

#include "hub/session/client.h"

/* NULL: there is none with this number. */
const struct client_kind *kind_numbered(uint8_t);

#endif
