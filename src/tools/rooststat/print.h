/*
 * The model as lines for other programs, and for tickets: one metric a line.
 * Pure.
 */
#ifndef ROOSTSTAT_PRINT_H
#define ROOSTSTAT_PRINT_H

#include "tools/rooststat/model.h"
#include "base/buf.h"

/*
 * "# …" lines about the daemon, then name, value, rate per second and help of
 * each metric that matches.  Rates are those of the model, or, where it has
 * none, since the daemon's start.  Returns how many metrics there were.
 */
unsigned print_once(const struct model *, char *const *patterns, bool utf8,
	    struct buf *out);

#endif
