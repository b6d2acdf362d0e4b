/*
 * One value of each type: from tokens to its field, back to text, and gone.
 * Types of rules (join, to, check, ...) are in conf_rule.c.
 */
#ifndef CONF_CONF_TYPE_H
#define CONF_CONF_TYPE_H

#include "base/buf.h"
#include "conf/conf_parse.h"

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
void	conf_value_free(const struct conf_directive *, void *object);

/* All rows of a section at once. */
void	conf_object_free(enum conf_section, void *object);

/* A token that can't be judged, because a variable in it is not set. */
bool	conf_value_unset(const struct conf_value *);
/* Text as a JSON string with its quotes (heap). */
char	*conf_json_string(const char *text) MUST_USE;
/* A string of roost.conf with its quotes; the second takes raw JSON. */
void	conf_string_print(const char *text, struct buf *);
void	conf_json_print(const char *json, struct buf *);
/* Names in dots and bars: "open | claim:NAME" has which words. */
int	conf_word_index(const char *range, struct slice word);
struct slice conf_word_at(const char *range, unsigned index);

#endif
