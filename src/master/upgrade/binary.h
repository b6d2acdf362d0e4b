/*
 * The program that this is, as a file: where it was started from, which is
 * where a package puts the next one.
 */
#ifndef MASTER_UPGRADE_BINARY_H
#define MASTER_UPGRADE_BINARY_H

#include "base/bug.h"

/*
 * At the start, before any chdir(2): the path from the root of what was named,
 * links in it included (a link may point to another version later).  To be
 * freed; NULL + errno.
 */
char	*binary_path(const char *named) MUST_USE;
/* The file that runs, whatever has its name by now; -1 + errno. */
int	binary_open_self(void) MUST_USE;

#endif
