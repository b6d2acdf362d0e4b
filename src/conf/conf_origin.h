/*
 * Origins (RFC 6454): entries of allowed_origins, and the header of a request
 * held against them.  Exact, apart from the wild cards that an entry has: a
 * prefix or suffix in common is nothing in common.
 */
#ifndef CONF_CONF_ORIGIN_H
#define CONF_CONF_ORIGIN_H

#include "base/bug.h"
#include "base/slice.h"
#include "conf/conf.h"

/* NULL and *out filled in (heap), or what is wrong with the text (static). */
const char *conf_origin_parse(const char *text, struct conf_origin *out)
	    MUST_USE;
void	conf_origin_fini(struct conf_origin *);

#endif
