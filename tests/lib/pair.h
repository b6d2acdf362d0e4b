/*
 * Two workers of one configuration, f with slot 1 and g with slot 2: what most
 * tests of the hub begin with.  A fixture begins with PAIR.
 */
#ifndef TESTS_LIB_PAIR_H
#define TESTS_LIB_PAIR_H

#include "check.h"
#include "fake_host.h"

#define PAIR				\
	struct fake_world *w;		\
	struct fake_host *f, *g

struct pair {
	PAIR;
};

/* A fixture of that size, all but its pair zero. */
static inline void *
pair_new(size_t size, const char *conf)
{
	struct pair *x = calloc(1, size);

	assert_non_null(x);
	x->w = fake_world_new(conf);
	x->f = fake_host_new(x->w, 1);
	x->g = fake_host_new(x->w, 2);
	return (x);
}

/* A teardown. */
static inline int
pair_free(void **state)
{
	struct pair *x = *state;

	fake_world_free(&x->w);
	free(x);
	return (0);
}

#endif
