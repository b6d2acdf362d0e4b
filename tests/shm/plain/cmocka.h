/*
 * As much of cmocka as the tests of shm/ use, for machines that are emulated:
 * there is no library for them.  The first failure ends the program.
 */
#ifndef TESTS_SHM_PLAIN_CMOCKA_H
#define TESTS_SHM_PLAIN_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
	const char	*name;
	void		(*run)(void **);
	int		(*setup)(void **);
	int		(*teardown)(void **);
};

#define cmocka_unit_test(f) { #f, f, NULL, NULL }
#define cmocka_unit_test_setup_teardown(f, up, down) { #f, f, up, down }

_Noreturn static inline void
_fail(const char *file, int line)
{
	fprintf(stderr, "%s:%d: failed\n", file, line);
	exit(1);
}

#define assert_true(c) ((c) ? (void)0 : _fail(__FILE__, __LINE__))
#define assert_false(c) assert_true(!(c))
#define assert_null(p) assert_true((p) == NULL)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_int_not_equal(a, b) \
	assert_true((long long)(a) != (long long)(b))
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define assert_ptr_not_equal(a, b) assert_true((a) != (b))
#define assert_memory_equal(a, b, n) assert_true(memcmp((a), (b), (n)) == 0)
#define assert_string_not_equal(a, b) assert_true(strcmp((a), (b)) != 0)
#define _assert_string_equal(a, b, file, line) \
	(strcmp((a), (b)) == 0 ? (void)0 : _fail((file), (line)))

static inline int
plain_run(const struct CMUnitTest *t, size_t n, int (*setup)(void **),
    int (*teardown)(void **))
{
	void *all = NULL, *state;
	size_t i;

	if (setup != NULL && setup(&all) != 0)
		return (1);
	for (i = 0; i < n; i++) {
		state = all;
		if (t[i].setup != NULL && t[i].setup(&state) != 0)
			return (1);
		t[i].run(&state);
		if (t[i].teardown != NULL && t[i].teardown(&state) != 0)
			return (1);
	}
	if (teardown != NULL && teardown(&all) != 0)
		return (1);
	printf("%zu passed\n", n);
	return (0);
}

#define cmocka_run_group_tests(tests, setup, teardown) \
	plain_run((tests), sizeof (tests) / sizeof (tests)[0], (setup), \
	    (teardown))

#endif
