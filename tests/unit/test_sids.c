/* Sessions over polling, by sid: found until removed, while the table grows. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/check.h"
#include "worker/engineio/polling_int.h"

#define MANY		1000	/* the table grows several times */

static void
named(struct poller *p, unsigned i)
{
	memset(p, 0, sizeof *p);
	(void)snprintf(p->sid, sizeof p->sid, "%020u", i);
}

static void
count(struct poller *p, void *arg)
{
	(void)p;
	++*(unsigned *)arg;
}

static void
a_session_is_found_until_it_is_removed(void **state)
{
	const struct hash_key key = { 1, 2 };
	struct poller *all = calloc(MANY, sizeof *all);
	struct sids t;
	unsigned i, n = 0;

	(void)state;
	assert_non_null(all);
	sids_init(&t, key);
	assert_null(sids_find(&t, "000000000000000000000000"));
	for (i = 0; i < MANY; i++) {
		named(&all[i], i);
		sids_insert(&t, &all[i]);
	}
	assert_int_equal(t.table.count, MANY);
	sids_each(&t, count, &n);
	assert_int_equal(n, MANY);
	for (i = 0; i < MANY; i++)
		assert_ptr_equal(sids_find(&t, all[i].sid), &all[i]);
	for (i = 0; i < MANY; i += 2)
		sids_remove(&t, &all[i]);
	for (i = 0; i < MANY; i++)
		assert_ptr_equal(sids_find(&t, all[i].sid),
		    i % 2 == 0 ? NULL : &all[i]);
	for (i = 1; i < MANY; i += 2) {
		sids_remove(&t, &all[i]);
		/* it gets smaller again, and is right all the time */
		assert_true(i + 2 >= MANY ||
		    sids_find(&t, all[i + 2].sid) == &all[i + 2]);
	}
	assert_int_equal(t.table.count, 0);
	sids_fini(&t);
	free(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_session_is_found_until_it_is_removed),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
