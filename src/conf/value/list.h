/*
 * Values that are lists: of texts, of names that stand for bits.  Called by
 * read/type.c, whose header says what set, dump and free do.
 */
#ifndef CONF_VALUE_LIST_H
#define CONF_VALUE_LIST_H

#include "base/buf.h"
#include "conf/value/value.h"

/* A list is `TYPE *x; size_t nx;`, wherever they stand: *v becomes x (v is a
 * TYPE **), n is returned or given. */
size_t	conf_list_get(const struct conf_directive *, const void *object,
	    void *v);
void	conf_list_put(const struct conf_directive *, void *object,
	    const void *v, size_t n);

/* ... of texts */
void	conf_set_strings(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_strings(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_strings(const struct conf_directive *, void *object);
/* The same of tokens (RFC 9110, 5.6.2). */
void	conf_set_headers(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_set_tokens(struct conf_parser *, const struct conf_value *,
	    void *object);

/* Names of bits: a list of them is their sum, uint32_t. */
void	conf_set_bits(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_bits(const struct conf_directive *, const void *object,
	    struct buf *);

#endif
