/*
 * Lines of the log in plain words, as far as they are about what roostctl
 * asked for.  Pure.
 */
#ifndef ROOSTCTL_WORDS_H
#define ROOSTCTL_WORDS_H

#include "base/buf.h"

/*
 * One line "event key=value ...", of level e, w or i, appended as a line of
 * its own: nothing, when it is of no interest to who has asked.  Those that are
 * not known are appended as they are, when they are errors or warnings.
 */
void	words_put(struct buf *, char level, struct slice line);
/* The value of a key, without its quotes; false: it has none. */
bool	words_value(struct slice line, const char *key, struct slice *value)
	    MUST_USE;

#endif
