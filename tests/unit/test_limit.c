/* Rates and connections of a user, with two workers on one segment. */
#include "hub/session/limit.h"

#include "pair.h"
#include "shm/count.h"
#include "shm/counters.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"heartbeat { interval = 10m }\n" \
	"limits { per_user = 2 }\n" \
	"rate messages { allow = 10/10s burst = 4 }\n" \
	"rate once { per = user allow = 1/1m }\n" \
	"rate home { per = address allow = 1/1m }\n" \
	"rate strict { per = connection allow = 1/10s strikes = 3 }\n" \
	"rate connects { allow = 2/10s }\n" \
	"rate auth_failures { allow = 2/10s }\n" \
	"namespace \"/c\" { auth = optional\n" \
	"  room \"{x}\" { join = open }\n" \
	"  event \"m\" { to = sender meta = off }\n" \
	"  event \"o\" { rate = once ack = echo }\n" \
	"  event \"h\" { rate = home ack = echo }\n" \
	"  event \"s\" { rate = strict ack = echo } }\n" \
	"namespace \"/e\" { auth = none sessions = 1 }\n" \
	"namespace \"/d\" { auth = optional\n" \
	"  event \"m\" { to = sender meta = off } }\n"

struct fixture {
	PAIR;
};

static int
setup(void **state)
{
	*state = pair_new(sizeof(struct fixture), CONF);
	return (0);
}

static const char *
token(const char *user)
{
	char claims[64];

	(void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", user);
	return (fake_token(claims));
}

/* An engine in /c; user "": nobody. */
static struct fake_conn *
sio(struct fake_host *f, const char *user)
{
	struct fake_conn *c = fake_enter(f, "/c", user[0] == '\0' ? NULL :
	    token(user));

	fake_advance(f->world, 1000);	/* CONNECT was a message */
	return (c);
}

/* So many of n events came back. */
static unsigned
echoes(struct fake_host *f, struct fake_conn *c, unsigned n)
{
	const char *got;
	unsigned i, back = 0;

	while (*fake_next(c) != '\0')
		continue;
	for (i = 0; i < n; i++)
		fake_say(f, c, "42/c,[\"m\"]");
	while (*(got = fake_next(c)) != '\0')
		back += strcmp(got, "42/c,[\"m\"]") == 0;
	return (back);
}

/* --- messages ------------------------------------------------------------- */

static void
a_user_is_limited_as_one_on_all_workers(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *a2 = sio(x->g, "ann"),
	    *b = sio(x->g, "bob");

	assert_int_equal(echoes(x->f, a, 3), 3);
	assert_int_equal(echoes(x->g, a2, 3), 1);
	assert_int_equal(echoes(x->f, a, 1), 0);
	assert_int_equal(echoes(x->g, b, 5), 4);
	fake_advance(x->w, 2000);	/* one a second */
	assert_int_equal(echoes(x->g, a2, 1), 1);
	assert_int_equal(echoes(x->f, a, 3), 1);
}

static void
nobodies_have_an_allowance_each(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, ""), *b = sio(x->f, ""),
	    *c = sio(x->g, "");

	assert_int_equal(echoes(x->f, a, 5), 4);
	assert_int_equal(echoes(x->f, b, 5), 4);
	assert_int_equal(echoes(x->g, c, 5), 4);
}

static void
the_refused_are_told_when_to_come_back(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *p;
	uint64_t rejected = counter_get(COUNTER_rejected_rate);
	struct refusal r;

	p = fake_plain(x->f, "/c", token("ann"), &r);
	assert_int_equal(echoes(x->f, a, 4), 4);
	fake_say(x->f, a, "42/c,7[\"m\"]");
	fake_hears(a, "43/c,7[{\"error\":{\"code\":\"rate_limited\","
	    "\"message\":\"too many, too fast\",\"retry_after_ms\":1001}}]");
	fake_say(x->f, a, "42/c,[\"m\"]");
	fake_hears(a, "42/c,[\"error\",{\"code\":\"rate_limited\",\"message\":"
	    "\"too many, too fast\",\"event\":\"m\",\"retry_after_ms\":1001}]");
	fake_say(x->f, p, "{\"event\":\"m\",\"id\":1}");
	fake_hears(p, "{\"ack\":1,\"error\":{\"code\":\"rate_limited\","
	    "\"message\":\"too many, too fast\",\"retry_after_ms\":1001}}");
	assert_int_equal(counter_get(COUNTER_rejected_rate) - rejected, 3);
	fake_advance(x->w, 1001);
	assert_int_equal(echoes(x->f, a, 1), 1);
}

static void
services_and_nonsense_count_as_messages(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *p;
	struct refusal r;
	unsigned i;

	for (i = 0; i < 4; i++)
		fake_say(x->f, a, i % 2 == 0 ? "42/c,1[\"room:join\",\"r\"]" :
		    "42/c,1[\"nonsense\"]");
	while (*fake_next(a) != '\0')
		continue;
	fake_say(x->f, a, "42/c,1[\"roost:ping\"]");
	assert_non_null(strstr(fake_next(a), "rate_limited"));
	p = fake_plain(x->f, "/c", token("bob"), &r);
	for (i = 0; i < 4; i++) {
		fake_say(x->f, p, "no JSON");
		assert_non_null(strstr(fake_next(p), "bad_request"));
	}
	fake_say(x->f, p, "no JSON");
	assert_non_null(strstr(fake_next(p), "rate_limited"));
}

static void
coming_and_going_are_messages(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = fake_engine(x->f, token("ann")), *b;
	uint64_t rejected = counter_get(COUNTER_rejected_rate);

	fake_say(x->f, a, "40/c,");
	fake_say(x->f, a, "41/c,");
	fake_say(x->f, a, "40/d,");
	/* another connection of the same user */
	b = fake_engine(x->g, token("ann"));
	fake_say(x->g, b, "40/d,");
	while (*fake_next(b) != '\0')
		continue;
	fake_say(x->g, b, "40/c,");
	fake_hears(b, "44/c,{\"message\":\"too many, too fast\",\"data\":{"
	    "\"code\":\"rate_limited\",\"retry_after_ms\":1001}}");
	/* who wants to leave may */
	fake_say(x->g, b, "41/d,");
	assert_int_equal(counter_get(COUNTER_rejected_rate) - rejected, 2);
	fake_advance(x->w, 1001);
	fake_say(x->g, b, "40/d,");
	assert_non_null(strstr(fake_next(b), "40/d,{\"sid\""));
	assert_int_equal(a->closed, -1);
	assert_int_equal(b->closed, -1);
}

/* --- rules' own rates ----------------------------------------------------- */

static void
a_rule_has_a_rate_of_its_own(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *a2 = sio(x->g, "ann");

	fake_say(x->f, a, "42/c,1[\"o\",1]");
	fake_hears(a, "43/c,1[1]");
	fake_say(x->g, a2, "42/c,2[\"o\",2]");
	assert_non_null(strstr(fake_next(a2), "\"retry_after_ms\":60001"));
	assert_int_equal(echoes(x->f, a, 3), 2);	/* of messages */
}

static void
addresses_are_counted_as_such(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a, *b, *c;
	uint64_t limited;

	x->f->address = 77;
	a = sio(x->f, "ann");
	b = sio(x->f, "bob");
	x->f->address = 0;	/* of a Unix socket: each its own */
	c = sio(x->f, "cy");
	fake_say(x->f, a, "42/c,1[\"h\",1]");
	fake_hears(a, "43/c,1[1]");
	limited = counter_get(COUNTER_rate_limited);
	fake_say(x->f, b, "42/c,1[\"h\",1]");
	assert_non_null(strstr(fake_next(b), "rate_limited"));
	assert_int_equal(counter_get(COUNTER_rate_limited), limited + 1);
	fake_say(x->f, c, "42/c,1[\"h\",1]");
	fake_hears(c, "43/c,1[1]");
	x->f->address = 78;
	c = sio(x->f, "ann");
	fake_say(x->f, c, "42/c,1[\"h\",1]");
	fake_hears(c, "43/c,1[1]");
	fake_say(x->f, c, "42/c,1[\"h\",1]");
	assert_non_null(strstr(fake_next(c), "rate_limited"));
}

static void
ipv6_addresses_are_networks(void **state)
{
	static const uint8_t none[16];
	uint8_t a[16] = { 0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 3 };
	uint8_t b[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	uint64_t was;

	(void)state;
	assert_true(limit_address(none) == 0);
	was = limit_address(a);
	a[15] = 9;
	assert_true(limit_address(a) == was);
	a[7] = 3;
	assert_false(limit_address(a) == was);
	was = limit_address(b);
	assert_true(was != 0);
	b[15] = 2;
	assert_false(limit_address(b) == was);
}

/* Of ::/64 and NAT64 everybody would be one, and ::1 nobody. */
static void
addresses_without_a_network_are_themselves(void **state)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	static const uint8_t two[16] = { [15] = 2 };
	uint8_t nat64[16] = { 0, 0x64, 0xff, 0x9b, [12] = 192, 0, 2, 1 };
	uint64_t was;

	(void)state;
	assert_true(limit_address(loopback) != 0);
	assert_false(limit_address(loopback) == limit_address(two));
	was = limit_address(nat64);
	nat64[15] = 2;
	assert_false(limit_address(nat64) == was);
}

static void
strikes_end_the_connection(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann");
	unsigned i;

	fake_say(x->f, a, "42/c,0[\"s\",1]");
	fake_hears(a, "43/c,0[1]");
	for (i = 0; i < 2; i++) {
		fake_say(x->f, a, "42/c,0[\"s\",1]");
		assert_non_null(strstr(fake_next(a), "rate_limited"));
	}
	/* the time is over: they are forgotten */
	fake_advance(x->w, 11000);
	fake_say(x->f, a, "42/c,0[\"s\",1]");
	fake_hears(a, "43/c,0[1]");
	for (i = 0; i < 3; i++) {
		assert_int_equal(a->closed, -1);
		fake_advance(x->w, 1500);	/* messages has room */
		fake_say(x->f, a, "42/c,0[\"s\",1]");
		assert_non_null(strstr(fake_next(a), "rate_limited"));
	}
	fake_hears(a, "41/c,");
	fake_hears(a, "");
	assert_int_equal(a->closed, REASON_too_many_requests);
	fake_say(x->f, a, "42/c,0[\"m\",1]");
	fake_hears(a, "");
}

/* --- handshakes ----------------------------------------------------------- */

static void
handshakes_are_counted_by_address(void **state)
{
	struct fixture *x = *state;

	assert_true(limit_connect(x->f->hub, 5));
	assert_true(limit_connect(x->g->hub, 5));
	assert_false(limit_connect(x->f->hub, 5));
	assert_int_equal(limit_retry_ms(x->f->hub), 5001);
	assert_true(limit_connect(x->f->hub, 6));
	assert_true(limit_connect(x->f->hub, 0));
	assert_true(limit_connect(x->f->hub, 0));
	assert_true(limit_connect(x->f->hub, 0));
	fake_advance(x->w, 5000);
	assert_true(limit_connect(x->g->hub, 5));
}

static void
too_many_bad_tokens_and_no_more_are_looked_at(void **state)
{
	struct fixture *x = *state;
	struct refusal r;
	struct fake_conn *c;
	char text[1024];
	unsigned i;

	x->f->address = x->g->address = 9;
	for (i = 0; i < 2; i++) {
		assert_null(fake_plain(i == 0 ? x->f : x->g, "/c", "bad", &r));
		assert_int_equal(r.status, 401);
	}
	assert_null(fake_plain(x->f, "/c", token("ann"), &r));
	assert_int_equal(r.status, 429);
	assert_string_equal(r.code, "rate_limited");
	assert_int_equal(r.retry_ms, 5001);
	/* the same in CONNECT, on a connection that came without any */
	c = fake_engine(x->f, NULL);
	fake_turn(x->w);
	(void)fake_next(c);
	(void)snprintf(text, sizeof text, "40/c,{\"token\":\"%s\"}",
	    token("ann"));
	fake_say(x->f, c, text);
	assert_non_null(strstr(fake_next(c), "\"code\":\"rate_limited\""));
	/* others are not concerned, and it does not last */
	x->f->address = 10;
	assert_non_null(fake_plain(x->f, "/c", token("bob"), &r));
	fake_advance(x->w, 5001);
	fake_say(x->f, c, text);
	assert_non_null(strstr(fake_next(c), "40/c,{\"sid\":"));
}

/* --- connections of a user ------------------------------------------------ */

static void
a_user_has_so_many_connections(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *a = sio(x->f, "ann"), *b, *c;
	struct refusal r;

	/* a second namespace is no second connection */
	fake_say(x->f, a, "40/d,");
	assert_non_null(strstr(fake_next(a), "40/d,"));
	fake_hears(a, "");
	b = fake_plain(x->g, "/c", token("ann"), &r);
	assert_non_null(b);
	assert_null(fake_plain(x->f, "/c", token("ann"), &r));
	assert_int_equal(r.status, 429);
	assert_string_equal(r.code, "limit");
	c = fake_engine(x->g, token("ann"));
	fake_turn(x->w);
	(void)fake_next(c);
	fake_advance(x->w, 4000);
	fake_say(x->g, c, "40/c,");
	fake_hears(c, "44/c,{\"message\":\"too many connections of this user\","
	    "\"data\":{\"code\":\"limit\"}}");
	/* the one that left a namespace is still there */
	fake_say(x->f, a, "41/c,");
	fake_say(x->g, c, "40/c,");
	assert_non_null(strstr(fake_next(c), "44/c,"));
	fake_advance(x->w, 4000);
	fake_say(x->f, a, "41/d,");
	fake_say(x->g, c, "40/c,");
	assert_non_null(strstr(fake_next(c), "40/c,{\"sid\""));
	assert_null(fake_plain(x->f, "/c", token("ann"), &r));
	assert_non_null(fake_plain(x->f, "/c", token("bob"), &r));
	fake_gone(x->g, b);
	assert_non_null(fake_plain(x->f, "/c", token("ann"), &r));
	assert_int_equal(count_of(x->f->count, COUNT_USER, SLICE("ann")), 2);
	/* nobody in particular may come as often as they like */
	assert_non_null(fake_plain(x->f, "/c", NULL, &r));
	assert_non_null(fake_plain(x->f, "/c", NULL, &r));
	assert_non_null(fake_plain(x->f, "/c", NULL, &r));
}

static void
a_namespace_has_so_many_sessions(void **state)
{
	struct fixture *x = *state;
	uint64_t refused = counter_get(COUNTER_refused_namespace);
	struct fake_conn *c[3];
	unsigned i;

	for (i = 0; i < 3; i++) {
		c[i] = fake_engine(i == 1 ? x->g : x->f, NULL);
		fake_say(i == 1 ? x->g : x->f, c[i], "40/e,");
		(void)fake_next(c[i]);
	}
	assert_non_null(strstr(fake_next(c[0]), "40/e,{\"sid\""));
	for (i = 1; i < 3; i++)
		fake_hears(c[i], "44/e,{\"message\":\"too many clients in "
		    "this namespace\",\"data\":{\"code\":\"limit\"}}");
	assert_int_equal(counter_get(COUNTER_refused_namespace), refused + 2);
	/* the place is given back, and is one */
	fake_say(x->f, c[0], "41/e,");
	fake_say(x->g, c[1], "40/e,");
	assert_non_null(strstr(fake_next(c[1]), "40/e,{\"sid\""));
	fake_say(x->f, c[2], "40/e,");
	assert_non_null(strstr(fake_next(c[2]), "44/e,"));
}

static void
what_is_counted_is_given_back(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c;
	struct refusal r;
	unsigned i;

	for (i = 0; i < 10; i++) {
		c = i % 2 == 0 ? sio(x->f, "ann") :
		    fake_plain(x->f, "/c", token("ann"), &r);
		assert_non_null(c);
		if (i % 2 == 0)
			fake_say(x->f, c, "40/d,");
		assert_int_equal(count_of(x->f->count, COUNT_USER,
		    SLICE("ann")), 1);
		fake_gone(x->f, c);
		assert_int_equal(count_of(x->f->count, COUNT_USER,
		    SLICE("ann")), 0);
		fake_advance(x->w, 1000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, pair_free)
		T(a_user_is_limited_as_one_on_all_workers),
		T(nobodies_have_an_allowance_each),
		T(the_refused_are_told_when_to_come_back),
		T(services_and_nonsense_count_as_messages),
		T(coming_and_going_are_messages),
		T(a_rule_has_a_rate_of_its_own),
		T(addresses_are_counted_as_such),
		T(ipv6_addresses_are_networks),
		T(addresses_without_a_network_are_themselves),
		T(strikes_end_the_connection),
		T(handshakes_are_counted_by_address),
		T(too_many_bad_tokens_and_no_more_are_looked_at),
		T(a_user_has_so_many_connections),
		T(a_namespace_has_so_many_sessions),
		T(what_is_counted_is_given_back),
#undef T
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
