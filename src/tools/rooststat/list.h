/*
 * The lists: processes, namespaces, counters, what the relay does; filtered,
 * sorted, and only the rows that there is room for.  Pure.
 */
#ifndef ROOSTSTAT_LIST_H
#define ROOSTSTAT_LIST_H

#include "tools/rooststat/line.h"
#include "tools/rooststat/view.h"

/*
 * A title and the rows below it, at most so many lines in all.  scroll: the
 * page is this list, with a cursor; otherwise the first ones only, and sort
 * is that of the list's own page.
 */
struct list_place {
	unsigned	 rows;
	bool		 scroll;
};

void	list_processes(struct view *, const struct model *, struct lines *,
	    struct list_place);
void	list_namespaces(struct view *, const struct model *, struct lines *,
	    struct list_place);
void	list_counters(struct view *, const struct model *, struct lines *,
	    struct list_place);
/* What the relay does, by those it speaks with. */
void	list_relay(struct view *, const struct model *, struct lines *,
	    struct list_place);
/* Rows that pass the filter, the title not counted. */
unsigned list_count(const struct view *, const struct model *, enum view_page);
/* Columns that a list's page can be sorted by. */
unsigned list_columns(enum view_page);
/* The column that the namespaces are sorted by at first: deliveries. */
unsigned list_busiest(void);
/* A metric with its labels, as it is shown. */
void	list_metric(const struct stats_metric *, bool utf8, struct buf *);

#endif
