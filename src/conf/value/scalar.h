/*
 * Values of one text: strings, words of a range, switches, digests.  Setters
 * are in the table of read/type.c, whose header says what set, dump and free
 * do.
 */
#ifndef CONF_VALUE_SCALAR_H
#define CONF_VALUE_SCALAR_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_string(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_string(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_string(const struct conf_directive *, void *object);
/* It says something. */
void	conf_set_filled(struct conf_parser *, const struct conf_value *,
	    void *object);
/* Never shown. */
void	conf_set_secret(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_secret(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_hidden_secret(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_set_urlpath(struct conf_parser *, const struct conf_value *,
	    void *object);

/* One of the range's words: as text, as its number. */
void	conf_set_word(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_set_enum(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_enum(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_set_bool(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_bool(const struct conf_directive *, const void *object,
	    struct buf *);

void	conf_set_sha256(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_sha256(const struct conf_directive *, const void *object,
	    struct buf *);

#endif
