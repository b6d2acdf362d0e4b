/* The set of gaps: what is noted, joined, widened and told. */
#include "gaps/gaps.h"

#include <errno.h>
#include <stdio.h>

#include "conf/conf.h"
#include "proto/bus.h"
#include "shm/counters.h"
#include "tests/lib/check.h"
#include "tests/lib/refuse.h"

static char name_a[] = "/a", name_b[] = "/b";
static struct conf_namespace spaces[] = {
	{ .name = name_a, .name_len = 2 }, { .name = name_b, .name_len = 2 },
};
static struct conf conf = { .namespaces = spaces, .nnamespaces = 2 };
static struct gaps g;

static int
set_up(void **state)
{
	(void)state;
	gaps_init(&g, &conf);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)refuse_end();
	gaps_fini(&g);
	return (0);
}

/* The next is this event, to nobody but these. */
static void
assert_next(const char *nsp, const char *args, size_t rooms, size_t users,
    size_t sids)
{
	static struct bus_envelope e;
	const struct gap *p = gaps_first(&g);
	struct buf words;

	buf_init(&words);
	assert_non_null(p);
	assert_true(gaps_publication(p, &words, &e));
	assert_int_equal(e.kind, BUS_PUBLISH);
	assert_int_equal(e.flags, BUS_NAMED);
	assert_text(e.publish.nsp, nsp);
	assert_slice(e.publish.event, "\"roost:gap\"");
	assert_text(e.publish.args, args);
	assert_int_equal(e.publish.to.nrooms, rooms);
	assert_int_equal(e.publish.to.nusers, users);
	assert_int_equal(e.publish.to.nsids, sids);
	assert_int_equal(e.publish.to.nexcept, 0);
	gaps_drop_first(&g);
	buf_fini(&words);
}

static struct bus_audience
room(const char *name)
{
	struct bus_audience to = { .nrooms = 1 };

	to.rooms[0] = slice_str(name);
	return (to);
}

static void
each_audience_is_told_once_with_its_times(void **state)
{
	struct bus_audience to = room("r\"1"), all = { .nusers = 1,
		.nsids = 1, .nexcept = 1 };

	(void)state;
	assert_null(gaps_first(&g));
	gaps_note(&g, SLICE("/a"), &to, 50, 60);
	all.users[0] = SLICE("u");
	all.sids[0] = SLICE("s");
	gaps_note(&g, SLICE("/a"), &all, 55, 55);
	gaps_note(&g, SLICE("/a"), &to, 40, 45);
	gaps_note(&g, SLICE("/b"), &to, 70, 71);
	gaps_note(&g, SLICE("/b"), NULL, 80, 90);
	assert_next("/a", "{\"room\":\"r\\\"1\",\"from\":40,\"to\":60}", 1, 0,
	    0);
	assert_next("/a", "{\"user\":\"u\",\"from\":55,\"to\":55}", 0, 1, 0);
	assert_next("/a", "{\"from\":55,\"to\":55}", 0, 0, 1);
	assert_next("/b", "{\"room\":\"r\\\"1\",\"from\":70,\"to\":71}", 1, 0,
	    0);
	assert_next("/b", "{\"from\":80,\"to\":90}", 0, 0, 0);
	assert_null(gaps_first(&g));
	gaps_note(&g, SLICE("/a"), &to, 1, 2);	/* told, and noted again */
	assert_next("/a", "{\"room\":\"r\\\"1\",\"from\":1,\"to\":2}", 1, 0, 0);
}

static void
too_many_names_are_their_namespace(void **state)
{
	struct bus_audience to;
	char name[16];
	unsigned i;

	(void)state;
	for (i = 0; i < GAPS_MAX + 10; i++) {
		(void)snprintf(name, sizeof name, "r%u", i);
		to = room(name);
		gaps_note(&g, SLICE("/a"), &to, 100 + i, 100 + i);
	}
	assert_int_equal(counter_get(COUNTER_gaps_wide), 10);
	for (i = 0; i < GAPS_MAX; i++)
		gaps_drop_first(&g);
	assert_next("/a", "{\"from\":1124,\"to\":1133}", 0, 0, 0);
	assert_null(gaps_first(&g));
}

static void
without_memory_all_namespaces_are_told(void **state)
{
	struct bus_audience to = room("r");

	(void)state;
	refuse("memory", 1, 1, ENOMEM);
	gaps_note(&g, SLICE("/a"), &to, 5, 6);
	assert_int_equal(refuse_end(), 1);
	assert_next("/a", "{\"from\":5,\"to\":6}", 0, 0, 0);
	assert_next("/b", "{\"from\":5,\"to\":6}", 0, 0, 0);
	assert_null(gaps_first(&g));
}

static void
what_may_be_dropped_is_no_gap(void **state)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);

	(void)state;
	p->nsp = SLICE("/a");
	e.flags = BUS_VOLATILE;
	gaps_note_lost(&g, &e, 1);
	e.flags = BUS_WATCHERS;
	gaps_note_lost(&g, &e, 1);
	bus_count(&e, 1);
	gaps_note_lost(&g, &e, 1);
	assert_null(gaps_first(&g));
	p = bus_publish(&e);
	p->nsp = SLICE("/a");
	gaps_note_lost(&g, &e, 7);
	assert_next("/a", "{\"from\":7,\"to\":7}", 0, 0, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_audience_is_told_once_with_its_times),
		TEST(too_many_names_are_their_namespace),
		TEST(without_memory_all_namespaces_are_told),
		TEST(what_may_be_dropped_is_no_gap),
	};
#undef TEST

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
