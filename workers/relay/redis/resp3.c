/*
 * RESP3 in the types of RESP2; see resp3.h.  Both are flat: a type and a line,
 * and behind a length so many bytes.  What is within what is not of interest.
 */
#include "relay/redis/resp3.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/ascii.h"

struct resp3_out {
	bool		(*out)(void *arg, struct slice);
	void		*arg;
	const uint8_t	*from;		/* not given yet */
};

/* All up to here. */
static bool
resp3_give(struct resp3_out *o, const uint8_t *end)
{
	struct slice s = slice_of(o->from, (size_t)(end - o->from));

	o->from = end;
	return (s.n == 0 || o->out(o->arg, s));
}

/* These bytes in place of one. */
static bool
resp3_instead(struct resp3_out *o, const uint8_t *at, struct slice bytes)
{
	if (!resp3_give(o, at) || !o->out(o->arg, bytes))
		return (false);
	o->from = at + 1;
	return (true);
}

static bool
resp3_type(struct resp3 *r, struct resp3_out *o, const uint8_t *at)
{
	r->type = (char)*at;
	r->cr = false;
	r->n = 0;
	r->state = RESP3_LINE;
	switch (*at) {
	case '+':
	case '-':
	case ':':
	case '*':
		return (true);
	case '>':		/* push, set */
	case '~':
		return (resp3_instead(o, at, SLICE("*")));
	case ',':		/* double, big number */
	case '(':
		return (resp3_instead(o, at, SLICE("+")));
	case '$':
		r->state = RESP3_NUMBER_OF;
		return (true);
	case '=':		/* text with its format in front */
		r->state = RESP3_NUMBER_OF;
		return (resp3_instead(o, at, SLICE("$")));
	case '%':		/* map, null, boolean: nothing of it is given
				 * before its line is here */
	case '_':
	case '#':
		r->state = RESP3_NUMBER_OF;
		return (resp3_give(o, at));
	default:
		r->state = RESP3_NONSENSE;
		return (true);
	}
}

static bool
resp3_value(const struct resp3 *r, uint64_t *value)
{
	unsigned i;

	*value = 0;
	for (i = 0; i < r->n; i++) {
		if (!ascii_digit((uint8_t)r->line[i]))
			return (false);
		*value = *value * 10 + (unsigned)(r->line[i] - '0');
	}
	/* so few digits do not overflow twice that much */
	return (r->n > 0 && r->n < RESP3_NUMBER - 1);
}

/* The line, without its end, is here. */
static bool
resp3_number(struct resp3 *r, struct resp3_out *o, const uint8_t *behind)
{
	char text[RESP3_NUMBER + 8];
	uint64_t value;
	bool is = resp3_value(r, &value);

	r->state = RESP3_TYPE;
	if (r->type == '$' || r->type == '=') {
		if (is) {
			r->state = RESP3_BODY;
			r->skip = value + 2;
		}
		return (true);
	}
	o->from = behind;
	if (r->type == '%' && is)
		(void)snprintf(text, sizeof text, "*%" PRIu64 "\r\n",
		    2 * value);
	else if (r->type == '_' && r->n == 0)
		(void)snprintf(text, sizeof text, "$-1\r\n");
	else if (r->type == '#' && r->n == 1)
		(void)snprintf(text, sizeof text, ":%d\r\n",
		    r->line[0] == 't');
	else
		(void)snprintf(text, sizeof text, "%c%.*s\r\n", r->type,
		    (int)r->n, r->line);
	return (o->out(o->arg, slice_str(text)));
}

/* A line that has no end where a number would have one. */
static bool
resp3_too_long(struct resp3 *r, struct resp3_out *o, const uint8_t *at)
{
	bool held = r->type == '%' || r->type == '_' || r->type == '#';

	r->state = RESP3_NONSENSE;
	if (!held)
		return (true);
	o->from = at;
	return (o->out(o->arg, slice_of(&r->type, 1)) &&
	    (r->n == 0 || o->out(o->arg, slice_of(r->line, r->n))));
}

static bool
resp3_byte(struct resp3 *r, struct resp3_out *o, const uint8_t *at)
{
	bool cr = r->cr;

	switch (r->state) {
	case RESP3_TYPE:
		return (resp3_type(r, o, at));
	case RESP3_NUMBER_OF:
		r->cr = *at == '\r';
		if (cr && *at == '\n') {
			r->n--;		/* the CR */
			return (resp3_number(r, o, at + 1));
		}
		if (r->n == RESP3_NUMBER)
			return (resp3_too_long(r, o, at));
		r->line[r->n++] = (char)*at;
		return (true);
	case RESP3_LINE:
	case RESP3_BODY:
	case RESP3_NONSENSE:
		break;
	}
	return (true);
}

/* The usual head of a text, "$12\r\n", if it is all here: behind it; or NULL,
 * and nothing has been done. */
static const uint8_t *
resp3_text(struct resp3 *r, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *digits = ++p;
	uint64_t n = 0;

	for (; p < end && ascii_digit(*p) && p - digits < RESP3_NUMBER - 2; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (p == digits || end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return (NULL);
	r->type = '$';
	r->state = RESP3_BODY;
	r->skip = n + 2;
	return (p + 2);
}

/* Up to the end of the line, or of what there is. */
static const uint8_t *
resp3_line(struct resp3 *r, const uint8_t *p, const uint8_t *end)
{
	bool cr = r->cr;

	while (p < end) {
		if (cr && *p == '\n') {
			r->state = RESP3_TYPE;
			return (p + 1);
		}
		cr = *p++ == '\r';
	}
	r->cr = cr;
	return (p);
}

bool
resp3_feed(struct resp3 *r, struct slice in,
    bool (*out)(void *arg, struct slice), void *arg)
{
	struct resp3_out o = { out, arg, in.p };
	const uint8_t *p = in.p, *end = in.p + in.n, *behind;
	size_t n;

	while (p < end && r->state != RESP3_NONSENSE) {
		if (r->state == RESP3_LINE) {
			p = resp3_line(r, p, end);
			continue;
		}
		if (r->state == RESP3_TYPE && *p == '$' &&
		    (behind = resp3_text(r, p, end)) != NULL) {
			p = behind;
			continue;
		}
		if (r->state != RESP3_BODY) {
			if (!resp3_byte(r, &o, p++))
				return (false);
			continue;
		}
		n = (size_t)(end - p);
		n = n < r->skip ? n : (size_t)r->skip;
		p += n;
		r->skip -= n;
		if (r->skip == 0)
			r->state = RESP3_TYPE;
	}
	/* of a line that is held back nothing has been given, nor is now */
	if (r->state == RESP3_NUMBER_OF && r->type != '$' && r->type != '=')
		return (true);
	return (resp3_give(&o, end));
}
