/*
 * What is written to line by line, as far as there is room: the screen, or a
 * pane of it.  Pure.
 */
#ifndef ROOSTSTAT_LINE_H
#define ROOSTSTAT_LINE_H

#include "tools/rooststat/grid.h"

#define SIDE_BY_SIDE	116u	/* columns from which two panes stand so */

struct lines {
	struct buf	*out;
	unsigned	 columns, rows;
	unsigned	 used;		/* rows written */
	bool		 utf8;
};

/* One line of styled text, cut or filled; the buf gets a NUL behind. */
void	line_text(struct lines *, struct buf *line);
/* The titles of a table's columns, that one marked (GRID_COLS: none). */
void	line_titles(struct lines *, const struct grid *, unsigned mark);
/* Ends a line that was written straight into out. */
void	line_end(struct lines *);
void	line_blank(struct lines *);
/* Where to break text that shall take so many columns: between words. */
const char *line_break(const char *, unsigned columns);

#endif
