/*
 * Origins (RFC 6454): entries of allowed_origins, and the header of a request
 * held against them.  Exact, apart from the wild cards that an entry has: a
 * prefix or suffix in common is nothing in common.
 */
#ifndef CONF_CONF_ORIGIN_H
#define CONF_CONF_ORIGIN_H

#include "base/buf.h"
#include "base/bug.h"
#include "base/slice.h"
#include "conf/conf_value.h"

/* NULL and *out filled in (heap), or what is wrong with the text (static). */
const char *conf_origin_parse(const char *text, struct conf_origin *out)
	    MUST_USE;
void	conf_origin_fini(struct conf_origin *);

/* `struct conf_origin *x; size_t nx;`: called by conf_type.c, whose header says
 * what they do. */
void	conf_set_hosts(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_set_origins(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_origins(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_origins(const struct conf_directive *, void *object);

#endif
