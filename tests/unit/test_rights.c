/* How long a right lasts: to the end of its token, or to the next one. */
#include "pair.h"
#include "recovery.h"

#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/hub_int.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"}\n" \
	"  leeway = 0s roles_claim = \"roles\" }\n" \
	"auth_warning = 0s\n" \
	"recovery { window = 2m }\n" \
	"namespace \"/\" { auth = none event \"e\" { to = namespace\n" \
	"  self = true meta = off } }\n" \
	"namespace \"/app\" { auth = required\n" \
	"  room \"doc:{id}\" { join = claim:docs } room \"{r}\" { join = open }\n" \
	"  event \"e\" { to = namespace self = true meta = off }\n" \
	"  event \"m\" { to = room:room meta = off }\n" \
	"  event \"q\" { ack = echo } }\n" \
	"namespace \"/n\" { auth = optional presence = query room \"doc:{id}\" { join = claim:docs }\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off } }\n" \
	"namespace \"/admin\" { auth = required roles = {\"admin\"}\n" \
	"  event \"q\" { ack = echo } }\n" \
	"namespace \"/raw\" { auth = required event \"q\" { ack = echo } }\n" \
	"route \"/ws/staff\" { namespace = \"/raw\" roles = {\"staff\"} }\n"

struct fixture {
	PAIR;
};

static int
setup(void **state)
{
	*state = pair_new(sizeof(struct fixture), CONF);
	return (0);
}

static int
teardown(void **state)
{
	(void)pair_free(state);
	assert_int_equal(0, counter_get(COUNTER_sessions));
	assert_int_equal(0, counter_get(COUNTER_memberships));
	return (0);
}

/* A token of ann that lasts so many seconds, with more claims. */
static const char *
token(struct fixture *x, int seconds, const char *more)
{
	char text[256];

	(void)snprintf(text, sizeof text, "{\"sub\":\"ann\",\"exp\":%lld%s}",
	    (long long)(x->w->wall.ms / 1000) + seconds, more);
	return (fake_token(text));
}

/* Time passes, but no deadline has been looked at yet. */
static void
passes(struct fixture *x, uint64_t ms)
{
	size_t i;

	x->w->now.us += ms * 1000;
	x->w->wall.ms += ms;
	for (i = 0; i < x->w->nhosts; i++)
		hub_time(x->w->hosts[i]->hub, x->w->now, x->w->wall);
}

/* A connection of the handshake's token, in these namespaces. */
static struct fake_conn *
enter(struct fixture *x, const char *with, const char *const *names)
{
	struct fake_conn *c = fake_engine(x->f, with);
	char text[64];

	hub_turn_end(x->f->hub);
	fake_starts(c, "0{");
	for (; *names != NULL; names++) {
		(void)snprintf(text, sizeof text, "40%s", *names);
		fake_say(x->f, c, text);
		fake_starts(c, text);
	}
	return (c);
}
#define IN(...) ((const char *const []){ __VA_ARGS__, NULL })

static void
refresh(struct fixture *x, struct fake_conn *c, const char *ns,
    const char *with)
{
	char text[1024];

	(void)snprintf(text, sizeof text,
	    "42%s9[\"auth:refresh\",{\"token\":\"%s\"}]", ns, with);
	fake_say(x->f, c, text);
}

static uint64_t
refused_as_expired(void)
{
	return (counters_column[CELL_AUTHFAIL + AUTHFAIL_expired]);
}

/* --- the end of a token --------------------------------------------------- */

static void
an_expired_handshake_token_opens_nothing_more(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ""), IN(""));
	uint64_t before = refused_as_expired();

	passes(x, 10000);
	fake_text(x->f, c, "40/app,");
	fake_text(x->f, c, "42[\"e\",1]");
	fake_turn(x->w);
	fake_starts(c, "44/app,{\"message\":\"");
	fake_starts(c, "42[\"e\",1");
	assert_int_equal(-1, c->closed);
	assert_int_equal(before + 1, refused_as_expired());
	/* nor, being bad, an optional namespace */
	fake_say(x->f, c, "40/n,");
	fake_starts(c, "44/n,{");
}

static void
an_event_of_an_expired_token_goes_nowhere(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ""), IN("", "/app,"));
	struct fake_conn *d = enter(x, token(x, 100, ""), IN("/app,"));

	passes(x, 9999);
	fake_say(x->f, c, "42/app,[\"e\",1]");
	fake_starts(c, "42/app,[\"e\",1");
	fake_starts(d, "42/app,[\"e\",1");
	passes(x, 1);
	fake_say(x->f, c, "42/app,[\"e\",2]");
	fake_hears(c, "41/app,");
	fake_hears(c, "");
	fake_hears(d, "");
	fake_say(x->f, c, "42[\"e\",3]");
	fake_starts(c, "42[\"e\",3");
}

static void
an_answer_of_an_expired_token_is_none(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ""), IN("", "/app,"));
	uint64_t before = counter_get(COUNTER_acks_in);

	passes(x, 10000);
	fake_say(x->f, c, "43/app,1[2]");
	fake_hears(c, "41/app,");
	assert_int_equal(before, counter_get(COUNTER_acks_in));
}

static void
a_plain_client_ends_with_its_token(void **state)
{
	struct fixture *x = *state;
	struct refusal r;
	struct fake_conn *c = fake_plain(x->f, "/app", token(x, 10, ""), &r);

	fake_say(x->f, c, "{\"event\":\"q\",\"data\":1,\"id\":1}");
	fake_starts(c, "{\"ack\":1");
	passes(x, 10000);
	fake_say(x->f, c, "{\"event\":\"q\",\"data\":1,\"id\":2}");
	assert_int_equal(REASON_auth_expired, c->closed);
	fake_hears(c, "");
}

static void
a_token_that_ends_while_it_is_asked_for_recovers_nothing(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ""), IN("")), *d;
	char text[128], sid[21], pid[21];

	fake_text(x->f, c, "40/n,");
	fake_turn(x->w);
	assert_true(connected(c, sid, pid));
	fake_gone(x->f, c);
	d = fake_engine(x->g, token(x, 10, ""));
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	fake_text(x->g, d, text);
	passes(x, 10000);
	fake_turn(x->w);
	fake_starts(d, "0{");
	fake_starts(d, "44/n,{");
	fake_hears(d, "");
}

/* --- the next token ------------------------------------------------------- */

static void
a_refresh_is_the_connections_new_identity(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ""), IN("/app,"));

	fake_say(x->f, c, "40/admin,");
	fake_starts(c, "44/admin,{");
	refresh(x, c, "/app,", token(x, 100, ",\"roles\":[\"admin\"]"));
	fake_starts(c, "43/app,9[{\"exp\":");
	fake_say(x->f, c, "40/admin,");
	fake_starts(c, "40/admin,{");
	passes(x, 20000);		/* beyond the first one's end */
	fake_say(x->f, c, "40/n,");
	fake_starts(c, "40/n,{");
	/* and not of somebody else */
	refresh(x, c, "/app,", fake_token("{\"sub\":\"bob\"}"));
	fake_starts(c, "43/app,9[{\"error\":{\"code\":\"unauthorized\"");
}

/* It may be shorter than the one before. */
static void
a_refresh_ends_when_it_says(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 1000, ""), IN("/app,", "/n,"));

	refresh(x, c, "/app,", token(x, 10, ""));
	fake_starts(c, "43/app,9[{\"exp\":");
	assert_true(client_due(c->client).us <= x->w->now.us + 10000000);
	fake_advance(x->w, 9999);
	fake_hears(c, "");
	fake_advance(x->w, 1);
	fake_hears(c, "41/app,");
	fake_hears(c, "41/n,");
	assert_int_equal(REASON_auth_expired, c->closed);
}

static void
a_refresh_is_not_of_another_users_connection(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = fake_engine(x->f, fake_token("{\"sub\":\"bob\"}"));
	char text[1024];

	hub_turn_end(x->f->hub);
	fake_starts(c, "0{");
	(void)snprintf(text, sizeof text, "40/app,{\"token\":\"%s\"}",
	    token(x, 10, ""));
	fake_say(x->f, c, text);
	fake_starts(c, "40/app,{");
	refresh(x, c, "/app,", token(x, 100, ",\"roles\":[\"admin\"]"));
	fake_starts(c, "43/app,9[{\"exp\":");
	fake_say(x->f, c, "40/admin,");		/* as bob */
	fake_starts(c, "44/admin,{");
}

static void
a_refresh_counts_for_what_is_being_asked_for(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ""), IN("")), *d;
	char text[128], refreshes[1024], sid[21], pid[21];

	fake_text(x->f, c, "40/n,");
	fake_turn(x->w);
	assert_true(connected(c, sid, pid));
	fake_gone(x->f, c);
	d = fake_engine(x->g, token(x, 10, ""));
	fake_text(x->g, d, "40/app,");
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	fake_text(x->g, d, text);
	(void)snprintf(refreshes, sizeof refreshes,
	    "42/app,9[\"auth:refresh\",{\"token\":\"%s\"}]",
	    token(x, 100, ""));
	fake_text(x->g, d, refreshes);
	passes(x, 10000);
	fake_turn(x->w);
	fake_starts(d, "0{");
	fake_starts(d, "40/app,{");
	fake_starts(d, "43/app,9[{\"exp\":");
	assert_true(connected(d, text, pid));
	assert_string_equal(sid, text);
}

static void
a_role_that_is_gone_ends_its_namespaces(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ",\"roles\":[\"admin\"]"),
	    IN("/app,", "/admin,", "/n,"));
	uint64_t before = counter_get(COUNTER_rights_sessions);

	refresh(x, c, "/app,", token(x, 100, ""));
	fake_starts(c, "43/app,9[{\"exp\":");
	fake_starts(c, "42/admin,[\"roost:disconnect\",{\"reason\":\"your role is "
	    "not admitted here\"}");
	fake_hears(c, "41/admin,");
	fake_hears(c, "");
	assert_int_equal(before + 1, counter_get(COUNTER_rights_sessions));
	fake_say(x->f, c, "40/admin,");
	fake_starts(c, "44/admin,{");
	passes(x, 20000);
	fake_say(x->f, c, "42/app,1[\"q\",1]");
	fake_starts(c, "43/app,1[1]");
	assert_int_equal(-1, c->closed);
}

static void
who_shows_a_lesser_token_has_lost_the_greater_one(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = enter(x, token(x, 10, ",\"roles\":[\"admin\"]"),
	    IN("/app,", "/admin,"));

	refresh(x, c, "/admin,", token(x, 100, ""));
	fake_starts(c, "43/admin,9[{\"error\":{\"code\":\"forbidden\"");
	fake_starts(c, "42/admin,[\"roost:disconnect\"");
	fake_hears(c, "41/admin,");
	passes(x, 20000);
	fake_say(x->f, c, "42/app,1[\"q\",1]");
	fake_starts(c, "43/app,1[1]");
}

static void
a_route_asks_for_its_roles_again(void **state)
{
	struct fixture *x = *state;
	struct refusal r;
	struct fake_conn *c;
	char text[1024];

	assert_null(fake_plain(x->f, "/ws/staff", token(x, 10, ""), &r));
	c = fake_plain(x->f, "/ws/staff",
	    token(x, 10, ",\"roles\":[\"staff\"]"), &r);
	(void)snprintf(text, sizeof text, "{\"event\":\"auth:refresh\",\"data\":"
	    "{\"token\":\"%s\"},\"id\":1}",
	    token(x, 100, ",\"roles\":[\"staff\"]"));
	fake_say(x->f, c, text);
	fake_starts(c, "{\"ack\":1,\"data\":{\"exp\"");
	assert_int_equal(-1, c->closed);
	(void)snprintf(text, sizeof text, "{\"event\":\"auth:refresh\",\"data\":"
	    "{\"token\":\"%s\"},\"id\":2}", token(x, 100, ""));
	fake_say(x->f, c, text);
	fake_starts(c, "{\"ack\":2,\"error\":{\"code\":\"forbidden\"");
	fake_starts(c, "{\"event\":\"roost:disconnect\",\"data\":{\"reason\"");
	assert_int_equal(REASON_rights_lost, c->closed);
}

/* A back end puts the session with this sid in a room. */
static void
appoint(struct fake_host *f, const char *sid, const char *room)
{
	struct ask *later;
	struct buf out;
	char body[128];

	(void)snprintf(body, sizeof body, "{\"namespace\":\"/n\",\"sid\":"
	    "\"%s\",\"join\":\"%s\"}", sid, room);
	buf_init(&out);
	assert_true(api_rooms(f->hub, slice_of(NULL, 0), slice_str(body), NULL,
	    &out, &later) == 200 || later != NULL);
	buf_fini(&out);
	fake_turn(f->world);
}

static struct session *
session_of(struct fake_host *f, const char *sid)
{
	struct session *s = sid_find(f->hub, slice_str(sid));

	assert_non_null(s);
	return (s);
}

static bool
is_in(struct fake_host *f, const char *sid, const char *room)
{
	return (room_membership(session_of(f, sid), ROOM_NAMED,
	    slice_str(room)) != NULL);
}

/* In /n and doc:1, doc:2 by claim, doc:3 by claim and then a back end's, open
 * "x", and the back end's doc:9. */
static struct fake_conn *
in_rooms(struct fixture *x, char sid[21], char pid[21])
{
	static const char *const rooms[] = { "doc:1", "doc:2", "doc:3", "x" };
	struct fake_conn *c = fake_engine(x->f, token(x, 50,
	    ",\"docs\":[\"1\",\"2\",\"3\"]"));
	char text[64];
	size_t i;

	fake_say(x->f, c, "40/n,");
	fake_starts(c, "0{");
	assert_true(connected(c, sid, pid));
	for (i = 0; i < nitems(rooms); i++) {
		(void)snprintf(text, sizeof text,
		    "42/n,1[\"room:join\",\"%s\"]", rooms[i]);
		fake_say(x->f, c, text);
		fake_starts(c, "43/n,1[{\"room\"");
	}
	appoint(x->f, sid, "doc:9");
	appoint(x->f, sid, "doc:3");
	return (c);
}

static void
rooms_of_a_claim_that_is_gone_are_left(void **state)
{
	struct fixture *x = *state;
	char sid[21], pid[21];
	struct fake_conn *c = in_rooms(x, sid, pid);
	uint64_t before = counter_get(COUNTER_rights_rooms);

	refresh(x, c, "/n,", token(x, 100, ",\"docs\":[\"2\"]"));
	fake_starts(c, "43/n,9[{\"exp\":");
	fake_starts(c, "42/n,[\"room:left\",{\"room\":\"doc:1\",\"reason\":"
	    "\"your token does not allow it\"}");
	fake_hears(c, "");
	assert_int_equal(before + 1, counter_get(COUNTER_rights_rooms));
	assert_false(is_in(x->f, sid, "doc:1"));
	assert_true(is_in(x->f, sid, "doc:2"));
	assert_true(is_in(x->f, sid, "doc:3"));
	assert_true(is_in(x->f, sid, "x"));
	assert_true(is_in(x->f, sid, "doc:9"));
}

/* Cut, and back with another token on host g. */
static struct fake_conn *
back_with(struct fixture *x, struct fake_conn *c, struct fake_host *g,
    const char *pid, const char *with)
{
	struct fake_conn *d;
	char text[1024];

	fake_gone(x->f, c);
	d = fake_engine(g, with);
	(void)snprintf(text, sizeof text, "40/n,{\"pid\":\"%s\"}", pid);
	fake_say(g, d, text);
	fake_starts(d, "0{");
	return (d);
}

static void
none_comes_back_to_a_room_it_may_not_be_in(void **state)
{
	struct fixture *x = *state;
	struct fake_host *at[2] = { x->f, x->g };
	char sid[21], pid[21], sid2[21], pid2[21];
	struct fake_conn *c, *d;
	size_t i;

	for (i = 0; i < 2; i++) {
		c = in_rooms(x, sid, pid);
		d = back_with(x, c, at[i], pid,
		    token(x, 100, ",\"docs\":[\"2\"]"));
		assert_true(connected(d, sid2, pid2));
		assert_string_not_equal(sid, sid2);
		assert_false(is_in(at[i], sid2, "doc:1"));
		assert_null(sid_find(x->f->hub, slice_str(sid)));
		assert_null(sid_find(x->g->hub, slice_str(sid)));
		fake_gone(at[i], d);
	}
}

/* Whose rooms they are is known on the other worker, too. */
static void
rights_and_watches_move_along(void **state)
{
	struct fixture *x = *state;
	struct fake_host *at[2] = { x->f, x->g };
	char sid[21], pid[21], sid2[21], pid2[21], text[1024];
	struct fake_conn *c, *d;
	size_t i;

	for (i = 0; i < 2; i++) {
		c = in_rooms(x, sid, pid);
		fake_say(x->f, c, "42/n,1[\"presence:watch\","
		    "{\"users\":[\"bob\",\"eve\"]}]");
		fake_starts(c, "43/n,1[{\"users\"");
		d = back_with(x, c, at[i], pid,
		    token(x, 50, ",\"docs\":[\"1\",\"2\"]"));
		assert_true(connected(d, sid2, pid2));
		assert_string_equal(sid, sid2);
		assert_int_equal(2, session_of(at[i], sid)->nwatches);
		(void)snprintf(text, sizeof text, "42/n,9[\"auth:refresh\","
		    "{\"token\":\"%s\"}]", token(x, 100, ""));
		fake_say(at[i], d, text);
		fake_starts(d, "43/n,9[{\"exp\":");
		fake_starts(d, "42/n,[\"room:left\"");
		fake_starts(d, "42/n,[\"room:left\"");
		fake_hears(d, "");
		assert_true(is_in(at[i], sid, "x"));
		assert_true(is_in(at[i], sid, "doc:3"));
		assert_true(is_in(at[i], sid, "doc:9"));
		fake_gone(at[i], d);
	}
}

static void
what_is_asked_for_with_a_lost_role_is_refused(void **state)
{
	struct fixture *x = *state;
	const char *admin = ",\"roles\":[\"admin\"]";
	struct fake_conn *c = enter(x, token(x, 50, admin), IN("")), *d;
	char text[1024], pid[21];
	const char *got;

	fake_say(x->f, c, "40/admin,");
	got = fake_next(c);
	assert_non_null(strstr(got, "\"pid\":\""));
	memcpy(pid, strstr(got, "\"pid\":\"") + 7, 20);
	pid[20] = '\0';
	fake_gone(x->f, c);
	d = fake_engine(x->g, token(x, 50, admin));
	fake_text(x->g, d, "40/app,");
	(void)snprintf(text, sizeof text, "40/admin,{\"pid\":\"%s\"}", pid);
	fake_text(x->g, d, text);
	(void)snprintf(text, sizeof text, "42/app,9[\"auth:refresh\","
	    "{\"token\":\"%s\"}]", token(x, 100, ""));
	fake_text(x->g, d, text);
	fake_turn(x->w);
	fake_starts(d, "0{");
	fake_starts(d, "40/app,{");
	fake_starts(d, "43/app,9[{\"exp\":");
	fake_starts(d, "44/admin,{");
	fake_hears(d, "");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_expired_handshake_token_opens_nothing_more),
		T(an_event_of_an_expired_token_goes_nowhere),
		T(an_answer_of_an_expired_token_is_none),
		T(a_plain_client_ends_with_its_token),
		T(a_token_that_ends_while_it_is_asked_for_recovers_nothing),
		T(a_refresh_is_the_connections_new_identity),
		T(a_refresh_ends_when_it_says),
		T(a_refresh_is_not_of_another_users_connection),
		T(a_refresh_counts_for_what_is_being_asked_for),
		T(a_role_that_is_gone_ends_its_namespaces),
		T(who_shows_a_lesser_token_has_lost_the_greater_one),
		T(a_route_asks_for_its_roles_again),
		T(rooms_of_a_claim_that_is_gone_are_left),
		T(none_comes_back_to_a_room_it_may_not_be_in),
		T(rights_and_watches_move_along),
		T(what_is_asked_for_with_a_lost_role_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
