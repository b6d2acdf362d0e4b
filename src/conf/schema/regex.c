/*
 * Regular expressions: to a program by recursive descent, where what is repeated
 * is read again for each time; followed by the set of all places in it at once
 * (K. Thompson, 1968).  See regex.h.
 */
#include "conf/schema/regex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "conf/heap.h"

#define STEPS_MAX	1024	/* of a program */
#define RANGES_MAX	1024
#define DEPTH_MAX	16	/* of groups */
#define OTHERS_MAX	256	/* alternatives, recursively */
#define WORK_MAX	65536	/* steps written, those that are read again too */
#define REPEAT_MAX	1000

enum regex_op { REGEX_CHAR, REGEX_ANY, REGEX_CLASS, REGEX_SPLIT, REGEX_JUMP,
	REGEX_BEGIN, REGEX_END, REGEX_MATCH };

struct regex_step {
	enum regex_op	 op;
	bool		 negated;	/* CLASS */
	uint32_t	 x, y;		/* CHAR: it; CLASS: from, number of ranges;
					 * SPLIT, JUMP: where to */
};

struct regex_range {
	uint32_t	 low, high;
};

struct conf_regex {
	struct regex_step *steps;
	uint32_t	 n;
	struct regex_range *ranges;
	uint32_t	 nranges;
};

/* --- a text's characters -------------------------------------------------- */

/* The next one of valid UTF-8. */
static uint32_t
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

/* --- reading -------------------------------------------------------------- */

struct regex_reader {
	struct conf_regex *r;
	struct slice	 in;
	unsigned	 depth;		/* of groups */
	unsigned	 others;	/* alternatives in hand */
	unsigned	 work;
	const char	*wrong;
};

static bool
regex_bad(struct regex_reader *x, const char *wrong)
{
	if (x->wrong == NULL)
		x->wrong = wrong;
	return (false);
}

static bool
regex_at(const struct regex_reader *x, char c)
{
	return (x->in.n != 0 && x->in.p[0] == (uint8_t)c);
}

static bool
regex_take(struct regex_reader *x, char c)
{
	if (!regex_at(x, c))
		return (false);
	x->in = slice_from(x->in, 1);
	return (true);
}

static bool
regex_emit(struct regex_reader *x, enum regex_op op, uint32_t a, uint32_t b)
{
	if (x->r->n == STEPS_MAX || ++x->work > WORK_MAX)
		return (regex_bad(x, "the pattern is too large"));
	x->r->steps[x->r->n++] = (struct regex_step){ .op = op, .x = a, .y = b };
	return (true);
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

/* Behind the backslash: a character. */
static bool
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

/* A set like \d is next, behind a backslash; taken. */
static bool
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

/* Behind the bracket. */
static bool
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

static bool regex_either(struct regex_reader *);

static bool
regex_group(struct regex_reader *x)
{
	if (regex_take(x, '?') && !regex_take(x, ':'))
		return (regex_bad(x, "the pattern has a group of a kind that "
		    "is not known here: (? but no (?:"));
	if (x->depth == DEPTH_MAX)
		return (regex_bad(x, "the pattern has more than 16 groups in "
		    "each other"));
	x->depth++;
	if (!regex_either(x))
		return (false);
	x->depth--;
	return (regex_take(x, ')') ||
	    regex_bad(x, "the pattern has a ( without )"));
}

static bool
regex_set(struct regex_reader *x, int known)
{
	uint32_t from = x->r->nranges;

	return (regex_known(x, known) && regex_emit(x, REGEX_CLASS, from,
	    x->r->nranges - from));
}

static bool
regex_atom(struct regex_reader *x)
{
	uint32_t c;
	int known;

	if (++x->work > WORK_MAX)
		return (regex_bad(x, "the pattern is too large"));
	if (regex_takes_known(x, &known))
		return (regex_set(x, known));
	c = regex_char(&x->in);
	switch (c) {
	case '(':
		return (regex_group(x));
	case '[':
		return (regex_class(x));
	case '.':
		return (regex_emit(x, REGEX_ANY, 0, 0));
	case '^':
		return (regex_emit(x, REGEX_BEGIN, 0, 0));
	case '$':
		return (regex_emit(x, REGEX_END, 0, 0));
	case '*':
	case '+':
	case '?':
	case '{':
		return (regex_bad(x, "the pattern repeats nothing"));
	case '}':
	case ']':
		return (regex_bad(x, "the pattern has a } or ] of its own: put "
		    "a backslash before it"));
	case '\\':
		if (!regex_escape(x, &c))
			return (false);
		break;
	}
	return (regex_emit(x, REGEX_CHAR, c, 0));
}

struct regex_times {
	unsigned	 min, max;	/* max 0: any number */
};

static bool
regex_number(struct regex_reader *x, unsigned *n)
{
	bool any = false;

	for (*n = 0; x->in.n != 0 && ascii_digit(x->in.p[0]); any = true) {
		*n = *n * 10 + (x->in.p[0] - '0');
		x->in = slice_from(x->in, 1);
		if (*n > REPEAT_MAX)
			return (regex_bad(x, "the pattern repeats more than "
			    "1000 times"));
	}
	return (any || regex_bad(x, "the pattern has a { without a number"));
}

/* {n} {n,} {n,m}, behind the brace. */
static bool
regex_braces(struct regex_reader *x, struct regex_times *t, bool *none)
{
	if (!regex_number(x, &t->min))
		return (false);
	t->max = t->min;
	*none = false;
	if (regex_take(x, ',')) {
		t->max = 0;
		if (!regex_at(x, '}')) {
			if (!regex_number(x, &t->max))
				return (false);
			*none = t->max == 0;
		}
	} else
		*none = t->min == 0;
	if (!regex_take(x, '}'))
		return (regex_bad(x, "the pattern has a { without }"));
	return ((t->max == 0 || t->max >= t->min) || regex_bad(x,
	    "the pattern repeats fewer times at most than at least"));
}

/* How often what stands before it is there; *is: something says so. */
static bool
regex_repeat(struct regex_reader *x, struct regex_times *t, bool *is,
    bool *none)
{
	*is = true;
	*none = false;
	if (regex_take(x, '*'))
		*t = (struct regex_times){ 0, 0 };
	else if (regex_take(x, '+'))
		*t = (struct regex_times){ 1, 0 };
	else if (regex_take(x, '?'))
		*t = (struct regex_times){ 0, 1 };
	else if (regex_take(x, '{')) {
		if (!regex_braces(x, t, none))
			return (false);
	} else
		*is = false;
	if (*is)
		(void)regex_take(x, '?');	/* as few as may be: whether it
						 * matches is the same */
	return (true);
}

static bool
regex_again(struct regex_reader *x, struct slice atom)
{
	x->in = atom;
	return (regex_atom(x));
}

/* Once more, or not. */
static bool
regex_maybe(struct regex_reader *x, struct slice atom, bool loop)
{
	uint32_t at = x->r->n;

	if (!regex_emit(x, REGEX_SPLIT, at + 1, 0) || !regex_again(x, atom) ||
	    (loop && !regex_emit(x, REGEX_JUMP, at, 0)))
		return (false);
	x->r->steps[at].y = x->r->n;
	return (true);
}

static bool
regex_piece(struct regex_reader *x)
{
	struct slice atom = x->in, rest;
	uint32_t at = x->r->n, ranges = x->r->nranges;
	struct regex_times t;
	bool is, none;
	unsigned i;

	if (!regex_atom(x) || !regex_repeat(x, &t, &is, &none))
		return (false);
	if (!is)
		return (true);
	rest = x->in;
	x->r->n = at;
	x->r->nranges = ranges;
	for (i = 0; i < t.min; i++)
		if (!regex_again(x, atom))
			return (false);
	if (t.max == 0 && !none && !regex_maybe(x, atom, true))
		return (false);
	for (i = t.min; i < t.max; i++)
		if (!regex_maybe(x, atom, false))
			return (false);
	x->in = rest;
	return (true);
}

static bool
regex_pieces(struct regex_reader *x)
{
	while (x->in.n != 0 && !regex_at(x, '|') && !regex_at(x, ')'))
		if (!regex_piece(x))
			return (false);
	return (true);
}

/* a|b|c */
static bool
regex_either(struct regex_reader *x)
{
	struct slice first = x->in;
	uint32_t at = x->r->n, ranges = x->r->nranges, jump;

	if (!regex_pieces(x))
		return (false);
	if (!regex_at(x, '|'))
		return (true);
	x->in = first;
	x->r->n = at;
	x->r->nranges = ranges;
	if (!regex_emit(x, REGEX_SPLIT, at + 1, 0) || !regex_pieces(x))
		return (false);
	jump = x->r->n;
	if (!regex_emit(x, REGEX_JUMP, 0, 0))
		return (false);
	x->r->steps[at].y = x->r->n;
	(void)regex_take(x, '|');
	if (x->others++ == OTHERS_MAX)
		return (regex_bad(x, "the pattern is too large"));
	if (!regex_either(x))
		return (false);
	x->others--;
	x->r->steps[jump].x = x->r->n;
	return (true);
}

/* No larger than it is. */
static void
regex_fit(struct conf_regex *r)
{
	struct regex_step *steps = conf_calloc(r->n, sizeof *steps);
	struct regex_range *ranges = conf_calloc(r->nranges + 1,
	    sizeof *ranges);

	memcpy(steps, r->steps, r->n * sizeof *steps);
	memcpy(ranges, r->ranges, r->nranges * sizeof *ranges);
	free(r->steps);
	free(r->ranges);
	r->steps = steps;
	r->ranges = ranges;
}

struct conf_regex *
conf_regex_new(const char *text, const char **wrong)
{
	struct conf_regex *r = conf_calloc(1, sizeof *r);
	struct regex_reader x = { .r = r, .in = slice_str(text) };

	r->steps = conf_calloc(STEPS_MAX, sizeof *r->steps);
	r->ranges = conf_calloc(RANGES_MAX, sizeof *r->ranges);
	if (regex_either(&x) && x.in.n != 0)
		(void)regex_bad(&x, "the pattern has a ) without (");
	if (x.wrong == NULL)
		(void)regex_emit(&x, REGEX_MATCH, 0, 0);
	*wrong = x.wrong;
	if (x.wrong != NULL)
		conf_regex_free(&r);
	else
		regex_fit(r);
	return (r);
}

void
conf_regex_free(struct conf_regex **rp)
{
	struct conf_regex *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	free(r->steps);
	free(r->ranges);
	free(r);
}

/* --- matching ------------------------------------------------------------- */

/* The places in the program where it is, each once. */
struct regex_places {
	uint16_t	 v[STEPS_MAX];
	uint32_t	 n;
};

struct regex_run {
	const struct conf_regex *r;
	struct regex_places now, then;
	uint32_t	 seen[STEPS_MAX];	/* at the character of this number */
	uint32_t	 turn;
	uint16_t	 todo[STEPS_MAX * 2 + 2];
	bool		 begin, end;
	bool		 matched;
};

/* There, and wherever one gets from there without a character. */
static void
regex_add(struct regex_run *u, struct regex_places *to, uint32_t at)
{
	const struct regex_step *s;
	uint32_t n = 0;

	u->todo[n++] = (uint16_t)at;
	while (n != 0) {
		at = u->todo[--n];
		if (u->seen[at] == u->turn)
			continue;
		u->seen[at] = u->turn;
		s = &u->r->steps[at];
		switch (s->op) {
		case REGEX_SPLIT:
			u->todo[n++] = (uint16_t)s->y;
			/* FALLTHROUGH */
		case REGEX_JUMP:
			u->todo[n++] = (uint16_t)s->x;
			break;
		case REGEX_BEGIN:
		case REGEX_END:
			if (s->op == REGEX_BEGIN ? u->begin : u->end)
				u->todo[n++] = (uint16_t)(at + 1);
			break;
		case REGEX_MATCH:
			u->matched = true;
			break;
		case REGEX_CHAR:
		case REGEX_ANY:
		case REGEX_CLASS:
			to->v[to->n++] = (uint16_t)at;
			break;
		}
	}
}

static bool
regex_has(const struct conf_regex *r, const struct regex_step *s, uint32_t c)
{
	const struct regex_range *range = &r->ranges[s->x];
	uint32_t i;

	switch (s->op) {
	case REGEX_CHAR:
		return (s->x == c);
	case REGEX_ANY:
		return (c != '\n' && c != '\r' && c != 0x2028 && c != 0x2029);
	case REGEX_CLASS:
		for (i = 0; i < s->y; i++)
			if (c >= range[i].low && c <= range[i].high)
				return (!s->negated);
		return (s->negated);
	case REGEX_SPLIT:
	case REGEX_JUMP:
	case REGEX_BEGIN:
	case REGEX_END:
	case REGEX_MATCH:
		break;
	}
	return (false);
}

bool
conf_regex_match(const struct conf_regex *r, struct slice text, uint64_t *work)
{
	static struct regex_run u;	/* 16 KiB; one at a time */
	struct regex_places *now = &u.now, *then = &u.then, *swap;
	uint32_t c, i;

	if (text.n > CONF_REGEX_BYTES)
		return (false);
	memset(u.seen, 0, sizeof u.seen[0] * r->n);
	u.r = r;
	u.turn = 1;
	u.matched = false;
	u.begin = true;
	u.end = text.n == 0;
	now->n = 0;
	regex_add(&u, now, 0);
	while (!u.matched && text.n != 0) {
		c = regex_char(&text);
		u.turn++;
		u.begin = false;
		u.end = text.n == 0;
		then->n = 0;
		*work += now->n + 1;
		for (i = 0; i < now->n; i++)
			if (regex_has(r, &r->steps[now->v[i]], c))
				regex_add(&u, then, now->v[i] + 1u);
		regex_add(&u, then, 0);		/* it may begin anywhere */
		swap = now;
		now = then;
		then = swap;
	}
	return (u.matched);
}
