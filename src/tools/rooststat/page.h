/*
 * What is inside the frame: the overview with its panes, and the lists of
 * counters, namespaces and processes.  Pure.
 */
#ifndef ROOSTSTAT_PAGE_H
#define ROOSTSTAT_PAGE_H

#include "tools/rooststat/line.h"
#include "tools/rooststat/view.h"

void	page_draw(struct view *, const struct model *, struct lines *);

#endif
