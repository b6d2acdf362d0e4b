/* Clients that go on under another configuration: what it does not allow any
 * more ends with a reason, the rest goes on under the new rules. */
#include "moving.h"
#include "pair.h"

#include "hub/audience/room.h"
#include "hub/hub_int.h"
#include "hub/recover/recover.h"
#include "hub/session/session.h"
#include "shm/counters.h"

#define JWT \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n"
#define N \
	"namespace \"/n\" { auth = optional presence = rooms\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"e\" { to = sender meta = off } }\n"
#define O \
	"namespace \"/o\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"e\" { to = sender meta = off } }\n"
#define ROUTES \
	"route \"/ws/{r}\" { namespace = \"/n\" join = \"{r}\" }\n" \
	"route \"/eio/{r}\" { namespace = \"/n\" join = \"{r}\"\n" \
	"  format = engine }\n"
#define CONF	JWT "recovery { window = 2m }\n" N O ROUTES

struct fixture {
	PAIR;			/* g has another configuration */
	uint64_t	 sessions, rooms;	/* rights lost, before */
};

static int
setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	assert_non_null(x);
	x->w = fake_world_new(CONF);
	x->f = fake_host_new(x->w, 1);
	x->sessions = counter_get(COUNTER_rights_sessions);
	x->rooms = counter_get(COUNTER_rights_rooms);
	*state = x;
	return (0);
}

static int
teardown(void **state)
{
	int r = pair_free(state);

	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_rooms));
	assert_int_equal(0, counter_get(COUNTER_memberships));
	return (r);
}

static void
becomes(struct fixture *x, const char *text)
{
	x->w->other = fake_conf(text);
	x->g = fake_host_of(x->w, 2, x->w->other);
}

static struct fake_conn *
goes(struct fixture *x, struct fake_conn *c, enum reason *why)
{
	struct fake_conn *d;
	struct moving m;

	moving_open(&m, x->f, x->g);
	d = moving_why(&m, c, why);
	moving_close(&m);
	fake_turn(x->w);
	return (d);
}

static struct fake_conn *
stays(struct fixture *x, struct fake_conn *c)
{
	enum reason why;
	struct fake_conn *d = goes(x, c, &why);

	assert_int_equal(REASON__MAX, why);
	return (d);
}

static void
lost(const struct fixture *x, unsigned sessions, unsigned rooms)
{
	assert_int_equal(x->sessions + sessions,
	    counter_get(COUNTER_rights_sessions));
	assert_int_equal(x->rooms + rooms, counter_get(COUNTER_rights_rooms));
}

static struct fake_conn *
in_both(struct fixture *x, const char *token)
{
	struct fake_conn *a = fake_enter(x->f, "/n", token);

	fake_say(x->f, a, "40/o,");
	fake_say(x->f, a, "42/n,0[\"room:join\",\"r\"]");
	fake_say(x->f, a, "42/o,0[\"room:join\",\"r\"]");
	buf_reset(&a->got);
	return (a);
}

static void
a_namespace_that_is_gone_is_left(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = in_both(x, NULL);

	becomes(x, JWT N);
	a = stays(x, a);
	fake_hears(a, "42/o,[\"roost:disconnect\","
	    "{\"reason\":\"this namespace is no more\"}]");
	fake_hears(a, "41/o,");
	fake_hears(a, "");
	assert_int_equal(1, a->client->nsessions);
	lost(x, 1, 0);
	fake_say(x->g, a, "42/n,[\"m\",{\"room\":\"r\"}]");
	fake_starts(a, "42/n,[\"m\",{\"room\":\"r\"}");
	assert_int_equal(-1, a->closed);
}

static void
a_route_that_is_gone_ends_its_clients(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b;
	struct refusal no;
	enum reason why;

	a = fake_plain(x->f, "/ws/r", NULL, &no);
	b = fake_engine_route(x->f, "/eio/r", false, false);
	fake_turn(x->w);
	becomes(x, JWT N O);
	a = goes(x, a, &why);
	assert_int_equal(REASON_rights_lost, why);
	b = goes(x, b, &why);
	assert_int_equal(REASON_rights_lost, why);
	client_gone(&a->client, why);
	client_gone(&b->client, why);
}

static void
a_plain_client_without_its_namespace_ends(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a;
	struct refusal no;
	enum reason why;

	a = fake_plain(x->f, "/o", NULL, &no);
	fake_turn(x->w);
	becomes(x, JWT N);
	a = goes(x, a, &why);
	assert_int_equal(REASON_rights_lost, why);
	assert_int_equal(0, a->client->nsessions);
	fake_advance(x->w, 100000);	/* it may wait for its close */
	client_gone(&a->client, why);
}

static void
roles_are_asked_for_again(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b, *c;
	struct refusal no;
	enum reason why;
	char admin[512];

	(void)snprintf(admin, sizeof admin, "%s",
	    fake_token("{\"sub\":\"ann\",\"roles\":[\"admin\"]}"));
	a = in_both(x, admin);
	b = in_both(x, fake_token("{\"sub\":\"bob\"}"));
	c = fake_plain(x->f, "/ws/r", NULL, &no);
	becomes(x, JWT
	    "namespace \"/n\" { auth = required roles = {\"admin\"}\n"
	    "  room \"{r}\" { join = open } }\n" O ROUTES);
	a = stays(x, a);
	fake_hears(a, "");
	b = stays(x, b);
	fake_starts(b, "42/n,[\"roost:disconnect\","
	    "{\"reason\":\"your role is not admitted here\"}");
	fake_hears(b, "41/n,");
	assert_int_equal(1, b->client->nsessions);
	c = goes(x, c, &why);
	assert_int_equal(REASON_rights_lost, why);
	fake_starts(c, "{\"event\":\"roost:disconnect\","
	    "\"data\":{\"reason\":\"authentication required\"}");
	lost(x, 2, 0);
	client_gone(&c->client, why);
}

/* Rooms that it asked for; not those that its route chose. */
static void
rooms_are_asked_for_again(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = in_both(x, NULL), *b;
	struct refusal no;

	b = fake_plain(x->f, "/ws/r", NULL, &no);
	becomes(x, JWT "recovery { window = 2m }\n"
	    "namespace \"/n\" { auth = optional presence = rooms\n"
	    "  room \"q\" { join = open }\n"
	    "  event \"m\" { to = room:room self = true meta = off } }\n"
	    O ROUTES);
	a = stays(x, a);
	b = stays(x, b);
	fake_starts(a, "42/n,[\"room:left\","
	    "{\"room\":\"r\",\"reason\":\"it is no longer allowed\"}");
	fake_hears(a, "");
	fake_hears(b, "");
	assert_int_equal(0, a->client->sessions->nrooms);
	assert_int_equal(1, a->client->sessions->next->nrooms);
	assert_int_equal(1, b->client->sessions->nrooms);
	lost(x, 0, 1);
}

static void
watches_end_with_presence(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = in_both(x, fake_token("{\"sub\":\"ann\"}"));

	fake_say(x->f, a, "42/n,1[\"presence:watch\",{\"users\":[\"u\"]}]");
	buf_reset(&a->got);
	becomes(x, JWT "namespace \"/n\" { auth = optional\n"
	    "  room \"{r}\" { join = open } }\n" O ROUTES);
	a = stays(x, a);
	assert_int_equal(0, a->client->sessions->nwatches);
	assert_int_equal(1, a->client->sessions->nrooms);
	fake_hears(a, "");
}

static void
nobody_comes_back_without_recovery(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = in_both(x, NULL);

	assert_non_null(a->client->sessions->recover);
	a->window = 3;		/* the queue goes on in the middle */
	fake_say(x->f, a, "42/n,[\"m\",{\"room\":\"r\"}]");
	becomes(x, JWT N O ROUTES);
	a = stays(x, a);
	assert_null(a->client->sessions->recover);
	assert_null(a->out.log);
	a->window = SIZE_MAX;
	assert_true(outq_touch(hub_out(x->g->hub), &a->out));
	fake_turn(x->w);
	fake_starts(a, "42/n,[\"m\",{\"room\":\"r\"}");
	fake_gone(x->g, a);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_namespace_that_is_gone_is_left),
		TEST(a_route_that_is_gone_ends_its_clients),
		TEST(a_plain_client_without_its_namespace_ends),
		TEST(roles_are_asked_for_again),
		TEST(rooms_are_asked_for_again),
		TEST(watches_end_with_presence),
		TEST(nobody_comes_back_without_recovery),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
