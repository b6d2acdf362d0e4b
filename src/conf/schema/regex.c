/*
 * A text is followed through a program: the set of all places in it at once
 * (K. Thompson, 1968).  See regex.h.
 */
#include "conf/schema/regex_int.h"

#include <stdlib.h>
#include <string.h>

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
