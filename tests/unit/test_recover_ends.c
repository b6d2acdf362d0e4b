/* Recovery: who is not given a session, and how moves and askings end. */
#include "recovery.h"

#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/hub_int.h"
#include "hub/backend/members.h"
#include "hub/recover/recover_int.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"recovery { window = 2m packets = 50 bytes = 20KB }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off } }\n" \
	"presence { leave_grace = 0s }\n" \
	"namespace \"/o\" { auth = optional }\n" \
	"namespace \"/i\" { auth = required presence = rooms\n" \
	"  idle_after = 10s room \"{r}\" { join = open } }\n"

static int
setup(void **state)
{
	return (recovery_setup(state, CONF));
}

/* --- who ------------------------------------------------------------------ */

/* The pid is the right one, and on another worker; the rest is not. */
static void
other_users_and_namespaces_get_nothing_from_afar(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *eve, *o;
	const char *got;
	char text[80];

	cut(x);
	eve = fake_engine(x->g, fake_token("{\"sub\":\"eve\"}"));
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_say(x->g, eve, text);
	(void)fake_next(eve);
	is_new(x, eve);
	o = fake_engine(x->g, NULL);
	(void)snprintf(text, sizeof text, "40/o,{\"pid\":\"%s\"}", x->pid);
	fake_say(x->g, o, text);
	(void)fake_next(o);
	got = fake_next(o);
	assert_int_equal(0, strncmp(got, "40/o,{\"sid\":\"", 13));
	assert_null(strstr(got, x->sid));
	assert_int_equal(x->recovered, counter_get(COUNTER_recovered));
	assert_int_equal(x->failed + 2, counter_get(COUNTER_recovery_failed));
	/* and have taken nothing from whose it is */
	is_same(x, back(x, x->g, ""));
}

/* --- rooms of one that moves ----------------------------------------------- */

/* On its way from f to g. */
static struct fake_conn *
moving(struct recovery *x)
{
	struct fake_conn *c;

	cut(x);
	c = asks(x, x->g, "");
	assert_true(fake_carry(x->g));
	assert_true(fake_carry(x->f));
	return (c);
}

static bool
is_in(struct fake_host *f, const char *sid, const char *room)
{
	struct session *s = sid_find(f->hub, slice_str(sid));

	return (s != NULL && room_membership(s, ROOM_NAMED,
	    slice_str(room)) != NULL);
}

static void
as_many_rooms_as_were_named_are_forwarded(void **state)
{
	struct recovery *x = *state;
	const struct slice join[] = { SLICE("new"), SLICE("none") };
	const struct slice leave[] = { SLICE("s"), SLICE("r") };
	struct fake_conn *c;

	fake_say(x->f, x->a, "42/n,[\"room:join\",\"s\"]");
	c = moving(x);
	recover_forward_rooms(sid_find(x->f->hub, slice_str(x->sid)), join, 1,
	    leave, 1);
	fake_turn(x->w);
	(void)fake_next(c);
	is_same(x, c);
	assert_true(is_in(x->g, x->sid, "new"));
	assert_false(is_in(x->g, x->sid, "none"));
	assert_false(is_in(x->g, x->sid, "s"));
	assert_true(is_in(x->g, x->sid, "r"));
}

/* It is given up at once, and not when its time is up. */
static void
rooms_that_cannot_be_forwarded_end_the_move(void **state)
{
	struct recovery *x = *state;
	const struct slice leave = SLICE("r");
	struct fake_conn *c = moving(x);

	assert_non_null(sid_find(x->f->hub, slice_str(x->sid)));
	x->f->bus_down = true;
	recover_forward_rooms(sid_find(x->f->hub, slice_str(x->sid)), NULL, 0,
	    &leave, 1);
	x->f->bus_down = false;
	assert_null(sid_find(x->f->hub, slice_str(x->sid)));
	fake_turn(x->w);
	(void)fake_next(c);
	assert_string_equal("", fake_next(c));
	fake_advance(x->w, RECOVER_MOVE_MS);
	is_new(x, c);
}

/* --- once ----------------------------------------------------------------- */

static void
who_has_a_new_session_is_asked_for_no_more(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;

	memset(x->pid, 'x', sizeof x->pid - 1);	/* nobody has that */
	c = back(x, x->g, "");
	is_new(x, c);
	assert_int_equal(x->failed + 1, counter_get(COUNTER_recovery_failed));
	fake_advance(x->w, RECOVER_ASK_MS);
	fake_advance(x->w, RECOVER_MOVE_MS);
	assert_string_equal("", fake_next(c));
	assert_int_equal(x->failed + 1, counter_get(COUNTER_recovery_failed));
	assert_int_equal(x->sessions + 1, counter_get(COUNTER_sessions));
	fake_gone(x->g, c);
	fake_turn(x->w);
}

/* What another session had, over the same connection, is not its own. */
static void
what_came_before_it_on_the_connection_is_not_missed(void **state)
{
	struct recovery *x = *state;
	struct fake_conn *c;
	char text[80];

	cut(x);
	c = fake_engine(x->f, NULL);
	fake_say(x->f, c, "40/n,");
	fake_say(x->f, c, "42/n,[\"room:join\",\"r\"]");
	publish(x, 1);
	fake_say(x->f, c, "41/n,");
	(void)fake_next(c);
	is_new(x, c);
	hears(x, c, 1);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", x->pid);
	fake_say(x->f, c, text);
	hears(x, c, 1);
	is_same(x, c);
	fake_gone(x->f, c);
	c = back(x, x->f, "");
	hears(x, c, 1);		/* perhaps lost: told again, but once */
	is_same(x, c);
	assert_string_equal("", fake_next(c));
}

/* --- what it is again ------------------------------------------------------ */

/* ann, as a back end sees her in room r; "": she is not there. */
static void
is(struct recovery *x, const char *status)
{
	struct api_presence q = { .ns = SLICE("i"), .room = SLICE("r"),
		.limit = 10 };
	struct buf out;
	char want[64];

	buf_init(&out);
	assert_int_equal(200, api_presence(x->g->hub, &q, &out));
	buf_byte(&out, '\0');
	(void)snprintf(want, sizeof want, "{\"users\":[%s%s%s",
	    *status == '\0' ? "]" : "{\"user\":\"ann\",\"status\":\"",
	    status, *status == '\0' ? "" : "\",\"connections\":1,");
	if (strncmp((char *)out.data, want, strlen(want)) != 0)
		assert_string_equal((char *)out.data, want);
	buf_fini(&out);
}

/* Here, and on another worker. */
static void
who_is_back_is_present_and_may_fall_silent(void **state)
{
	struct recovery *x = *state;
	struct fake_host *at[2] = { x->f, x->g };
	char token[512], text[80], sid[21];
	struct fake_conn *c;
	const char *got;
	unsigned i;

	(void)snprintf(token, sizeof token, "%s",
	    fake_token("{\"sub\":\"ann\"}"));
	c = fake_engine(x->f, token);
	fake_say(x->f, c, "40/i,");
	(void)fake_next(c);
	got = fake_next(c);
	assert_int_equal(0, strncmp(got, "40/i,{\"sid\":\"", 13));
	memcpy(sid, got + 13, 20);
	sid[20] = '\0';
	(void)snprintf(text, sizeof text, "40/i,{\"pid\":\"%.20s\"}",
	    got + 42);
	fake_say(x->f, c, "42/i,[\"room:join\",{\"room\":\"r\"}]");
	for (i = 0; i < 2; i++) {
		is(x, "online");
		fake_advance(x->w, 10000);
		is(x, "away");
		fake_gone(x->f, c);
		fake_turn(x->w);
		is(x, "");
		c = fake_engine(at[i], token);
		fake_say(at[i], c, text);
		(void)fake_next(c);
		do	/* she missed that she was away */
			got = fake_next(c);
		while (strncmp(got, "42/i,[\"presence:", 16) == 0);
		assert_int_equal(0, strncmp(got, "40/i,{\"sid\":\"", 13));
		assert_int_equal(0, strncmp(got + 13, sid, 20));
		is(x, "online");
	}
	fake_advance(x->w, 10000);
	is(x, "away");
	fake_gone(x->g, c);
}

static void
who_is_back_is_warned_again_before_the_token_ends(void **state)
{
	struct recovery *x = *state;
	char token[512], text[80];
	struct fake_conn *c;

	(void)snprintf(token, sizeof token, "%s", fake_token(
	    "{\"sub\":\"ann\",\"exp\":1800000100}"));
	c = fake_engine(x->f, token);
	fake_say(x->f, c, "40/i,");
	(void)fake_next(c);
	(void)snprintf(text, sizeof text, "40/i,{\"pid\":\"%.20s\"}",
	    fake_next(c) + 42);
	fake_advance(x->w, 40000);
	while (strncmp(fake_next(c), "42/i,[\"auth:expiring\",{\"in\":60}",
	    31) != 0)
		assert_true(buf_unread(&c->got).n > 0);
	fake_gone(x->f, c);
	c = fake_engine(x->f, token);
	fake_say(x->f, c, text);
	buf_reset(&c->got);
	fake_advance(x->w, 1000);
	assert_int_equal(0, strncmp(fake_next(c),
	    "42/i,[\"auth:expiring\",{\"in\":59}", 31));
	fake_gone(x->f, c);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, recovery_teardown)
	const struct CMUnitTest tests[] = {
		T(other_users_and_namespaces_get_nothing_from_afar),
		T(as_many_rooms_as_were_named_are_forwarded),
		T(rooms_that_cannot_be_forwarded_end_the_move),
		T(who_has_a_new_session_is_asked_for_no_more),
		T(what_came_before_it_on_the_connection_is_not_missed),
		T(who_is_back_is_present_and_may_fall_silent),
		T(who_is_back_is_warned_again_before_the_token_ends),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
