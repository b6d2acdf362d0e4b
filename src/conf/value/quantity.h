/*
 * Counts, sizes, durations and modes, within the range of their directive.
 * Setters are in the table of read/type.c.
 */
#ifndef CONF_VALUE_QUANTITY_H
#define CONF_VALUE_QUANTITY_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_u64(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_u64(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_set_unsigned(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_unsigned(const struct conf_directive *, const void *object,
	    struct buf *);
/* "auto" is 0. */
void	conf_set_autocount(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_autocount(const struct conf_directive *, const void *object,
	    struct buf *);

#endif
