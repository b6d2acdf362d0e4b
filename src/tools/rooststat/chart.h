/*
 * The last intervals as charts, with which the overview fills what a high
 * screen leaves: rates, connections, CPU and memory.
 */
#ifndef ROOSTSTAT_CHART_H
#define ROOSTSTAT_CHART_H

#include "tools/rooststat/line.h"
#include "tools/rooststat/model.h"

/* So many rows at most; none when they are too few for a chart. */
void	chart_draw(const struct model *, struct lines *, unsigned rows);

#endif
