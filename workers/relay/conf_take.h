/*
 * The configuration that a running relay gets from the master, read from what
 * CONTROL_CONF brings.  Called by relay.c, which gives it to its parts.
 */
#ifndef RELAY_CONF_TAKE_H
#define RELAY_CONF_TAKE_H

#include "base/bug.h"

struct conf;

/*
 * NULL: no memory now.  The master has found it valid:
 * where it is not, this process is not what it should be, and ends; who comes
 * next has the configuration from its birth.
 */
struct conf *conf_take(int fd) MUST_USE;

#endif
