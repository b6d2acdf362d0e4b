/*
 * What a worker could not pass on is told to those elsewhere, and what a relay
 * took along to those here.
 */
#include "pair.h"
#include "hub/hub_int.h"

#define CONF \
	"namespace \"/n\" { auth = none\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off }\n" \
	"  event \"v\" { to = room:room meta = off volatile = true } }\n" \
	"namespace \"/\" { auth = none }\n" \
	"route \"/bare\" { namespace = \"/n\" join = \"r\" format = bare }\n"

struct fixture {
	PAIR;
	struct fake_conn *a, *b, *c;	/* on f; on g in r; on g in q */
};

static int
setup(void **state)
{
	struct fixture *x = *state = pair_new(sizeof(struct fixture), CONF);

	x->a = fake_enter(x->f, "/n", NULL);
	x->b = fake_enter(x->g, "/n", NULL);
	x->c = fake_enter(x->g, "/n", NULL);
	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"r\"}]");
	fake_say(x->f, x->a, "42/n,[\"room:join\",{\"room\":\"q\"}]");
	fake_say(x->g, x->b, "42/n,[\"room:join\",{\"room\":\"r\"}]");
	fake_say(x->g, x->c, "42/n,[\"room:join\",{\"room\":\"q\"}]");
	return (0);
}

static int
teardown(void **state)
{
	(void)pair_free(state);
	return (0);
}

static void
what_the_stream_did_not_take_is_told_when_it_does(void **state)
{
	struct fixture *x = *state;
	uint64_t told = counter_get(COUNTER_gaps_told);
	char want[128];
	unsigned long long from = x->w->wall.ms, to;

	x->f->bus_down = true;
	fake_say(x->f, x->a, "42/n,[\"m\",{\"room\":\"r\",\"n\":1}]");
	fake_say(x->f, x->a, "42/n,[\"v\",{\"room\":\"q\",\"n\":1}]");
	fake_advance(x->w, 500);
	fake_turn(x->w);
	fake_hears(x->b, "");
	to = x->w->wall.ms;		/* tried, and not taken, until then */
	x->f->bus_down = false;
	fake_advance(x->w, 500);
	fake_turn(x->w);
	(void)snprintf(want, sizeof want, "42/n,[\"roost:gap\",{\"room\":\"r\","
	    "\"from\":%llu,\"to\":%llu}]", from, to);
	fake_hears(x->b, want);
	fake_hears(x->b, "");
	fake_hears(x->c, "");		/* volatile: not missed */
	fake_hears(x->a, "");		/* served here */
	assert_int_equal(counter_get(COUNTER_gaps_told) - told, 1);
	fake_advance(x->w, 500);
	fake_turn(x->w);
	fake_hears(x->b, "");
}

static void
what_a_relay_took_along_is_told_to_all(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *root = fake_enter(x->f, "/", NULL), *bare;

	bare = fake_plain(x->f, "/bare", NULL, NULL);
	assert_non_null(bare);
	hub_bus_back(x->f->hub);	/* the first stream */
	fake_turn(x->w);
	fake_hears(x->a, "");
	hub_bus_lost(x->f->hub);
	fake_advance(x->w, 300);
	fake_turn(x->w);
	fake_hears(x->a, "");
	hub_bus_back(x->f->hub);
	fake_turn(x->w);
	fake_starts(x->a, "42/n,[\"roost:gap\",{\"from\":");
	fake_starts(root, "42[\"roost:gap\",{\"from\":");
	fake_hears(bare, "");		/* it could not tell it from data */
	fake_hears(x->b, "");		/* its own has not ended */
	hub_bus_back(x->f->hub);
	fake_turn(x->w);
	fake_hears(x->a, "");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_the_stream_did_not_take_is_told_when_it_does),
		TEST(what_a_relay_took_along_is_told_to_all),
	};
#undef TEST

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
