/*
 * A bit for each of the last numbers of each sender; see seen.h.
 */
#include "relay/bridge/seen.h"

#include <stdlib.h>
#include <string.h>

struct seen_node {
	uint64_t	 node;
	uint64_t	 epoch;		/* the latest */
	uint64_t	 top;		/* the largest number of its relay */
	uint64_t	 used;		/* counts looks: who was silent longest */
	uint64_t	 relay;		/* of which passed and cut are; its upper
					 * half of the epoch */
	uint64_t	 passed;	/* the largest that was; 0: none */
	uint64_t	 cut;		/* no older one is new */
	uint64_t	 bits[SEEN_WINDOW / 64];	/* by number % window */
};

struct seen {
	unsigned	 magic;
#define SEEN_MAGIC	0x5ee25ee2
	size_t		 n;
	size_t		 last;		/* who spoke last: the next, often */
	uint64_t	 looks;
	struct seen_node nodes[SEEN_NODES];
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
static struct seen_node *
seen_node(struct seen *s, uint64_t node)
{
	size_t i, oldest = 0;

	for (i = 0; i < s->n; i++) {
		if (s->nodes[i].node == node)
			return (&s->nodes[s->last = i]);
		if (s->nodes[i].used < s->nodes[oldest].used)
			oldest = i;
	}
	s->last = s->n < SEEN_NODES ? s->n++ : oldest;
	memset(&s->nodes[s->last], 0, sizeof s->nodes[s->last]);
	s->nodes[s->last].node = node;
	return (&s->nodes[s->last]);
}

static bool
seen_mark(struct seen_node *r, uint64_t number)
{
	uint64_t *word = &r->bits[number % SEEN_WINDOW / 64];
	uint64_t bit = UINT64_C(1) << number % 64;
	bool had = (*word & bit) != 0;

	*word |= bit;
	return (had);
}

/* Room for the numbers up to this one. */
static void
seen_advance(struct seen_node *r, uint64_t number)
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

/* false: it is over. */
static bool
seen_enter(struct seen_node *r, uint64_t epoch)
{
	if (epoch < r->epoch)
		return (false);
	if (epoch >> 32 != r->epoch >> 32) {
		memset(r->bits, 0, sizeof r->bits);
		r->top = 0;
	}
	r->epoch = epoch;
	return (true);
}

enum seen_result
seen_look(struct seen *s, uint64_t node, uint64_t epoch, uint64_t number)
{
	struct seen_node *r;

	CHECK_MAGIC(s, SEEN_MAGIC);
	r = s->n > 0 && s->nodes[s->last].node == node ? &s->nodes[s->last] :
	    seen_node(s, node);
	r->used = ++s->looks;
	if (!seen_enter(r, epoch))
		return (SEEN_STALE);
	if (number == 0)
		return (SEEN_NEW);
	if (number > r->top)
		seen_advance(r, number);
	else if (r->top - number >= SEEN_WINDOW)
		return (SEEN_LATE);
	if (seen_mark(r, number))
		return (SEEN_AGAIN);
	return (number <= r->cut && r->relay == epoch >> 32 ? SEEN_STALE :
	    SEEN_NEW);
}

/* --- two links ------------------------------------------------------------*/

void
seen_pass(struct seen *s, uint64_t node, uint64_t epoch, uint64_t number)
{
	struct seen_node *r = seen_node(s, node);

	CHECK_MAGIC(s, SEEN_MAGIC);
	r->used = ++s->looks;
	if (epoch >> 32 > r->relay) {
		r->relay = epoch >> 32;
		r->passed = r->cut = 0;
	}
	if (epoch >> 32 == r->relay && number > r->passed)
		r->passed = number;
}

bool
seen_is_level(const struct seen *s)
{
	const struct seen_node *r;
	size_t i;

	CHECK_MAGIC(s, SEEN_MAGIC);
	for (i = 0; i < s->n; i++) {
		r = &s->nodes[i];
		if (r->passed != 0 && r->epoch != 0 &&
		    (r->epoch >> 32 < r->relay ||
		    (r->epoch >> 32 == r->relay && r->top < r->passed)))
			return (false);
	}
	return (true);
}

void
seen_cut(struct seen *s)
{
	size_t i;

	CHECK_MAGIC(s, SEEN_MAGIC);
	for (i = 0; i < s->n; i++) {
		if (s->nodes[i].passed > s->nodes[i].cut)
			s->nodes[i].cut = s->nodes[i].passed;
		s->nodes[i].passed = 0;
	}
}

void
seen_forget(struct seen *s)
{
	size_t i;

	CHECK_MAGIC(s, SEEN_MAGIC);
	for (i = 0; i < s->n; i++)
		s->nodes[i].passed = 0;
}

bool
seen_is_ahead(struct seen *s, uint64_t node, uint64_t epoch)
{
	const struct seen_node *r = seen_node(s, node);

	CHECK_MAGIC(s, SEEN_MAGIC);
	return (r->epoch != 0 && r->epoch < epoch);
}
