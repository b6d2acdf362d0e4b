/*
 * Formats of strings; see format.h.
 */
#include "conf/schema/format.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/ascii.h"

/* As in "dddd-dd": d is a digit, x a hexadecimal one, all others themselves. */
static bool
format_like(struct slice *s, const char *like)
{
	size_t n = strlen(like), i;
	uint8_t c;

	if (s->n < n)
		return (false);
	for (i = 0; i < n; i++) {
		c = s->p[i];
		if (like[i] == 'd' ? !ascii_digit(c) : like[i] == 'x' ?
		    ascii_hex(c) < 0 : c != (uint8_t)like[i])
			return (false);
	}
	*s = slice_from(*s, n);
	return (true);
}

static unsigned
format_number(const uint8_t *p, unsigned n)
{
	unsigned v = 0, i;

	for (i = 0; i < n; i++)
		v = v * 10 + (p[i] - '0');
	return (v);
}

/* RFC 3339, full-date */
static bool
format_date(struct slice *s)
{
	static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	const uint8_t *p = s->p;
	unsigned y, m, d;

	if (!format_like(s, "dddd-dd-dd"))
		return (false);
	y = format_number(p, 4);
	m = format_number(p + 5, 2);
	d = format_number(p + 8, 2);
	return (m >= 1 && m <= 12 && d >= 1 && (d <= days[m - 1] ||
	    (m == 2 && d == 29 && y % 4 == 0 && (y % 100 != 0 ||
	    y % 400 == 0))));
}

/* Z, or how far from it; minutes of the day, UTC, go to where that is. */
static bool
format_zone(struct slice *s, int *minutes)
{
	const uint8_t *p = s->p;
	int sign;

	if (s->n == 1 && (p[0] == 'Z' || p[0] == 'z')) {
		*s = slice_from(*s, 1);
		return (true);
	}
	if (s->n == 0 || (p[0] != '+' && p[0] != '-'))
		return (false);
	sign = p[0] == '+' ? -1 : 1;
	*s = slice_from(*s, 1);
	if (!format_like(s, "dd:dd") || format_number(p + 1, 2) > 23 ||
	    format_number(p + 4, 2) > 59)
		return (false);
	*minutes += sign * (int)(format_number(p + 1, 2) * 60 +
	    format_number(p + 4, 2));
	return (true);
}

/* RFC 3339, full-time; a leap second is at 23:59:60 UTC. */
static bool
format_time(struct slice *s)
{
	const uint8_t *p = s->p;
	unsigned second;
	int minutes;

	if (!format_like(s, "dd:dd:dd"))
		return (false);
	second = format_number(p + 6, 2);
	if (format_number(p, 2) > 23 || format_number(p + 3, 2) > 59 ||
	    second > 60)
		return (false);
	minutes = (int)(format_number(p, 2) * 60 + format_number(p + 3, 2));
	if (s->n > 0 && s->p[0] == '.') {
		*s = slice_from(*s, 1);
		if (s->n == 0 || !ascii_digit(s->p[0]))
			return (false);
		while (s->n > 0 && ascii_digit(s->p[0]))
			*s = slice_from(*s, 1);
	}
	return (format_zone(s, &minutes) && (second < 60 ||
	    (minutes + 2 * 1440) % 1440 == 1439));
}

static bool
format_date_time(struct slice *s)
{
	if (!format_date(s) || s->n == 0 || (s->p[0] != 'T' && s->p[0] != 't' &&
	    s->p[0] != ' '))
		return (false);
	*s = slice_from(*s, 1);
	return (format_time(s));
}

/* Letters, digits and hyphens between dots. */
static bool
format_host(struct slice s)
{
	size_t i, label = 0;
	uint8_t c = '.';

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? c == '.' || c == '-' :
		    !isalnum(s.p[i]) && (s.p[i] != '-' || c == '.'))
			return (false);
		label = s.p[i] == '.' ? 0 : label + 1;
		if (label > 63)
			return (false);
		c = s.p[i];
	}
	return (s.n != 0 && c != '.' && c != '-');
}

/* What mail is in fact sent to: dot-atom "@" a name. */
static bool
format_email(struct slice s)
{
	const uint8_t *at = s.n == 0 ? NULL : memchr(s.p, '@', s.n);
	uint8_t c, before = '.';
	size_t n, i;

	if (at == NULL)
		return (false);
	n = (size_t)(at - s.p);
	for (i = 0; i < n; i++, before = c) {
		c = s.p[i];
		if (c == '.' ? before == '.' : c >= 0x80 || (!isalnum(c) &&
		    (c == 0 || strchr("!#$%&'*+/=?^_`{|}~-", c) == NULL)))
			return (false);
	}
	return (n != 0 && before != '.' && format_host(slice_from(s, n + 1)));
}

static bool
format_is_scheme(struct slice s)
{
	size_t i;

	for (i = 1; i < s.n; i++)
		if (!isalnum(s.p[i]) && strchr("+-.", s.p[i]) == NULL)
			return (false);
	return (s.n != 0 && isalpha(s.p[0]));
}

/* RFC 3986: a scheme, and only characters that may be there. */
static bool
format_uri(struct slice s)
{
	const uint8_t *colon = s.n == 0 ? NULL : memchr(s.p, ':', s.n);
	size_t i;

	if (colon == NULL || !format_is_scheme(slice_of(s.p,
	    (size_t)(colon - s.p))) || colon + 1 == s.p + s.n)
		return (false);
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '%') {
			if (i + 2 >= s.n || ascii_hex(s.p[i + 1]) < 0 ||
			    ascii_hex(s.p[i + 2]) < 0)
				return (false);
		} else if (s.p[i] <= ' ' || s.p[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", s.p[i]) != NULL)
			return (false);
	}
	return (true);
}

static bool
format_address(struct slice s, int family)
{
	unsigned char out[16];
	char text[64];

	if (s.n >= sizeof text || s.n == 0 || memchr(s.p, 0, s.n) != NULL)
		return (false);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return (inet_pton(family, text, out) == 1);
}

bool
conf_format_holds(enum conf_format_of format, struct slice s)
{
	switch (format) {
	case CONF_FORMAT_DATE_TIME:
		return (format_date_time(&s) && s.n == 0);
	case CONF_FORMAT_DATE:
		return (format_date(&s) && s.n == 0);
	case CONF_FORMAT_TIME:
		return (format_time(&s) && s.n == 0);
	case CONF_FORMAT_EMAIL:
		return (format_email(s));
	case CONF_FORMAT_UUID:
		return (format_like(&s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
		    && s.n == 0);
	case CONF_FORMAT_URI:
		return (format_uri(s));
	case CONF_FORMAT_IPV4:
		return (format_address(s, AF_INET));
	case CONF_FORMAT_IPV6:
		return (format_address(s, AF_INET6));
	case CONF_FORMAT__NONE:
		break;
	}
	return (true);
}
