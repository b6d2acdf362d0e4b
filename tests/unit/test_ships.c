/* Memberships of sessions that have few, and of those that have many. */
#include "hub/audience/ships.h"

#include <stdlib.h>

#include "check.h"
#include "hub/session/session.h"

#define SESSIONS	6
#define ROOMS		3000u

/* The index looks at addresses of rooms only. */
static char rooms[ROOMS];

struct world {
	struct ship_index x;
	struct session	 s[SESSIONS];
	struct membership *in[SESSIONS][ROOMS];
	uint32_t	 n[SESSIONS];
	unsigned	 rnd;
};

static unsigned
below(struct world *w, unsigned n)
{
	w->rnd = w->rnd * 1103515245 + 12345;
	return ((w->rnd >> 8) % n);
}

static void
join(struct world *w, unsigned s, unsigned r)
{
	struct membership *m = calloc(1, sizeof *m);

	assert_non_null(m);
	m->session = &w->s[s];
	m->room = (struct room *)(void *)&rooms[r];
	ships_push(&w->x, &w->s[s], m);
	w->s[s].nrooms++;
	w->in[s][r] = m;
	w->n[s]++;
}

static void
leave(struct world *w, unsigned s, unsigned r)
{
	ships_unlink(&w->x, &w->s[s], w->in[s][r]);
	w->s[s].nrooms--;
	free(w->in[s][r]);
	w->in[s][r] = NULL;
	w->n[s]--;
}

/* The list has each of them once; the index agrees, and its runs are short. */
static void
check(struct world *w)
{
	const struct membership *m;
	size_t i, run = 0, used = 0;
	unsigned s;
	uint32_t n;

	for (s = 0; s < SESSIONS; s++) {
		n = 0;
		for (m = w->s[s].memberships; m != NULL; m = m->next, n++)
			assert_ptr_equal(w->in[s][(const char *)m->room -
			    rooms], m);
		assert_int_equal(n, w->n[s]);
		if (w->s[s].many)
			used += n;
		else
			assert_true(n <= SHIPS_FEW);
	}
	assert_int_equal(used, w->x.used);
	assert_true(w->x.used * 2 <= w->x.n);
	for (i = 0; i < w->x.n; i++) {
		run = w->x.v[i].ship == NULL ? 0 : run + 1;
		assert_true(run < 128);
	}
}

static void
found(struct world *w, unsigned s, unsigned r)
{
	if (w->s[s].many)
		assert_ptr_equal(ships_find(&w->x, &w->s[s],
		    (struct room *)(void *)&rooms[r]), w->in[s][r]);
}

static void
random_joins_and_leaves_agree_with_a_plain_model(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	unsigned i, s, r;

	(void)state;
	assert_non_null(w);
	for (i = 0; i < 200000; i++) {
		s = below(w, SESSIONS);
		r = below(w, s < 2 ? 20 : ROOMS);
		found(w, s, r);
		if (w->in[s][r] == NULL)
			join(w, s, r);
		else
			leave(w, s, r);
		found(w, s, r);
		if (i % 5000 == 0)
			check(w);
	}
	check(w);
	assert_true(w->s[5].many);
	for (s = 0; s < SESSIONS; s++) {
		for (r = 0; r < ROOMS; r++)
			if (w->in[s][r] != NULL)
				leave(w, s, r);
		assert_false(w->s[s].many);
		check(w);
	}
	assert_int_equal(w->x.used, 0);
	assert_true(w->x.n <= 256);	/* given back */
	ship_index_fini(&w->x);
	free(w);
}

static void
few_cost_nothing(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	unsigned r;

	(void)state;
	assert_non_null(w);
	for (r = 0; r < SHIPS_FEW; r++)
		join(w, 0, r);
	assert_false(w->s[0].many);
	assert_null(w->x.v);
	join(w, 0, r);
	assert_true(w->s[0].many);
	check(w);
	for (r = 0; r <= SHIPS_FEW; r++)
		leave(w, 0, r);
	ship_index_fini(&w->x);
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    random_joins_and_leaves_agree_with_a_plain_model),
		cmocka_unit_test(few_cost_nothing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
