#include "recovery.h"

#include "hub/audience/room.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off }\n" \
	"  event \"q\" { to = sender meta = off } }\n"

static int
setup(void **state)
{
	return (recovery_setup(state, CONF));
}

static void
what_was_missed_comes_before_the_connect(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	int i;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	assert_int_equal(x->sessions - 1, counter_get(COUNTER_sessions));
	for (i = 2; i < 5; i++)
		publish(x, i);
	c = back(x, x->f, x->offset);
	for (i = 2; i < 5; i++)
		hears(x, c, i);
	is_same(x, c);
	assert_int_equal(x->sessions, counter_get(COUNTER_sessions));
	publish(x, 5);		/* it is in its room again */
	hears(x, c, 5);
	assert_int_equal(x->recovered + 1, counter_get(COUNTER_recovered));
}

static void
volatile_events_are_not_kept(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	struct ask *later;
	struct buf out;
	int i;

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	buf_init(&out);
	for (i = 0; i < 3; i++) {	/* to a room, to all, to one */
		static const char *const to[] = { "\"room\":\"r\"",
			"\"volatile\":true", "\"except\":\"zzz\"" };
		char body[256];

		(void)snprintf(body, sizeof body, "{\"namespace\":\"n\","
		    "\"event\":\"v\",\"volatile\":true,%s}", to[i]);
		assert_int_equal(200, api_publish(x->f->hub, slice_str(body),
		    NULL, &out, &later));
		fake_turn(x->w);
	}
	buf_fini(&out);
	publish(x, 2);
	c = back(x, x->f, x->offset);
	hears(x, c, 2);
	is_same(x, c);
}

static void
what_was_sent_and_lost_is_told_again(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	char seen[128];

	publish(x, 1);
	hears(x, x->a, 1);
	memcpy(seen, x->offset, sizeof seen);
	publish(x, 2);		/* sent, but the client never saw it */
	x->a->window = 3;
	publish(x, 3);		/* sent in part */
	publish(x, 4);		/* not sent at all */
	cut(x);
	c = back(x, x->f, seen);
	hears(x, c, 2);
	hears(x, c, 3);
	hears(x, c, 4);
	is_same(x, c);
}

static void
who_saw_nothing_yet_gets_all(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	publish(x, 1);
	cut(x);
	publish(x, 2);
	c = back(x, x->f, "");
	hears(x, c, 1);
	hears(x, c, 2);
	is_same(x, c);
}

static void
a_pong_proves_what_came_before_its_ping(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	int i;

	for (i = 0; i < 40; i++)
		publish(x, i);
	for (i = 0; i < 40; i++)
		hears(x, x->a, i);
	fake_advance(x->w, 25000);
	fake_say(x->f, x->a, "3");
	fake_say(x->f, x->b, "3");
	for (i = 0; i < 40; i++)
		publish(x, i);
	for (i = 0; i < 40; i++)
		(void)fake_next(x->b);
	assert_string_equal("2", fake_next(x->a));
	cut(x);
	/* the offset is of before the ping: all since then is told */
	c = back(x, x->f, x->offset);
	for (i = 0; i < 40; i++)
		hears(x, c, i);
	is_same(x, c);
}

static void
too_much_unproven_cannot_be_recovered(void **state)
{
	struct recovery *x = *state;
	int i;

	publish(x, 0);
	hears(x, x->a, 0);
	for (i = 1; i < 120; i++)
		publish(x, i);
	cut(x);
	is_new(x, back(x, x->f, x->offset));
	assert_int_equal(x->failed + 1,
	    counter_get(COUNTER_recovery_failed));
}

static void
a_queue_that_grows_too_long_ends_the_wait(void **state)
{
	struct recovery *x = *state;
	int i;

	publish(x, 0);
	hears(x, x->a, 0);
	cut(x);
	for (i = 1; i < 120; i++)
		publish(x, i);
	is_new(x, back(x, x->f, x->offset));
}

static void
the_window_closes(void **state)
{
	struct recovery *x = *state;

	publish(x, 0);
	hears(x, x->a, 0);
	cut(x);
	for (int i = 0; i < 13; i++) {
		fake_advance(x->w, 10000);
		fake_say(x->f, x->b, "3");
	}
	is_new(x, back(x, x->f, x->offset));
}

static void
others_get_nothing(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	char text[1024];

	publish(x, 1);
	hears(x, x->a, 1);
	cut(x);
	c = fake_engine(x->f, NULL);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\","
	    "\"offset\":\"%s\",\"token\":\"%s\"}", x->pid, x->offset,
	    fake_token("{\"sub\":\"thief\"}"));
	fake_say(x->f, c, text);
	(void)fake_next(c);
	is_new(x, c);
	/* and the owner still has it */
	c = back(x, x->f, x->offset);
	is_same(x, c);
	/* unknown offsets and pids of no sense */
	fake_gone(x->f, c);
	is_new(x, back(x, x->f, "never-heard-of"));
	(void)snprintf(x->pid, sizeof x->pid, "AAAAAAAAAAAAAAAAAAAA");
	is_new(x, back(x, x->f, ""));
}

static void
the_old_half_open_connection_is_taken_over(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	publish(x, 1);
	hears(x, x->a, 1);
	x->a->window = 0;
	publish(x, 2);
	c = back(x, x->f, x->offset);
	assert_int_equal(REASON_taken_over, x->a->closed);
	hears(x, c, 2);
	is_same(x, c);
	fake_gone(x->f, x->a);
	publish(x, 3);
	hears(x, c, 3);
}

static void
another_worker_takes_the_session(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	int i;

	publish(x, 1);
	hears(x, x->a, 1);
	publish(x, 2);
	cut(x);
	publish(x, 3);
	c = back(x, x->g, x->offset);
	hears(x, c, 2);
	hears(x, c, 3);
	is_same(x, c);
	for (i = 4; i < 7; i++) {
		publish(x, i);
		hears(x, c, i);
	}
	/* and back again */
	fake_gone(x->g, c);
	publish(x, 7);
	c = back(x, x->f, x->offset);
	hears(x, c, 7);
	is_same(x, c);
	publish(x, 8);
	hears(x, c, 8);
	assert_string_equal("", fake_next(c));
}

static void
no_worker_has_it(void **state)
{
	struct recovery *x = *state;

	(void)snprintf(x->pid, sizeof x->pid, "AAAAAAAAAAAAAAAAAAAA");
	is_new(x, back(x, x->g, ""));
	assert_int_equal(x->failed + 1,
	    counter_get(COUNTER_recovery_failed));
}

static void
no_answer_is_no_recovery(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c = fake_engine(x->g, NULL);
	char text[64];

	cut(x);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_text(x->g, c, text);
	buf_reset(&x->g->bus);		/* the question is lost */
	fake_turn(x->w);
	(void)fake_next(c);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, 999);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, 1);
	is_new(x, c);
}

static void
as_many_packets_as_configured_are_kept(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	int i, more;

	for (more = 0; more < 2; more++) {
		publish(x, 0);
		hears(x, x->a, 0);
		cut(x);
		for (i = 1; i <= 50 + more; i++)
			publish(x, i);
		c = back(x, x->f, x->offset);
		if (more != 0) {
			is_new(x, c);
			break;
		}
		for (i = 1; i <= 50; i++)
			hears(x, c, i);
		is_same(x, c);
		/* and it has joined a namespace, as far as that goes */
		fake_advance(x->w, 1);
		assert_int_equal(-1, c->closed);
		x->a = c;
	}
}

static void
a_room_of_the_longest_name_moves(void **state)
{
	struct recovery *x = *state;
	char text[400], name[ROOM_NAME_MAX + 1];
	struct fake_conn *c;

	memset(name, 'r', ROOM_NAME_MAX);
	name[ROOM_NAME_MAX] = '\0';
	(void)snprintf(text, sizeof text, "42/n,1[\"room:join\",\"%s\"]",
	    name);
	fake_say(x->f, x->a, text);
	assert_int_equal(0, strncmp(fake_next(x->a), "43/n,1[{\"room\"", 14));
	cut(x);
	c = back(x, x->g, "");
	is_same(x, c);
	(void)snprintf(text, sizeof text,
	    "42/n,[\"m\",{\"room\":\"%s\",\"i\":1}]", name);
	fake_say(x->g, c, text);
	assert_int_equal(0, strncmp(fake_next(c), "42/n,[\"m\"", 9));
}

static void
who_goes_while_it_waits_harms_nobody(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c = fake_engine(x->g, NULL);
	char text[64];

	cut(x);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_text(x->g, c, text);
	fake_gone(x->g, c);
	fake_turn(x->w);
	publish(x, 1);
	fake_advance(x->w, 1000);
	fake_advance(x->w, 3000);
	publish(x, 2);
	is_new(x, back(x, x->f, ""));
}

static void
attachments_are_told_again(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	uint8_t bytes[3] = { 1, 2, 3 };

	publish(x, 1);
	hears(x, x->a, 1);
	fake_say(x->f, x->b, "451-/n,[\"m\",{\"room\":\"r\",\"b\":"
	    "{\"_placeholder\":true,\"num\":0}}]");
	client_binary(x->b->client, bytes, 3);
	fake_turn(x->w);
	cut(x);
	c = back(x, x->g, x->offset);
	assert_int_equal(0, strncmp(fake_next(c), "451-/n,[\"m\",{\"room\":"
	    "\"r\",\"b\":{\"_placeholder\":true,\"num\":0}},\"", 60));
	assert_true(slice_starts(buf_unread(&c->got),
	    SLICE("\x82\x03\x01\x02\x03")));
	buf_consume(&c->got, 5);
	is_same(x, c);
}

static void
who_leaves_for_good_is_not_recovered(void **state)
{
	struct recovery *x = *state;

	fake_say(x->f, x->a, "41/n,");
	cut(x);
	is_new(x, back(x, x->f, ""));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, recovery_teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_missed_comes_before_the_connect),
		T(volatile_events_are_not_kept),
		T(what_was_sent_and_lost_is_told_again),
		T(who_saw_nothing_yet_gets_all),
		T(a_pong_proves_what_came_before_its_ping),
		T(too_much_unproven_cannot_be_recovered),
		T(a_queue_that_grows_too_long_ends_the_wait),
		T(the_window_closes),
		T(others_get_nothing),
		T(the_old_half_open_connection_is_taken_over),
		T(another_worker_takes_the_session),
		T(no_worker_has_it),
		T(no_answer_is_no_recovery),
		T(as_many_packets_as_configured_are_kept),
		T(a_room_of_the_longest_name_moves),
		T(who_goes_while_it_waits_harms_nobody),
		T(attachments_are_told_again),
		T(who_leaves_for_good_is_not_recovered),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
