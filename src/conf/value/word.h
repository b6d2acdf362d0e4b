/*
 * The words that a directive's range lists.
 */
#ifndef CONF_VALUE_WORD_H
#define CONF_VALUE_WORD_H

#include "base/slice.h"

/* Names in dots and bars: "open | claim:NAME" has which words. */
int	conf_word_index(const char *range, struct slice word);
struct slice conf_word_at(const char *range, unsigned index);

#endif
