/*
 * One line after the other; see line.h.
 */
#include "tools/rooststat/line.h"

void
line_end(struct lines *p)
{
	buf_byte(p->out, '\n');
	p->used++;
}

void
line_text(struct lines *p, struct buf *line)
{
	buf_byte(line, '\0');
	if (p->used >= p->rows)
		return;
	text_left(p->out, line->oom ? "?" : (const char *)line->data,
	    p->columns);
	line_end(p);
}

void
line_titles(struct lines *p, const struct grid *t, unsigned mark)
{
	struct buf line;

	buf_init(&line);
	grid_head(t, &line, mark);
	line_text(p, &line);
	buf_fini(&line);
}

void
line_blank(struct lines *p)
{
	buf_byte(p->out, STYLE_PLAIN);
	text_left(p->out, "", p->columns);
	line_end(p);
}

const char *
line_break(const char *s, unsigned columns)
{
	const char *p, *space = NULL;
	unsigned used = 0;

	for (p = s; *p != '\0'; p++) {
		if (*p == ' ')
			space = p;
		/* count heads of characters: none here is wider than one */
		if ((*p & 0xc0) != 0x80 && ++used > columns)
			return (space != NULL ? space : p);
	}
	return (p);
}
