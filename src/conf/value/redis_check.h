/*
 * The section of Redis as a whole, when all of it has been read: directives
 * that need or exclude each other.  Called by read/parse.c.
 */
#ifndef CONF_VALUE_REDIS_CHECK_H
#define CONF_VALUE_REDIS_CHECK_H

#include "base/bug.h"

struct conf_redis;

/* NULL, or what is wrong with it (static). */
const char *conf_redis_bad(const struct conf_redis *) MUST_USE;

#endif
