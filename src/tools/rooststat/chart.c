/*
 * A chart is a line that says what it is, with its latest and its greatest
 * value, and rows of columns below.  As many are drawn as there is room for,
 * the most wanted first.
 */
#include "tools/rooststat/chart.h"

#include <stdio.h>

#define CHART_LEAST	4u	/* rows, the title included */
#define CHART_MOST	11u
#define CHART_GAP	2u	/* columns between two side by side */
#define CHART_ACROSS	2u	/* at most */

enum chart_id {
	CHART_OUT, CHART_IN, CHART_OPEN, CHART_CPU, CHART_BYTES_OUT,
	CHART_MEMORY, CHART__MAX
};

struct chart {
	const char	*title;
	const struct model_history *past;
	void		(*text)(char out[TEXT_NUMBER], double);
};

static void
chart_all(const struct model *m, struct chart c[CHART__MAX])
{
	c[CHART_OUT] = (struct chart){ "deliveries/s",
		&m->head[HEAD_OUT].history, text_rate };
	c[CHART_IN] = (struct chart){ "messages in/s",
		&m->head[HEAD_IN].history, text_rate };
	c[CHART_OPEN] = (struct chart){ "open connections",
		&m->level[LEVEL_OPEN], text_count };
	c[CHART_CPU] = (struct chart){ "CPU, % of one",
		&m->level[LEVEL_CPU], text_percent };
	c[CHART_BYTES_OUT] = (struct chart){ "bytes out/s",
		&m->head[HEAD_BYTES_OUT].history, text_rate };
	c[CHART_MEMORY] = (struct chart){ "memory of all processes",
		&m->level[LEVEL_MEMORY], text_count };
}

/* The values that fit into so many columns. */
static unsigned
chart_shown(const struct chart *c, unsigned columns)
{
	return (c->past->n < columns ? c->past->n : columns);
}

static void
chart_title(const struct chart *c, unsigned columns, struct buf *out)
{
	const struct model_history *past = c->past;
	unsigned i, n = chart_shown(c, columns);
	char now[TEXT_NUMBER] = "-", most[TEXT_NUMBER] = "-", text[96];
	double greatest = 0;

	for (i = past->n - n; i < past->n; i++)
		if (past->value[i] > greatest)
			greatest = past->value[i];
	if (n > 0) {
		c->text(now, past->value[past->n - 1]);
		c->text(most, greatest);
	}
	(void)snprintf(text, sizeof text, "%s  now %s  max %s", c->title, now,
	    most);
	buf_byte(out, STYLE_TITLE);
	text_left(out, text, columns);
}

/* Row i of so many, from the top; the latest value stands on the right. */
static void
chart_row(const struct chart *c, unsigned i, unsigned rows, unsigned columns,
    bool utf8, struct buf *out)
{
	const struct model_history *past = c->past;
	unsigned n = chart_shown(c, columns);

	buf_byte(out, STYLE_PLAIN);
	text_left(out, "", columns - n);
	text_bars(out, past->value + past->n - n, n,
	    (struct text_bars){ i, rows }, utf8);
}

static void
chart_band(const struct chart *c, unsigned across, unsigned rows,
    struct lines *p)
{
	unsigned i, j, columns = (p->columns - CHART_GAP * (across - 1)) /
	    across;
	struct buf line;

	buf_init(&line);
	for (i = 0; i < rows; i++) {
		buf_reset(&line);
		for (j = 0; j < across && c[j].title != NULL; j++) {
			buf_str(&line, j > 0 ? "  " : "");
			if (i == 0)
				chart_title(&c[j], columns, &line);
			else
				chart_row(&c[j], i - 1, rows - 1, columns,
				    p->utf8, &line);
			buf_byte(&line, STYLE_PLAIN);
		}
		line_text(p, &line);
	}
	buf_fini(&line);
}

void
chart_draw(const struct model *m, struct lines *p, unsigned rows)
{
	unsigned across = p->columns >= SIDE_BY_SIDE ? CHART_ACROSS : 1;
	unsigned down = rows / CHART_LEAST, i, high;
	struct chart c[CHART__MAX + CHART_ACROSS];

	if (down == 0 || p->columns < 20)
		return;
	memset(c, 0, sizeof c);
	chart_all(m, c);
	if (down > (CHART__MAX + across - 1) / across)
		down = (CHART__MAX + across - 1) / across;
	high = rows / down < CHART_MOST ? rows / down : CHART_MOST;
	for (i = 0; i < down; i++)
		chart_band(&c[i * across], across, high, p);
}
