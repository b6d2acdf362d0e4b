/*
 * Why did it close?  What the segment of a daemon has of a client, in words.
 */
#ifndef TOOLS_ROOSTCTL_WHY_H
#define TOOLS_ROOSTCTL_WHY_H

#include "tools/roostctl/find.h"

/* Prints what happened to "user:ID", "sid:ID" or "address:IP[:PORT]"; returns
 * an exit code. */
int	why_print(const struct daemon *, const char *whom);

#endif
