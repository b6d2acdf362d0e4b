/*
 * What all lists have in common: the rows that pass the filter, their order,
 * and the drawing of those that there is room for.  Pure.
 */
#ifndef ROOSTSTAT_LIST_INT_H
#define ROOSTSTAT_LIST_INT_H

#include "tools/rooststat/list.h"

#define LIST_CELL	24u			/* bytes of a cell that is a number */

struct list_item {
	unsigned	 index;		/* into the model's array */
	double		 key;		/* the greatest first */
	const char	*name;		/* then by name, if there is one */
};

struct list;
typedef void list_cells(const struct model *, unsigned index, struct list *);

struct list {
	struct grid	 grid;
	struct list_item *item;		/* NULL: no memory, nothing is shown */
	unsigned	 nitems;
	enum text_style	 style;		/* of the row being filled */
	struct buf	 name;		/* cell 0 of it */
	struct buf	 help;		/* the last cell, where there is room */
	char		 cell[GRID_COLS][LIST_CELL];
	bool		 utf8;
};

/* At most so many rows will be added; item is NULL if there is no memory. */
void	list_init(struct list *, const struct grid_col *, unsigned ncols,
	    unsigned most, const struct lines *);
void	list_fini(struct list *);
void	list_item_add(struct list *, unsigned index, double key,
	    const char *name);
/* The titles, that of column sort marked, and the rows, each filled by fill. */
void	list_draw(struct list *, struct view *, const struct model *,
	    struct lines *, struct list_place, unsigned sort,
	    list_cells *fill);
/* Rows of the relay's page that pass the filter. */
unsigned list_relay_count(const struct view *, const struct model *);
/* At the bottom of a page: what the row under the cursor is. */
void	list_foot(struct list *, const char *help, struct lines *);

#endif
