/*
 * How the daemon is, in a few lines.
 */
#ifndef ROOSTCTL_SUMMARY_H
#define ROOSTCTL_SUMMARY_H

#include "tools/roostctl/find.h"

/* EX_OK: all serve; EX_TEMPFAIL: it starts, leaves, or somebody is missing. */
int	summary_print(struct daemon *) MUST_USE;
/* Workers that there are to be; 0: it is not known. */
unsigned summary_workers(struct daemon *);

#endif
