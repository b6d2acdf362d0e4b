/*
 * What is inside the frame: the overview with its panes, and the lists of
 * counters, namespaces and processes.  Pure.
 */
#ifndef TOOLS_ROOSTSTAT_PAGE_H
#define TOOLS_ROOSTSTAT_PAGE_H

#include "tools/rooststat_text.h"
#include "tools/rooststat_view.h"

#define SIDE_BY_SIDE	116u	/* columns from which two panes stand so */

struct page {
	struct buf	*out;
	unsigned	 columns, rows;
	unsigned	 used;		/* rows written */
	bool		 utf8;
};

/* One line of styled text, cut or filled; the buf gets a NUL behind. */
void	page_text(struct page *, struct buf *line);
/* The titles of a table's columns, that one marked (TABLE_COLS: none). */
void	page_titles(struct page *, const struct table *, unsigned mark);
/* Ends a line that was written straight into out. */
void	page_newline(struct page *);
void	page_newline_blank(struct page *);
/* Where to break text that shall take so many columns: between words. */
const char *page_break(const char *, unsigned columns);

void	page_draw(struct view *, const struct model *, struct page *);

#endif
