/* What waits for other workers as a client comes back: CONNECT, acks. */
#include "recovery.h"

#include "hub/recover/recover_int.h"

#define CONF \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"socketio { connect_timeout = 500ms }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"d\" { to = room:room meta = off ack = delivered } }\n"

static int
setup(void **state)
{
	struct recovery *r = calloc(1, sizeof *r);

	recovery_open(r, fake_world_new(CONF), 1, 2);
	*state = r;
	return (0);
}

static int
teardown(void **state)
{
	recovery_close(*state);
	assert_int_equal(0, counter_get(COUNTER_sessions));
	free(*state);
	return (0);
}

static void
asks_long(struct recovery *r, struct fake_conn *c, const char *offset)
{
	char text[8192];

	(void)snprintf(text, sizeof text,
	    "40/n,{\"pid\":\"%s\",\"offset\":\"%s\"}", r->pid, offset);
	fake_text(r->g, c, text);
}

/* Numbers of acks are the connection's: the next one may begin anew. */
static void
an_ack_that_is_late_is_not_the_next_connections(void **state)
{
	struct recovery *r = *state;
	struct fake_conn *there = fake_engine(r->g, NULL), *c;

	fake_say(r->g, there, "40/n,");
	fake_say(r->g, there, "42/n,[\"room:join\",{\"room\":\"r\"}]");
	fake_say(r->f, r->a, "42/n,5[\"d\",{\"room\":\"r\"}]");
	assert_non_null(strstr(fake_next(r->a), "\"delivered\":2"));

	/* the other worker has not counted yet */
	fake_text(r->f, r->a, "42/n,6[\"d\",{\"room\":\"r\"}]");
	fake_gone(r->f, r->a);
	c = back(r, r->f, "");
	is_same(r, c);
	fake_hears(c, "");
	fake_say(r->f, c, "42/n,6[\"d\",{\"room\":\"r\"}]");
	assert_int_equal(0, strncmp("43/n,6[", fake_next(c), 7));
	fake_hears(c, "");
}

/* CONNECT has come: what it waits for is not the client's. */
static void
who_waits_for_an_answer_is_not_too_late(void **state)
{
	struct recovery *r = *state;
	struct fake_conn *c, *d;

	cut(r);
	c = asks(r, r->g, "");
	d = fake_engine(r->g, NULL);	/* does not even ask */
	fake_advance(r->w, 600);	/* ticks first */
	assert_int_equal(c->closed, -1);
	assert_int_equal(d->closed, REASON_connect_timeout);
	(void)fake_next(c);
	is_same(r, c);
	fake_advance(r->w, 600);
	assert_int_equal(c->closed, -1);
}

/* Whoever has no rights yet has no megabytes carried to all workers. */
static void
an_offset_that_is_none_is_not_carried(void **state)
{
	struct recovery *r = *state;
	char long_one[4096];
	struct fake_conn *c;

	cut(r);
	memset(long_one, 'x', sizeof long_one);
	long_one[RECOVER_OFFSET_MAX - 1] = '\0';	/* and two quotes */
	c = fake_engine(r->g, NULL);
	buf_reset(&r->g->bus);
	asks_long(r, c, "x");
	assert_true(buf_unread(&r->g->bus).n > 0);
	fake_gone(r->g, c);
	fake_turn(r->w);

	c = fake_engine(r->g, NULL);
	asks_long(r, c, long_one);
	assert_int_equal(0, buf_unread(&r->g->bus).n);
	fake_turn(r->w);
	(void)fake_next(c);
	is_new(r, c);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_ack_that_is_late_is_not_the_next_connections),
		T(who_waits_for_an_answer_is_not_too_late),
		T(an_offset_that_is_none_is_not_carried),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
