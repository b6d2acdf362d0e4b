/*
 * The rows of a list: sorted, scrolled to the cursor, drawn; see list_int.h.
 */
#include "tools/rooststat/list_int.h"

#include <math.h>
#include <stdlib.h>

static int
list_item_order(const void *a, const void *b)
{
	const struct list_item *x = a, *y = b;
	int order;

	if (x->key != y->key)
		return (x->key > y->key ? -1 : 1);
	order = x->name == NULL ? 0 : strcmp(x->name, y->name);
	if (order != 0)
		return (order);
	return (x->index < y->index ? -1 : x->index > y->index);
}

void
list_item_add(struct list *l, unsigned index, double key, const char *name)
{
	l->item[l->nitems++] = (struct list_item){ index,
		isnan(key) ? -1 : key, name };
}

void
list_init(struct list *l, const struct grid_col *col, unsigned ncols,
    unsigned most, const struct lines *p)
{
	memset(l, 0, sizeof *l);
	grid_fit(&l->grid, col, ncols, p->columns);
	buf_init(&l->name);
	buf_init(&l->help);
	l->utf8 = p->utf8;
	l->item = calloc(most + 1, sizeof *l->item);
}

void
list_fini(struct list *l)
{
	buf_fini(&l->name);
	buf_fini(&l->help);
	free(l->item);
}

/* Keep the cursor within the list, and the window around the cursor. */
static void
list_scroll(struct view *v, const struct list *l, unsigned rows)
{
	if (v->cursor >= l->nitems)
		v->cursor = l->nitems > 0 ? l->nitems - 1 : 0;
	if (v->cursor < v->top)
		v->top = v->cursor;
	if (rows > 0 && v->cursor - v->top >= rows)
		v->top = v->cursor - rows + 1;
	if (v->top + rows > l->nitems)
		v->top = l->nitems > rows ? l->nitems - rows : 0;
	v->shown = rows;
}

static void
list_row(struct list *l, const struct model *m, const struct list_item *item,
    list_cells *fill, bool selected, struct lines *p)
{
	const char *cell[GRID_COLS];
	struct buf line;
	unsigned i;

	buf_reset(&l->name);
	buf_reset(&l->help);
	l->style = STYLE_PLAIN;
	fill(m, item->index, l);
	buf_byte(&l->name, '\0');
	buf_byte(&l->help, '\0');
	cell[0] = l->name.oom ? "?" : (const char *)l->name.data;
	for (i = 1; i < l->grid.ncols; i++)
		cell[i] = l->cell[i];
	if (l->help.wpos > 1 && !l->help.oom)
		cell[i - 1] = (const char *)l->help.data;
	buf_init(&line);
	grid_row(&l->grid, &line, selected ? STYLE_CURSOR : l->style, cell);
	line_text(p, &line);
	buf_fini(&line);
}

void
list_draw(struct list *l, struct view *v, const struct model *m,
    struct lines *p, struct list_place at, unsigned sort, list_cells *fill)
{
	unsigned i, first = 0, rows = at.rows > 0 ? at.rows - 1 : 0;

	if (at.rows == 0 || l->item == NULL)
		return;
	if (l->nitems > 1)
		qsort(l->item, l->nitems, sizeof *l->item, list_item_order);
	if (at.scroll) {
		list_scroll(v, l, rows);
		first = v->top;
	}
	line_titles(p, &l->grid, sort);
	for (i = first; i < l->nitems && i - first < rows; i++)
		list_row(l, m, &l->item[i], fill, at.scroll && i == v->cursor,
		    p);
}

void
list_foot(struct list *l, const char *help, struct lines *p)
{
	while (p->used + 1 < p->rows)
		line_blank(p);
	buf_reset(&l->name);
	buf_byte(&l->name, STYLE_DIM);
	text_safe(&l->name, help, p->utf8);
	line_text(p, &l->name);
}
