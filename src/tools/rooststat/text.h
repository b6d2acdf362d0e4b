/*
 * Text for a screen of fixed width: columns of UTF-8, short numbers, bars.
 * Pure: memory in, memory out (the locale's LC_CTYPE decides how wide a
 * character is).
 *
 * Styles are part of the text, as one byte (enum text_style) that takes no
 * column and holds until the next one; foreign text goes through text_safe(),
 * so it cannot contain any.
 */
#ifndef ROOSTSTAT_TEXT_H
#define ROOSTSTAT_TEXT_H

#include "base/buf.h"
#include "base/utf8.h"

enum text_style {
	STYLE_PLAIN = 1,
	STYLE_DIM,
	STYLE_BOLD,
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	STYLE_TITLE,		/* head of a table */
	STYLE_CURSOR,		/* the selected row */
	STYLE__END		/* below tab and newline */
};

#define TEXT_NUMBER	16	/* bytes that any number below needs */

/* What cannot be printed becomes '?'; utf8 false: so does what is not ASCII. */
void	text_safe(struct buf *, const char *, bool utf8);
/* Columns that it takes. */
unsigned text_width(const char *);
/* Exactly so many columns: cut, or filled on the left or the right. */
void	text_left(struct buf *, const char *, unsigned columns);
void	text_right(struct buf *, const char *, unsigned columns);

/* At most 5 columns: 0, 9999, 12.3k, 1.20M. */
void	text_count(char out[TEXT_NUMBER], double);
/* The same with one decimal below 10; "-" for NAN. */
void	text_rate(char out[TEXT_NUMBER], double);
/* Digit by digit while it fits 13 columns, to be compared with a log or a
 * ticket; else as text_count(). */
void	text_digits(char out[TEXT_NUMBER], double);
/* Microseconds: 850us, 1.20ms, 34.0ms, 2.50s. */
void	text_us(char out[TEXT_NUMBER], uint64_t);
/* Milliseconds, as people say it: 12s, 3m04s, 4h12m, 3d04h. */
void	text_age(char out[TEXT_NUMBER], uint64_t ms);
/* 0..1 as percent: 0, 0.4, 97; "-" for NAN. */
void	text_percent(char out[TEXT_NUMBER], double);

/* Row `row` from the top of a chart of so many: a bar for each value, relative
 * to the greatest. */
struct text_bars {
	unsigned	 row, rows;
};
void	text_bars(struct buf *, const double *, unsigned n, struct text_bars,
	    bool utf8);
/* One character for each value, relative to the greatest. */
void	text_spark(struct buf *, const double *, unsigned n, bool utf8);

#endif
