/*
 * So many workers, one signal for each more or less.
 */
#ifndef ROOSTCTL_RESIZE_H
#define ROOSTCTL_RESIZE_H

#include "tools/roostctl/find.h"

int	resize_workers(struct daemon *, const char *number, unsigned seconds)
	    MUST_USE;

#endif
