/*
 * Columns, short numbers and tables for the screen of rooststat(1).
 */
#include "tools/rooststat/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <wchar.h>


/*
 * One character at p: its length in bytes and its columns.  False when it is
 * not a character that a terminal may be given.
 */
static bool
text_next_char(const char *p, size_t *len, unsigned *columns)
{
	static const uint8_t lengths[16] = {
		1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4
	};
	const uint8_t *u = (const uint8_t *)p;
	size_t n = lengths[u[0] >> 4];
	uint32_t cp;
	int w;
	size_t i;

	*len = 1;
	*columns = 1;
	if (n == 1)
		return (u[0] >= ' ' && u[0] != 0x7f);
	if (n == 0 || strnlen(p, n) < n || !utf8_valid(slice_of(u, n)))
		return (false);
	cp = n == 2 ? u[0] & 0x1fu : n == 3 ? u[0] & 0x0fu : u[0] & 0x07u;
	for (i = 1; i < n; i++)
		cp = cp << 6 | (u[i] & 0x3fu);
	w = wcwidth((wchar_t)cp);
	*len = n;
	*columns = w < 0 ? 1 : (unsigned)w;
	return (w >= 0);
}

void
text_safe(struct buf *out, const char *s, bool utf8)
{
	unsigned columns;
	size_t len;

	for (; *s != '\0'; s += len) {
		if (!text_next_char(s, &len, &columns) || (len > 1 && !utf8))
			buf_byte(out, '?');
		else
			buf_append(out, s, len);
	}
}

/* Bytes of s that fit into so many columns; used: how many they take. */
static size_t
text_fit(const char *s, unsigned columns, unsigned *used)
{
	const char *p = s;
	unsigned w;
	size_t len;

	*used = 0;
	for (; *p != '\0'; p += len) {
		if (*p > 0 && *p < STYLE__END) {
			len = 1;
			continue;
		}
		(void)text_next_char(p, &len, &w);
		if (*used + w > columns)
			break;
		*used += w;
	}
	return ((size_t)(p - s));
}

unsigned
text_width(const char *s)
{
	unsigned used;

	(void)text_fit(s, UINT32_MAX / 2, &used);
	return (used);
}

static void
text_spaces(struct buf *out, unsigned n)
{
	while (n-- > 0)
		buf_byte(out, ' ');
}

/* What is cut off shows as '~' in the last column. */
void
text_left(struct buf *out, const char *s, unsigned columns)
{
	unsigned used;
	size_t n;

	n = text_fit(s, columns, &used);
	if (s[n] == '\0') {
		buf_append(out, s, n);
	} else if (columns > 0) {
		n = text_fit(s, columns - 1, &used);
		buf_append(out, s, n);
		buf_byte(out, '~');
		used++;
	}
	text_spaces(out, columns - used);
}

void
text_right(struct buf *out, const char *s, unsigned columns)
{
	unsigned w = text_width(s);

	if (w < columns) {
		text_spaces(out, columns - w);
		columns = w;
	}
	text_left(out, s, columns);
}

/* --- numbers ------------------------------------------------------------- */

/* Three digits that count: 1.23, 12.3, 123. */
static void
text_three(char out[TEXT_NUMBER], double v, const char *unit)
{
	int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;

	(void)snprintf(out, TEXT_NUMBER, "%.*f%s", decimals, v, unit);
}

void
text_count(char out[TEXT_NUMBER], double v)
{
	static const char *const units[] = {
		"", "k", "M", "G", "T", "P", "E"
	};
	unsigned i = 0;

	if (isnan(v)) {
		(void)snprintf(out, TEXT_NUMBER, "-");
		return;
	}
	if (v < 0) {
		text_count(out, -v);
		memmove(out + 1, out, TEXT_NUMBER - 1);
		out[0] = '-';
		out[TEXT_NUMBER - 1] = '\0';
		return;
	}
	if (v < 9999.5) {
		(void)snprintf(out, TEXT_NUMBER, "%.0f", v);
		return;
	}
	while (v >= 999.5 && i + 1 < nitems(units)) {
		v /= 1000;
		i++;
	}
	text_three(out, v, units[i]);
}

void
text_digits(char out[TEXT_NUMBER], double v)
{
	if (v < 1e13 && v > -1e12)
		(void)snprintf(out, TEXT_NUMBER, "%.0f", v);
	else
		text_count(out, v);
}

void
text_rate(char out[TEXT_NUMBER], double v)
{
	if (v > 0 && v < 0.05)
		(void)snprintf(out, TEXT_NUMBER, "<0.1");
	else if (v > 0 && v < 9.95)
		(void)snprintf(out, TEXT_NUMBER, "%.1f", v);
	else
		text_count(out, v);
}

void
text_us(char out[TEXT_NUMBER], uint64_t us)
{
	if (us < 1000)
		(void)snprintf(out, TEXT_NUMBER, "%" PRIu64 "us", us);
	else if (us < 999500)
		text_three(out, (double)us / 1e3, "ms");
	else
		text_three(out, (double)us / 1e6, "s");
}

void
text_age(char out[TEXT_NUMBER], uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 60)
		(void)snprintf(out, TEXT_NUMBER, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(out, TEXT_NUMBER, "%um%02us",
		    (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		(void)snprintf(out, TEXT_NUMBER, "%uh%02um",
		    (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else
		(void)snprintf(out, TEXT_NUMBER, "%" PRIu64 "d%02uh",
		    s / 86400 % 1000000, (unsigned)(s / 3600 % 24));
}

void
text_percent(char out[TEXT_NUMBER], double v)
{
	text_rate(out, v * 100);
}

/* A cell that is so many eighths full: LOWER ONE EIGHTH BLOCK and the next. */
static void
text_eighths(struct buf *out, unsigned n, bool utf8)
{
	static const char ascii[] = " _.:-=+*#";
	uint8_t c[4];

	if (n > 8)
		n = 8;
	if (utf8 && n > 0)
		buf_append(out, c, utf8_put(c, 0x2580 + n));
	else
		buf_byte(out, (uint8_t)ascii[n]);
}

void
text_bars(struct buf *out, const double *v, unsigned n, struct text_bars at,
    bool utf8)
{
	unsigned i, full, below = 8 * (at.rows - 1 - at.row);
	double most = 0;

	for (i = 0; i < n; i++)
		most = v[i] > most ? v[i] : most;
	for (i = 0; i < n; i++) {
		/* what is not nothing is seen */
		full = v[i] > 0 ? 1 + (unsigned)(v[i] / most *
		    (8 * at.rows - 0.001)) : 0;
		if (full > 8 * at.rows)
			full = 8 * at.rows;
		text_eighths(out, full > below ? full - below : 0, utf8);
	}
}

void
text_spark(struct buf *out, const double *v, unsigned n, bool utf8)
{
	text_bars(out, v, n, (struct text_bars){ 0, 1 }, utf8);
}
