/*
 * A pattern becomes a program: by recursive descent, where what is repeated is
 * read again for each time.  See regex_int.h.
 */
#include "conf/schema/regex_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "conf/heap.h"

#define DEPTH_MAX	16	/* of groups */
#define OTHERS_MAX	256	/* alternatives, recursively */
#define WORK_MAX	65536	/* steps written, those that are read again too */
#define REPEAT_MAX	1000

bool
regex_bad(struct regex_reader *x, const char *wrong)
{
	if (x->wrong == NULL)
		x->wrong = wrong;
	return (false);
}

bool
regex_at(const struct regex_reader *x, char c)
{
	return (x->in.n != 0 && x->in.p[0] == (uint8_t)c);
}

bool
regex_take(struct regex_reader *x, char c)
{
	if (!regex_at(x, c))
		return (false);
	x->in = slice_from(x->in, 1);
	return (true);
}

bool
regex_emit(struct regex_reader *x, enum regex_op op, uint32_t a, uint32_t b)
{
	if (x->r->n == STEPS_MAX || ++x->work > WORK_MAX)
		return (regex_bad(x, "the pattern is too large"));
	x->r->steps[x->r->n++] = (struct regex_step){ .op = op, .x = a, .y = b };
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
