/*
 * A bit for each of the last numbers of each sender; see seen.h.
 */
#include "relay/bridge/seen.h"

#include <stdlib.h>
#include <string.h>

struct seen_relay {
	uint64_t	 relay;
	uint64_t	 top;		/* the largest number so far */
	uint64_t	 used;		/* counts looks: who was silent longest */
	uint64_t	 bits[SEEN_WINDOW / 64];	/* by number % window */
};

struct seen {
	unsigned	 magic;
#define SEEN_MAGIC	0x5ee25ee2
	size_t		 n;
	uint64_t	 looks;
	struct seen_relay relays[SEEN_RELAYS];
};

struct seen *
seen_new(void)
{
	struct seen *s = calloc(1, sizeof *s);

	if (s != NULL)
		s->magic = SEEN_MAGIC;
	return (s);
}

void
seen_free(struct seen **sp)
{
	struct seen *s = *sp;

	if (s == NULL)
		return;
	CHECK_MAGIC(s, SEEN_MAGIC);
	*sp = NULL;
	s->magic = 0;
	free(s);
}

/* Its place, or that of the one that was silent longest. */
static struct seen_relay *
seen_relay(struct seen *s, uint64_t relay)
{
	struct seen_relay *r, *oldest = &s->relays[0];
	size_t i;

	for (i = 0; i < s->n; i++) {
		r = &s->relays[i];
		if (r->relay == relay)
			return (r);
		if (r->used < oldest->used)
			oldest = r;
	}
	r = s->n < SEEN_RELAYS ? &s->relays[s->n++] : oldest;
	memset(r, 0, sizeof *r);
	r->relay = relay;
	return (r);
}

static bool
seen_mark(struct seen_relay *r, uint64_t number)
{
	uint64_t *word = &r->bits[number % SEEN_WINDOW / 64];
	uint64_t bit = UINT64_C(1) << number % 64;
	bool had = (*word & bit) != 0;

	*word |= bit;
	return (had);
}

/* Room for the numbers up to this one. */
static void
seen_advance(struct seen_relay *r, uint64_t number)
{
	uint64_t n;

	if (number - r->top >= SEEN_WINDOW)
		memset(r->bits, 0, sizeof r->bits);
	else
		for (n = r->top + 1; n <= number; n++)
			r->bits[n % SEEN_WINDOW / 64] &=
			    ~(UINT64_C(1) << n % 64);
	r->top = number;
}

enum seen_result
seen_look(struct seen *s, uint64_t relay, uint64_t number)
{
	struct seen_relay *r;

	CHECK_MAGIC(s, SEEN_MAGIC);
	r = seen_relay(s, relay);
	r->used = ++s->looks;
	if (number > r->top)
		seen_advance(r, number);
	else if (r->top - number >= SEEN_WINDOW)
		return (SEEN_LATE);
	return (seen_mark(r, number) ? SEEN_AGAIN : SEEN_NEW);
}
