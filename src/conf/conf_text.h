/*
 * Texts of roost.conf: strings as they are written in it and in JSON, and the
 * words that a directive's range lists.
 */
#ifndef CONF_CONF_TEXT_H
#define CONF_CONF_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

/* Text as a JSON string with its quotes (heap). */
char	*conf_json_string(const char *text) MUST_USE;
/* A string of roost.conf with its quotes; the second takes raw JSON. */
void	conf_string_print(const char *text, struct buf *);
void	conf_json_print(const char *json, struct buf *);
/* Names in dots and bars: "open | claim:NAME" has which words. */
int	conf_word_index(const char *range, struct slice word);
struct slice conf_word_at(const char *range, unsigned index);

#endif
