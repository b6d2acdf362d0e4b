/*
 * Columns and their widths; see grid.h.
 */
#include "tools/rooststat/grid.h"

#include <stdio.h>

#define GAP		1u	/* columns between two */

static unsigned
grid_total(const struct grid *g)
{
	unsigned i, sum = 0;

	for (i = 0; i < g->ncols; i++)
		if (g->width[i] > 0)
			sum += g->width[i] + (sum > 0 ? GAP : 0);
	return (sum);
}

/* The column that goes next, ncols when all the others stay. */
static unsigned
grid_victim(const struct grid *g)
{
	unsigned i, victim = g->ncols;

	for (i = 0; i < g->ncols; i++)
		if (g->width[i] > 0 && g->col[i].rank > 0 &&
		    (victim == g->ncols ||
		    g->col[i].rank >= g->col[victim].rank))
			victim = i;
	return (victim);
}

void
grid_fit(struct grid *g, const struct grid_col *col, unsigned ncols,
    unsigned columns)
{
	unsigned i;

	MUST(ncols <= GRID_COLS);
	*g = (struct grid){ .col = col, .ncols = ncols };
	for (i = 0; i < ncols; i++)
		g->width[i] = col[i].width;
	while (grid_total(g) > columns && (i = grid_victim(g)) < ncols)
		g->width[i] = 0;
	for (i = 0; i < ncols && grid_total(g) < columns; i++) {
		if (g->width[i] == 0 || col[i].most <= col[i].width)
			continue;
		g->width[i] += columns - grid_total(g);
		if (g->width[i] > col[i].most)
			g->width[i] = col[i].most;
	}
	g->total = grid_total(g);
}

static void
grid_cell(const struct grid *g, struct buf *out, unsigned i,
    const char *text)
{
	if (g->col[i].left)
		text_left(out, text, g->width[i]);
	else
		text_right(out, text, g->width[i]);
}

/* Column mark shows that rows are sorted by it, also without styles. */
static void
grid_line(const struct grid *g, struct buf *out, const char *const cell[],
    unsigned mark)
{
	char title[64];
	bool first = true;
	unsigned i;

	for (i = 0; i < g->ncols; i++) {
		if (g->width[i] == 0)
			continue;
		if (!first)
			text_left(out, "", GAP);
		first = false;
		if (i != mark) {
			grid_cell(g, out, i, cell[i]);
			continue;
		}
		(void)snprintf(title, sizeof title, "%s%s%s",
		    g->col[i].left ? "" : "*", cell[i],
		    g->col[i].left ? "*" : "");
		buf_byte(out, STYLE_CURSOR);
		grid_cell(g, out, i, text_width(title) <= g->width[i] ?
		    title : cell[i]);
		buf_byte(out, STYLE_TITLE);
	}
}

void
grid_row(const struct grid *g, struct buf *out, enum text_style style,
    const char *const cell[])
{
	buf_byte(out, (uint8_t)style);
	grid_line(g, out, cell, GRID_COLS);
}

void
grid_head(const struct grid *g, struct buf *out, unsigned mark)
{
	const char *title[GRID_COLS];
	unsigned i;

	for (i = 0; i < g->ncols; i++)
		title[i] = g->col[i].title;
	buf_byte(out, STYLE_TITLE);
	grid_line(g, out, title, mark);
}
