/*
 * One value of each type: from tokens to its field, back to text, and gone.
 * Types of rules (join, to, check, ...) are in conf/rule.
 */
#ifndef CONF_READ_TYPE_H
#define CONF_READ_TYPE_H

#include "base/buf.h"
#include "conf/value/value.h"

/*
 * object is the struct of the row's section.  set: on a bad value the field
 * stays as it was and the parser has one diagnostic more; what the field held
 * before is freed.
 */
void	conf_value_set(struct conf_parser *, const struct conf_value *,
	    void *object);
/* The value as the file would have it: "x", 10s, {"a", "b"}. */
void	conf_value_dump(const struct conf_directive *, const void *object,
	    struct buf *);
/* What the dump keeps to itself, secrets; nothing, for most types.  For who
 * compares, and shows it to nobody. */
void	conf_value_hidden(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_value_free(const struct conf_directive *, void *object);

/* All rows of a section at once. */
void	conf_object_free(enum conf_section, void *object);

#endif
