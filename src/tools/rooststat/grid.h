/*
 * Lines in columns under titles; those that matter least go first when there
 * is not room for all.  Pure.
 */
#ifndef ROOSTSTAT_GRID_H
#define ROOSTSTAT_GRID_H

#include "tools/rooststat/text.h"

#define GRID_COLS	20

struct grid_col {
	const char	*title;
	unsigned	 width;		/* columns, the least */
	unsigned	 rank;		/* 0 stays; the highest goes first */
	bool		 left;		/* text, not a number */
	unsigned	 most;		/* it stretches up to so many; 0: no */
};

struct grid {
	const struct grid_col *col;
	unsigned	 ncols;
	unsigned	 width[GRID_COLS];	/* 0: no room for it */
	unsigned	 total;			/* columns of a line */
};

/* Which columns fit into so many, and how wide each one is. */
void	grid_fit(struct grid *, const struct grid_col *, unsigned ncols,
	    unsigned columns);
/* One line; cell i belongs to column i.  style as for a row. */
void	grid_row(const struct grid *, struct buf *, enum text_style,
	    const char *const cell[]);
/* The titles; column mark (GRID_COLS: none) is the one sorted by. */
void	grid_head(const struct grid *, struct buf *, unsigned mark);

#endif
