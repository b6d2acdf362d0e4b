/*
 * The last intervals as charts, with which the overview fills what a high
 * screen leaves: rates, connections, CPU and memory.
 */
#ifndef TOOLS_ROOSTSTAT_CHART_H
#define TOOLS_ROOSTSTAT_CHART_H

#include "tools/rooststat_page.h"

/* So many rows at most; none when they are too few for a chart. */
void	chart_draw(const struct model *, struct page *, unsigned rows);

#endif
