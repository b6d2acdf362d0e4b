/*
 * Strings as they are written in roost.conf and in JSON.
 */
#ifndef CONF_VALUE_STRING_H
#define CONF_VALUE_STRING_H

#include "base/buf.h"

/* Text as a JSON string with its quotes (heap). */
char	*conf_json_string(const char *text) MUST_USE;
/* A string of roost.conf with its quotes; the second takes raw JSON. */
void	conf_string_print(const char *text, struct buf *);
void	conf_json_print(const char *json, struct buf *);

#endif
