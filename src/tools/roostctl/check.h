/*
 * Is this host large enough for the daemon and its configuration?  The same as
 * the daemon looks at when it starts (host/check.h), all of it.
 */
#ifndef ROOSTCTL_CHECK_H
#define ROOSTCTL_CHECK_H

#include "base/bug.h"
#include "tools/roostctl/find.h"

/*
 * root		where /proc and /sys are: "", or a folder with copies
 * json		as an array of objects, not as lines
 * returns	EX_OK, EX_OSERR: something is too small, or what to exit with
 */
int	check_print(struct daemon *, const char *root, bool json);

#endif
