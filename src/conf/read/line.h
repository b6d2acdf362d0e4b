/*
 * Where the file gives a value to a directive that is in no section with a
 * title: for who finds, after it was read, that this value will not do.
 */
#ifndef CONF_READ_LINE_H
#define CONF_READ_LINE_H

#include "conf/model.h"

struct conf_reading;

/* Noted while the tree is there. */
void	conf_lines_note(struct conf_reading *);
/* what: "workers", "redis: url", as conf_diff() says it; behind the first word
 * that is no letter of its name there may be more.  For conf_error(): the line
 * of the value, or that of its section, where the file says nothing; 0: neither;
 * CONF_LINE_OPTION. */
int	conf_line(const struct conf *, const char *what);

#endif
