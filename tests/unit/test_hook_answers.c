/* Answers of hooks that hold: for whom, for what, how many. */
#include "relay/hooks/answers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "proto/bus.h"
#include "shm/counters.h"
#include "shm/segment.h"
#include "shm/table_revoked.h"
#include "tests/lib/check.h"

static struct conf_hook hooks[2] = {
	{ .cache_ms = 60000, .cache_bytes = 4000 },
	{ .cache_ms = 0, .cache_bytes = 4000 },
};
static const struct conf conf = { .hooks = hooks, .nhooks = 2 };
static const struct conf_namespace one = { .index = 0, .hook = &hooks[0] };
static const struct conf_namespace two = { .index = 1, .hook = &hooks[0] };
static const struct conf_namespace off = { .index = 2, .hook = &hooks[1] };
static const char forever[] = "{\"allow\":true,\"cache\":1000}";
static struct segment *seg;
static struct answers *a;
static struct bus_envelope e;

static int
setup(void **state)
{
	const struct segment_params p = { .max_workers = 4, .presence_max = 8,
		.interest_max = 8, .rate_ways = 8, .max_ns = 4,
		.revoked_max = 64 };

	(void)state;
	seg = segment_create(&p);
	assert_non_null(seg);
	a = answers_new(seg);
	assert_non_null(a);
	answers_conf(a, &conf);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	answers_free(&a);
	assert_null(a);
	segment_free(&seg);
	return (0);
}

static struct bus_publish *
asks(uint64_t kind, const char *user, const char *what)
{
	struct bus_publish *p = bus_forward(&e);

	p->kept = kind;
	p->epoch = SLICE("token");
	if (user != NULL)
		p->to.users[p->to.nusers++] = slice_str(user);
	p->event = SLICE("\"say\"");
	if (kind == FORWARD_ASKS_JOIN)
		p->to.rooms[p->to.nrooms++] = slice_str(what);
	else if (what != NULL)
		p->event = slice_str(what);
	return (p);
}

static bool
keep(const struct conf_namespace *ns, const struct bus_publish *p,
    const char *body)
{
	struct answers_place at = answers_place(a, ns->hook);
	struct slice key = answers_key(a, ns, p);

	if (key.n == 0)
		return (false);
	answers_keep(a, &at, key, slice_str(body));
	return (true);
}

static bool
holds(const struct conf_namespace *ns, const struct bus_publish *p)
{
	struct slice body;

	return (answers_find(a, answers_key(a, ns, p), p, &body));
}

static void
one_holds_for_the_same_question_alone(void **state)
{
	struct slice body;
	struct bus_publish *p;

	(void)state;
	assert_true(keep(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:1"), forever));
	p = asks(FORWARD_ASKS_JOIN, "ann", "r:1");
	assert_true(answers_find(a, answers_key(a, &one, p), p, &body));
	check_slices(body, slice_str(forever), __FILE__, __LINE__);
	assert_false(holds(&two, p));
	assert_false(holds(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:2")));
	assert_false(holds(&one, asks(FORWARD_ASKS_JOIN, "bob", "r:1")));
	assert_false(holds(&one, asks(FORWARD_ASKS_CONNECT, "ann", NULL)));
	p = asks(FORWARD_ASKS_JOIN, "ann", "r:1");
	p->epoch = SLICE("another");
	assert_false(holds(&one, p));
	assert_true(keep(&one, asks(FORWARD_ASKS, "ann", "\"say\""), forever));
	assert_true(holds(&one, asks(FORWARD_ASKS, "ann", "\"say\"")));
	assert_false(holds(&one, asks(FORWARD_ASKS, "ann", "\"sing\"")));
	/* parts of a key do not run into each other */
	p = asks(FORWARD_ASKS_JOIN, "an", "r:1");
	p->epoch = SLICE("ntoken");
	assert_false(holds(&one, p));
}

static void
what_is_none_or_does_not_say_is_not_kept(void **state)
{
	static const char *const texts[] = { "", "{\"allow\":true}",
		"{\"allow\":true,\"cache\":0}", "{\"allow\":1,\"cache\":9}",
		"{\"cache\":9}", "[", "{\"allow\":true,\"cache\":-1}",
		"{\"allow\":true,\"cache\":\"9\"}" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		(void)keep(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:1"),
		    texts[i]);
		if (holds(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:1")))
			fail_msg("%s", texts[i]);
	}
	assert_false(keep(&off, asks(FORWARD_ASKS_JOIN, "ann", "r:1"),
	    forever));
	assert_false(keep(&one, asks(FORWARD_ASKS_JOIN, NULL, "r:1"),
	    forever));
}

static void
the_oldest_make_room(void **state)
{
	char room[16];
	unsigned i, n = 0;

	(void)state;
	for (i = 0; i < 100; i++) {
		(void)snprintf(room, sizeof room, "r:%u", i);
		assert_true(keep(&one, asks(FORWARD_ASKS_JOIN, "ann", room),
		    forever));
	}
	for (i = 0; i < 100; i++) {
		(void)snprintf(room, sizeof room, "r:%u", i);
		if (holds(&one, asks(FORWARD_ASKS_JOIN, "ann", room)))
			n++;
		else
			assert_int_equal(n, 0);	/* all older ones have gone */
	}
	assert_in_range(n, 5, 60);
}

static void
none_outlives_its_configuration(void **state)
{
	struct answers_place at;
	struct slice key;
	struct bus_publish *p;

	(void)state;
	assert_true(keep(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:1"), forever));
	at = answers_place(a, one.hook);
	answers_conf(a, &conf);
	p = asks(FORWARD_ASKS_JOIN, "ann", "r:1");
	assert_false(holds(&one, p));
	/* nor does one that was asked for before */
	key = answers_key(a, &one, p);
	answers_keep(a, &at, key, slice_str(forever));
	assert_false(holds(&one, p));
}

static void
none_outlives_a_revocation_of_its_user(void **state)
{
	uint64_t now_s = wall_now().ms / 1000;
	struct revocation r = { .kind = REVOKED_USER, .name = SLICE("ann"),
		.moment = (uint32_t)now_s + 1,
		.until = (uint32_t)now_s + 1000 };

	(void)state;
	assert_true(keep(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:1"), forever));
	assert_true(keep(&one, asks(FORWARD_ASKS_JOIN, "bob", "r:1"), forever));
	assert_int_equal(revoked_put(seg, 0, &r, now_s), REVOKED_NEW);
	assert_false(holds(&one, asks(FORWARD_ASKS_JOIN, "ann", "r:1")));
	assert_true(holds(&one, asks(FORWARD_ASKS_JOIN, "bob", "r:1")));
}

static void
nor_of_whom_it_makes_him(void **state)
{
	uint64_t now_s = wall_now().ms / 1000;
	struct revocation r = { .kind = REVOKED_USER, .name = SLICE("b\"b"),
		.moment = (uint32_t)now_s + 1,
		.until = (uint32_t)now_s + 1000 };
	const struct bus_publish *p;

	(void)state;
	p = asks(FORWARD_ASKS_CONNECT, "ann", NULL);
	assert_true(keep(&one, p,
	    "{\"allow\":true,\"user\":\"b\\\"b\",\"cache\":1000}"));
	assert_true(holds(&one, p));
	assert_int_equal(revoked_put(seg, 0, &r, now_s), REVOKED_NEW);
	assert_false(holds(&one, p));
}

static void
one_is_of_when_it_was_asked_for(void **state)
{
	uint64_t now_s = wall_now().ms / 1000;
	struct revocation r = { .kind = REVOKED_USER, .name = SLICE("ann"),
		.moment = (uint32_t)now_s - 5,
		.until = (uint32_t)now_s + 1000 };
	const struct bus_publish *p = asks(FORWARD_ASKS_JOIN, "ann", "r:1");
	struct answers_place at = answers_place(a, one.hook);

	(void)state;
	assert_in_range(at.since_s, now_s, now_s + 2);
	assert_int_equal(revoked_put(seg, 0, &r, now_s), REVOKED_NEW);
	answers_keep(a, &at, answers_key(a, &one, p), slice_str(forever));
	assert_true(holds(&one, p));
	at.since_s -= 10;	/* and it took long */
	answers_keep(a, &at, answers_key(a, &one, p), slice_str(forever));
	assert_false(holds(&one, p));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    one_holds_for_the_same_question_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_none_or_does_not_say_is_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_make_room, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    none_outlives_its_configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    none_outlives_a_revocation_of_its_user, setup, teardown),
		cmocka_unit_test_setup_teardown(nor_of_whom_it_makes_him,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_is_of_when_it_was_asked_for, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
