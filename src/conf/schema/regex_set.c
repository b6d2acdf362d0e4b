/*
 * The characters of a pattern, and sets of them; see regex_int.h.
 */
#include "conf/schema/regex_int.h"

#include <ctype.h>
#include <string.h>

#include "base/ascii.h"

uint32_t
regex_char(struct slice *s)
{
	uint8_t c = s->p[0];
	size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3, i;
	uint32_t v = more == 0 ? c : c & (0x3fU >> more);

	if (more >= s->n)
		more = s->n - 1;
	for (i = 1; i <= more; i++)
		v = v << 6 | (s->p[i] & 0x3f);
	*s = slice_from(*s, more + 1);
	return (v);
}

static bool
regex_range(struct regex_reader *x, uint32_t low, uint32_t high)
{
	if (low > high)
		return (regex_bad(x, "a range of the pattern ends before it "
		    "starts"));
	if (x->r->nranges == RANGES_MAX)
		return (regex_bad(x, "the pattern is too large"));
	x->r->ranges[x->r->nranges++] = (struct regex_range){ low, high };
	return (true);
}

static const struct regex_range digits[] = { { '0', '9' } };
static const struct regex_range words[] = { { '0', '9' }, { 'A', 'Z' },
	{ '_', '_' }, { 'a', 'z' } };
static const struct regex_range spaces[] = { { '\t', '\r' }, { ' ', ' ' },
	{ 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200a },
	{ 0x2028, 0x2029 }, { 0x202f, 0x202f }, { 0x205f, 0x205f },
	{ 0x3000, 0x3000 }, { 0xfeff, 0xfeff } };

/* \d and the like, which are in order; a capital: all others. */
static bool
regex_known(struct regex_reader *x, int c)
{
	const struct regex_range *set = c == 'd' || c == 'D' ? digits :
	    c == 'w' || c == 'W' ? words : spaces;
	size_t n = set == digits ? nitems(digits) : set == words ?
	    nitems(words) : nitems(spaces), i;
	uint32_t low = 0;

	for (i = 0; i < n; i++) {
		if (islower(c)) {
			if (!regex_range(x, set[i].low, set[i].high))
				return (false);
			continue;
		}
		if (!regex_range(x, low, set[i].low - 1))
			return (false);
		low = set[i].high + 1;
	}
	return (islower(c) || regex_range(x, low, 0x10ffff));
}

static bool
regex_hex(struct regex_reader *x, unsigned min, unsigned max, uint32_t *v)
{
	unsigned n;
	int h;

	*v = 0;
	for (n = 0; n < max && x->in.n != 0 &&
	    (h = ascii_hex(x->in.p[0])) >= 0; n++) {
		*v = *v << 4 | (uint32_t)h;
		x->in = slice_from(x->in, 1);
	}
	return ((n >= min && *v <= 0x10ffff) ||
	    regex_bad(x, "the pattern has a \\x or \\u without its digits"));
}

static bool
regex_unicode(struct regex_reader *x, uint32_t *v)
{
	if (!regex_take(x, '{'))
		return (regex_hex(x, 4, 4, v));
	return (regex_hex(x, 1, 6, v) && (regex_take(x, '}') ||
	    regex_bad(x, "the pattern has a \\u{ without }")));
}

bool
regex_escape(struct regex_reader *x, uint32_t *v)
{
	static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v";
	const char *known;
	uint32_t c;

	if (x->in.n == 0)
		return (regex_bad(x, "the pattern ends with a backslash"));
	c = regex_char(&x->in);
	known = c < 0x80 && c != 0 ? strchr(from, (int)c) : NULL;
	if (c == 'x')
		return (regex_hex(x, 2, 2, v));
	if (c == 'u')
		return (regex_unicode(x, v));
	*v = known != NULL ? (uint8_t)to[known - from] : c;
	if (known == NULL && c < 0x80 && isalnum((int)c))
		return (regex_bad(x, "the pattern has an escape that is not "
		    "known here"));
	return (true);
}

bool
regex_takes_known(struct regex_reader *x, int *c)
{
	if (x->in.n < 2 || x->in.p[0] != '\\' || x->in.p[1] == '\0' ||
	    strchr("dwsDWS", x->in.p[1]) == NULL)
		return (false);
	*c = x->in.p[1];
	x->in = slice_from(x->in, 2);
	return (true);
}

static bool
regex_class_char(struct regex_reader *x, uint32_t *v)
{
	if (x->in.n == 0)
		return (regex_bad(x, "the pattern has a [ without ]"));
	if (regex_take(x, '\\'))
		return (regex_escape(x, v));
	*v = regex_char(&x->in);
	return (true);
}

bool
regex_class(struct regex_reader *x)
{
	uint32_t from = x->r->nranges, low, high;
	bool negated = regex_take(x, '^');
	int known;

	while (!regex_take(x, ']')) {
		if (regex_takes_known(x, &known)) {
			if (!regex_known(x, known))
				return (false);
			continue;
		}
		if (!regex_class_char(x, &low))
			return (false);
		high = low;
		if (x->in.n > 1 && x->in.p[0] == '-' && x->in.p[1] != ']') {
			x->in = slice_from(x->in, 1);
			if (regex_takes_known(x, &known))
				return (regex_bad(x, "the pattern has a range "
				    "that ends with a set"));
			if (!regex_class_char(x, &high))
				return (false);
		}
		if (!regex_range(x, low, high))
			return (false);
	}
	if (!regex_emit(x, REGEX_CLASS, from, x->r->nranges - from))
		return (false);
	x->r->steps[x->r->n - 1].negated = negated;
	return (true);
}

bool
regex_set(struct regex_reader *x, int known)
{
	uint32_t from = x->r->nranges;

	return (regex_known(x, known) && regex_emit(x, REGEX_CLASS, from,
	    x->r->nranges - from));
}
