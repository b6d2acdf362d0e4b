/*
 * Presence as a service: what clients ask, set and watch, what rooms are
 * told, and the idle clock.
 */
#include "pair.h"
#include "hub/hub_int.h"
#include "hub/service/presence.h"
#include "hub/session/client.h"
#include "proto/bus.h"
#include "proto/status.h"
#include "shm/presence.h"
#include "shm/why.h"

#define CONF \
	"jwt { secret = \"" FAKE_SECRET "\" algorithms = {\"HS256\"} }\n" \
	"presence { leave_grace = 0s }\n" \
	"namespace \"/r\" { auth = optional presence = rooms idle_after = 10s\n" \
	"  room \"{r}\" { join = open } event \"q\" { ack = echo } }\n" \
	"namespace \"/q\" { auth = optional presence = query\n" \
	"  room \"{r}\" { join = open } event \"q\" { ack = echo } }\n" \
	"namespace \"/off\" { auth = optional room \"{r}\" { join = open } }\n"

struct fixture {
	PAIR;
	struct fake_conn *ann, *bob;	/* ann on f, bob on g */
};

static struct fake_conn *
come(struct fake_host *f, const char *nsp, const char *claims)
{
	return (fake_enter(f, nsp, claims == NULL ? NULL :
	    fake_token(claims)));
}

static int
setup(void **state)
{
	struct fixture *x = pair_new(sizeof *x, CONF);

	x->ann = come(x->f, "/r", "{\"sub\":\"ann\"}");
	x->bob = come(x->g, "/r", "{\"sub\":\"bob\"}");
	*state = x;
	return (0);
}

/* Asked with id 1, the answer begins so; "" is none. */
static const char *
asks(struct fake_host *f, struct fake_conn *c, const char *text,
    const char *start)
{
	const char *got;

	fake_say(f, c, text);
	got = fake_next(c);
	if (*start == '\0' || strncmp(got, start, strlen(start)) != 0)
		assert_string_equal(got, start);
	return (got);
}

#define GET(users)	"42/r,1[\"presence:get\",{\"users\":" users "}]"
#define SET(status)	"42/r,1[\"presence:set\",{\"status\":" status "}]"
#define WATCH(users)	"42/r,1[\"presence:watch\",{\"users\":" users "}]"
#define UNWATCH(users)	"42/r,1[\"presence:unwatch\",{\"users\":" users "}]"
#define REFUSED(code)	"43/r,1[{\"error\":{\"code\":\"" code "\""

static void
has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		assert_string_equal(text, part);
}

static void
users_are_told_of_in_their_order(void **state)
{
	struct fixture *x = *state;
	const char *t;

	t = asks(x->f, x->ann, GET("[\"bob\",\"eve\",\"a\\u006en\",\"bob\"]"),
	    "43/r,1[{\"users\":[{\"user\":\"bob\",\"status\":\"online\","
	    "\"connections\":1,");
	has(t, "},{\"user\":\"eve\",\"status\":\"offline\",\"connections\":0,"
	    "\"last_seen\":null},{\"user\":\"ann\",\"status\":\"online\",");
	(void)come(x->f, "/r", "{\"sub\":\"bob\"}");
	(void)asks(x->f, x->ann, GET("[\"bob\"]"), "43/r,1[{\"users\":[{"
	    "\"user\":\"bob\",\"status\":\"online\",\"connections\":2,");
	/* of the other namespace: nobody */
	(void)asks(x->f, come(x->f, "/q", NULL),
	    "42/q,1[\"presence:get\",{\"users\":[\"bob\"]}]",
	    "43/q,1[{\"users\":[{\"user\":\"bob\",\"status\":\"offline\"");
	(void)asks(x->f, x->ann, GET("[]"), "43/r,1[{\"users\":[]}]");
}

static void
what_is_no_list_of_names_is_refused(void **state)
{
	static const char *const bad[] = { GET("\"ann\""), GET("{}"),
		GET("[1]"), GET("[\"\"]"), GET("[null]"), GET("[\"a\",7]"),
		"42/r,1[\"presence:get\",{\"user\":[\"ann\"]}]",
		"42/r,1[\"presence:get\",[\"ann\"]]",
		"42/r,1[\"presence:get\"]", WATCH("7"), UNWATCH("\"ann\""),
	};
	struct fixture *x = *state;
	unsigned i;

	for (i = 0; i < nitems(bad); i++)
		(void)asks(x->f, x->ann, bad[i], REFUSED("bad_request"));
}

static void
where_presence_is_off_there_is_no_such_event(void **state)
{
	static const char *const events[] = { "get", "watch", "unwatch" };
	struct fixture *x = *state;
	struct fake_conn *c = come(x->f, "/off", "{\"sub\":\"ann\"}");
	char text[128];
	unsigned i;

	for (i = 0; i < nitems(events); i++) {
		(void)snprintf(text, sizeof text, "42/off,1[\"presence:%s\","
		    "{\"users\":[\"ann\"]}]", events[i]);
		(void)asks(x->f, c, text, "43/off,1[{\"error\":{\"code\":"
		    "\"unknown_event\"");
	}
	(void)asks(x->f, c, "42/off,1[\"presence:set\",{\"status\":\"away\"}]",
	    "43/off,1[{\"error\":{\"code\":\"unknown_event\"");
}

/* --- status ---------------------------------------------------------------- */

/* The relay says that ann has another status, to both workers. */
static void
relay_tells(struct fixture *x, const char *args)
{
	struct bus_envelope e;
	struct bus_publish *p = bus_publish(&e);
	struct buf frame;

	e.from = e.generation = 0;
	e.ref = 0;
	slotset_clear(e.slots);
	p->nsp = SLICE("/r");
	p->event = SLICE("\"presence:update\"");
	p->args = slice_str(args);
	p->to.users[p->to.nusers++] = SLICE("ann");
	e.flags = BUS_WATCHERS | BUS_ROOMS_OF;
	slotset_add(e.slots, 1);
	slotset_add(e.slots, 2);
	buf_init(&frame);
	assert_true(bus_encode(&frame, &e));
	hub_bus_frame(x->f->hub, buf_unread(&frame));
	hub_bus_frame(x->g->hub, buf_unread(&frame));
	buf_fini(&frame);
	fake_turn(x->w);
}

static void
a_status_is_set_and_told_to_rooms(void **state)
{
	static const char *const good[] = { "away", "busy", "dnd", "online" };
	struct fixture *x = *state;
	char text[160], want[160];
	unsigned i;

	fake_say(x->f, x->ann, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->g, x->bob, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	for (i = 0; i < nitems(good); i++) {
		(void)snprintf(text, sizeof text, "42/r,1[\"presence:set\","
		    "{\"status\":\"%s\"}]", good[i]);
		(void)snprintf(want, sizeof want, "{\"user\":\"ann\","
		    "\"status\":\"%s\",\"connections\":1,", good[i]);
		has(asks(x->f, x->ann, text, "43/r,1["), want);
		/* that is for the relay to tell; oneself is told as well */
		fake_hears(x->ann, "");
		fake_hears(x->bob, "");
		relay_tells(x, good[i][0] == 'o' ? "1" : "{\"n\":2}");
		has(fake_next(x->ann), "42/r,[\"presence:update\",");
		has(fake_next(x->bob), good[i][0] == 'o' ?
		    "42/r,[\"presence:update\",1" :
		    "42/r,[\"presence:update\",{\"n\":2}");
		fake_hears(x->ann, "");
		fake_hears(x->bob, "");
		has(asks(x->g, x->bob, GET("[\"ann\"]"), "43/r,1["), want);
	}
	/* in no room, nobody is told */
	fake_say(x->f, x->ann, "42/r,[\"room:leave\",{\"room\":\"a\"}]");
	(void)asks(x->f, x->ann, SET("\"away\""), "43/r,1[{\"user\":\"ann\"");
	relay_tells(x, "1");
	fake_hears(x->ann, "");
	fake_hears(x->bob, "");
}

/* By several of his connections, here and on another worker. */
static void
a_room_is_told_once_that_the_user_is_in(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *here = come(x->f, "/r", "{\"sub\":\"ann\"}");
	struct fake_conn *there = come(x->g, "/r", "{\"sub\":\"ann\"}");

	fake_say(x->f, x->ann, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->f, here, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->g, there, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->g, there, "42/r,[\"room:join\",{\"room\":\"b\"}]");
	fake_say(x->g, x->bob, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	relay_tells(x, "1");
	has(fake_next(x->bob), "42/r,[\"presence:update\",1");
	fake_hears(x->bob, "");
	/* of the other room as well, whose only one is over there */
	fake_say(x->g, x->bob, "42/r,[\"room:leave\",{\"room\":\"a\"}]");
	fake_say(x->g, x->bob, "42/r,[\"room:join\",{\"room\":\"b\"}]");
	relay_tells(x, "2");
	has(fake_next(x->bob), "42/r,[\"presence:update\",2");
	fake_hears(x->bob, "");
}

static void
each_room_is_told_of_a_status_however_many(void **state)
{
	static const unsigned rooms[] = { 1, 2, 64, 65, 100 };
	struct fixture *x = *state;
	char text[64];
	unsigned i, r;

	for (i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof text,
		    "42/r,[\"room:join\",{\"room\":\"r%u\"}]", i + 1);
		fake_say(x->f, x->ann, text);
	}
	for (i = 0; i < nitems(rooms); i++) {
		r = rooms[i];
		(void)snprintf(text, sizeof text,
		    "42/r,[\"room:join\",{\"room\":\"r%u\"}]", r);
		fake_say(x->g, x->bob, text);
		buf_reset(&x->bob->got);
		relay_tells(x, "{\"user\":\"ann\"}");
		has(fake_next(x->bob), "42/r,[\"presence:update\","
		    "{\"user\":\"ann\"}");
		fake_hears(x->bob, "");
		(void)snprintf(text, sizeof text,
		    "42/r,[\"room:leave\",{\"room\":\"r%u\"}]", r);
		fake_say(x->g, x->bob, text);
	}
}

static void
rooms_of_a_namespace_without_them_are_told_nothing(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *c = come(x->f, "/q", "{\"sub\":\"ann\"}");

	fake_say(x->f, c, "42/q,[\"room:join\",{\"room\":\"a\"}]");
	(void)asks(x->f, c, "42/q,1[\"presence:set\",{\"status\":\"dnd\"}]",
	    "43/q,1[{\"user\":\"ann\",\"status\":\"dnd\"");
	fake_hears(c, "");
	(void)asks(x->f, c, "42/q,1[\"presence:get\",{\"room\":\"a\"}]",
	    "43/q,1[{\"error\":{\"code\":\"forbidden\"");
}

static void
only_these_words_are_a_status_and_only_of_users(void **state)
{
	static const char *const bad[] = { SET("\"idle\""), SET("\"offline\""),
		SET("\"\""), SET("1"), SET("null"), SET("\"Away\""),
		SET("\"awayawayawayawayawayawayawayaway\""),
		"42/r,1[\"presence:set\",{}]", "42/r,1[\"presence:set\"]",
	};
	struct fixture *x = *state;
	unsigned i;

	for (i = 0; i < nitems(bad); i++)
		(void)asks(x->f, x->ann, bad[i], REFUSED("invalid"));
	(void)asks(x->f, come(x->f, "/r", NULL), SET("\"away\""),
	    REFUSED("unauthorized"));
	(void)asks(x->f, x->ann, GET("[\"ann\"]"),
	    "43/r,1[{\"users\":[{\"user\":\"ann\",\"status\":\"online\"");
}

/* --- rooms ----------------------------------------------------------------- */

/* 255 bytes of both are kept as one name, and a byte between them. */
static void
a_user_whose_room_has_too_long_a_name_is_counted(void **state)
{
	struct fixture *x = *state;
	char name[256], text[320];
	uint64_t before = counter_get(COUNTER_presence_too_long);
	struct api_presence q = { .ns = SLICE("r"), .limit = 10 };
	struct buf out;
	int n;

	buf_init(&out);
	for (n = 252; n <= 253; n++) {
		(void)snprintf(name, sizeof name, "%0*d", n, 0);
		(void)snprintf(text, sizeof text,
		    "42/r,[\"room:join\",{\"room\":\"%s\"}]", name);
		fake_say(x->f, x->ann, text);
		q.room = slice_str(name);
		buf_reset(&out);
		assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
		buf_byte(&out, '\0');
		assert_int_equal(strstr((char *)out.data, "\"ann\"") != NULL,
		    n == 252);
		assert_int_equal(counter_get(COUNTER_presence_too_long) -
		    before, n == 253);
	}
	buf_fini(&out);
}

static void
names_longer_than_the_key_are_not_shown(void **state)
{
	struct fake_world *w = fake_world_new("shm { presence_key = 64 }\n"
	    CONF);
	struct fake_host *f = fake_host_new(w, 1);
	struct api_presence q = { .ns = SLICE("r"), .limit = 10 };
	uint64_t before = counter_get(COUNTER_presence_too_long);
	struct fake_conn *c;
	char name[66], claims[90];
	struct buf out;
	size_t n;

	(void)state;
	buf_init(&out);
	for (n = 64; n <= 65; n++) {
		memset(name, n == 64 ? 'x' : 'y', n);
		name[n] = '\0';
		(void)snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}",
		    name);
		c = come(f, "/r", claims);
		buf_reset(&out);
		assert_int_equal(api_presence(f->hub, &q, &out), 200);
		buf_byte(&out, '\0');
		assert_non_null(strstr((char *)out.data, "\"xxx"));
		assert_null(strstr((char *)out.data, "\"yyy"));
		assert_int_equal(counter_get(COUNTER_presence_too_long) -
		    before, n - 64);
	}
	/* nothing of it is left, and nobody else's was taken for it */
	fake_gone(f, c);
	assert_int_equal(presence_untracked(f->hub->presence), 0);
	buf_fini(&out);
	fake_world_free(&w);
}

static void
members_are_told_who_is_in_a_room(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *eve = come(x->f, "/r", "{\"sub\":\"eve\"}");
	char body[64];
	struct buf out;
	struct api_presence q = { .ns = SLICE("r"), .room = SLICE("a"),
		.limit = 100 };

	fake_say(x->f, x->ann, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->g, x->bob, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->f, eve, "42/r,[\"room:join\",{\"room\":\"b\"}]");
	(void)asks(x->f, eve, "42/r,1[\"presence:get\",{\"room\":\"a\"}]",
	    REFUSED("not_member"));
	(void)asks(x->f, eve, "42/r,1[\"presence:get\",{\"room\":7}]",
	    REFUSED("not_member"));
	(void)asks(x->f, eve, "42/r,1[\"presence:get\",{\"room\":\"\"}]",
	    REFUSED("not_member"));
	/* those whose coming has been told, which is nobody: no relay runs */
	(void)asks(x->f, x->ann, "42/r,1[\"presence:get\",{\"room\":\"a\"}]",
	    "43/r,1[{\"users\":[]}]");
	/* as back ends see it: each once, nobody of another room */
	buf_init(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
	buf_byte(&out, '\0');
	has((char *)out.data, "\"user\":\"ann\"");
	has((char *)out.data, "\"user\":\"bob\"");
	assert_null(strstr((char *)out.data, "eve"));
	fake_say(x->g, x->bob, "42/r,[\"room:leave\",{\"room\":\"a\"}]");
	buf_reset(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
	buf_byte(&out, '\0');
	assert_null(strstr((char *)out.data, "bob"));
	q.ns = SLICE("q");
	buf_reset(&out);
	assert_true(api_presence(x->f->hub, &q, &out) >= 400);
	q.ns = SLICE("nowhere");
	buf_reset(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 404);
	/* the whole namespace, and one user */
	q = (struct api_presence){ .ns = SLICE("/r"), .limit = 2 };
	buf_reset(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
	buf_byte(&out, '\0');
	has((char *)out.data, "{\"users\":[{\"user\":\"");
	q.user = SLICE("eve");
	buf_reset(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
	(void)snprintf(body, sizeof body, "{\"user\":\"eve\",\"status\":"
	    "\"online\",\"connections\":1,");
	buf_byte(&out, '\0');
	has((char *)out.data, body);
	buf_fini(&out);
}

/* --- watching -------------------------------------------------------------- */

static unsigned
watches(const struct fake_conn *c)
{
	return (c->client->sessions->nwatches);
}

static void
users_are_watched_once_and_up_to_a_limit(void **state)
{
	struct fixture *x = *state;
	static char text[40000];
	size_t n;
	unsigned i;

	(void)asks(x->f, x->ann, WATCH("[\"bob\",\"eve\",\"bob\"]"),
	    "43/r,1[{\"users\":[{\"user\":\"bob\",");
	assert_int_equal(watches(x->ann), 2);
	(void)asks(x->f, x->ann, WATCH("[\"bob\"]"),
	    "43/r,1[{\"users\":[{\"user\":\"bob\",");
	assert_int_equal(watches(x->ann), 2);
	(void)asks(x->f, x->ann, UNWATCH("[\"bob\",\"nobody\"]"),
	    "43/r,1[{\"users\":[]}]");
	assert_int_equal(watches(x->ann), 1);
	/* with eve that makes the limit */
	n = (size_t)snprintf(text, sizeof text,
	    "42/r,1[\"presence:watch\",{\"users\":[");
	for (i = 1; i < PRESENCE_USERS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s\"u%u\"",
		    i == 1 ? "" : ",", i);
	(void)snprintf(text + n, sizeof text - n, "]}]");
	fake_say(x->f, x->ann, text);
	assert_int_equal(watches(x->ann), PRESENCE_USERS_MAX);
	buf_reset(&x->ann->got);	/* longer than fake_next() takes */
	(void)asks(x->f, x->ann, WATCH("[\"eve\"]"),
	    "43/r,1[{\"users\":[{\"user\":\"eve\",");
	(void)asks(x->f, x->ann, WATCH("[\"one more\"]"), REFUSED("limit"));
	assert_int_equal(watches(x->ann), PRESENCE_USERS_MAX);
	(void)asks(x->f, x->ann, UNWATCH("[\"eve\"]"), "43/r,1[{\"users\":[]}]");
	(void)asks(x->f, x->ann, WATCH("[\"one more\"]"), "43/r,1[{\"users\":[");
}

static void
a_list_may_hold_so_many_names_and_no_more(void **state)
{
	struct fixture *x = *state;
	static char text[20000];
	size_t n;
	unsigned i, many;

	for (many = PRESENCE_USERS_MAX; many < PRESENCE_USERS_MAX + 2; many++) {
		n = (size_t)snprintf(text, sizeof text,
		    "42/r,1[\"presence:unwatch\",{\"users\":[");
		for (i = 0; i < many; i++)
			n += (size_t)snprintf(text + n, sizeof text - n,
			    "%s\"u%u\"", i == 0 ? "" : ",", i);
		(void)snprintf(text + n, sizeof text - n, "]}]");
		(void)asks(x->f, x->ann, text, many == PRESENCE_USERS_MAX ?
		    "43/r,1[{\"users\":[]}]" : REFUSED("bad_request"));
	}
}

static void
what_is_refused_is_not_accepted(void **state)
{
	static const char *const bad[] = { SET("\"idle\""), SET("7"),
		GET("\"ann\""), GET("[7]"), WATCH("{}"), UNWATCH("[\"\"]"),
		"42/r,1[\"presence:get\",{\"room\":\"not in it\"}]",
		"42/r,1[\"presence:get\",{}]" };
	static const char *const good[] = { SET("\"away\""),
		GET("[\"ann\"]"), WATCH("[\"bob\"]"), UNWATCH("[\"bob\"]") };
	struct fixture *x = *state;
	struct fake_conn *nobody = come(x->f, "/r", NULL);
	uint64_t accepted = counter_get(COUNTER_events_accepted);
	unsigned i;

	for (i = 0; i < nitems(bad); i++)
		(void)asks(x->f, x->ann, bad[i], "43/r,1[{\"error\":");
	(void)asks(x->f, nobody, SET("\"away\""), "43/r,1[{\"error\":");
	(void)asks(x->f, come(x->f, "/off", NULL),
	    "42/off,1[\"presence:get\",{\"users\":[\"ann\"]}]",
	    "43/off,1[{\"error\":");
	assert_int_equal(accepted, counter_get(COUNTER_events_accepted));
	for (i = 0; i < nitems(good); i++)
		(void)asks(x->f, x->ann, good[i], "43/r,1[");
	assert_int_equal(accepted + nitems(good),
	    counter_get(COUNTER_events_accepted));
}

static unsigned
times(const struct buf *b, const char *what)
{
	const char *at = (const char *)b->data;
	unsigned n = 0;

	for (; (at = strstr(at, what)) != NULL; at++)
		n++;
	return (n);
}

/* More than are read at once from the table. */
static void
long_lists_are_whole(void **state)
{
	struct fixture *x = *state;
	struct api_presence q = { .ns = SLICE("r"), .limit = 100 };
	char claims[32];
	struct buf out;
	unsigned i;

	for (i = 0; i < 70; i++) {
		(void)snprintf(claims, sizeof claims, "{\"sub\":\"u%u\"}", i);
		(void)come(x->f, "/r", claims);
	}
	buf_init(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
	buf_byte(&out, '\0');
	assert_int_equal(times(&out, "{\"user\":\""), 72);
	assert_int_equal(times(&out, "},{\"user\":\""), 71);
	assert_int_equal(times(&out, "\"next\":"), 0);
	buf_fini(&out);
}

/* --- of several connections -------------------------------------------------- */

static void
status_is(struct fixture *x, const char *status)
{
	char want[64];

	(void)snprintf(want, sizeof want, "{\"user\":\"ann\",\"status\":\"%s\"",
	    status);
	has(asks(x->g, x->bob, GET("[\"ann\"]"), "43/r,1[{\"users\":["), want);
}

static void
sets(struct fake_host *f, struct fake_conn *c, const char *status)
{
	char text[64];

	(void)snprintf(text, sizeof text, "42/r,[\"presence:set\","
	    "{\"status\":\"%s\"}]", status);
	fake_say(f, c, text);
}

static void
the_first_status_of_all_connections_counts(void **state)
{
	static const char *const rising[] = { "away", "online", "busy", "dnd",
		"invisible" };
	struct fixture *x = *state;
	struct fake_conn *here = come(x->f, "/r", "{\"sub\":\"ann\"}");
	struct fake_conn *there = come(x->g, "/r", "{\"sub\":\"ann\"}");
	unsigned i, j;

	sets(x->f, here, "away");
	for (i = 0; i < nitems(rising); i++)
		for (j = 0; j < nitems(rising); j++) {
			sets(x->f, x->ann, rising[i]);
			sets(x->g, there, rising[j]);
			status_is(x, i == 4 || j == 4 ? "offline" :
			    rising[i > j ? i : j]);
		}
	/* and it goes with the connection that has said it */
	sets(x->f, x->ann, "busy");
	sets(x->g, there, "dnd");
	status_is(x, "dnd");
	fake_gone(x->g, there);
	status_is(x, "busy");
	fake_gone(x->f, x->ann);
	status_is(x, "away");
	fake_gone(x->f, here);
	status_is(x, "offline");
	x->ann = come(x->f, "/r", "{\"sub\":\"ann\"}");
	status_is(x, "online");
}

static void
who_is_invisible_knows_it_and_back_ends_do(void **state)
{
	struct fixture *x = *state;
	struct api_presence q = { .ns = SLICE("r"), .user = SLICE("ann"),
		.limit = 2 };
	struct buf out;

	sets(x->f, x->ann, "invisible");
	(void)asks(x->g, x->bob, GET("[\"ann\"]"), "43/r,1[{\"users\":[{"
	    "\"user\":\"ann\",\"status\":\"offline\",\"connections\":0,"
	    "\"last_seen\":null}]}]");
	(void)asks(x->f, x->ann, GET("[\"ann\"]"), "43/r,1[{\"users\":[{"
	    "\"user\":\"ann\",\"status\":\"invisible\",\"connections\":1,");
	buf_init(&out);
	assert_int_equal(api_presence(x->f->hub, &q, &out), 200);
	buf_byte(&out, '\0');
	has((char *)out.data, "{\"user\":\"ann\",\"status\":\"offline\","
	    "\"connections\":1,\"last_seen\":null,\"invisible\":true}");
	buf_fini(&out);
}

static void
a_hidden_page_is_away(void **state)
{
	struct fixture *x = *state;

	(void)asks(x->f, x->ann, SET("\"hidden\""),
	    "43/r,1[{\"user\":\"ann\",\"status\":\"away\",\"connections\":1,");
	status_is(x, "away");
}

/* --- the idle clock -------------------------------------------------------- */

static void
is(struct fixture *x, const char *status)
{
	char want[64];

	(void)snprintf(want, sizeof want, "{\"user\":\"ann\",\"status\":\"%s\"",
	    status);
	has(asks(x->g, x->bob, GET("[\"ann\"]"), "43/r,1[{\"users\":["), want);
}

static void
who_is_silent_is_away_until_he_is_not(void **state)
{
	struct fixture *x = *state;

	fake_advance(x->w, 9999);
	is(x, "online");
	fake_advance(x->w, 1);
	is(x, "away");
	fake_advance(x->w, 60000);
	buf_reset(&x->ann->got);
	buf_reset(&x->bob->got);
	is(x, "away");
	(void)asks(x->f, x->ann, "42/r,1[\"q\",1]", "43/r,1[1]");
	is(x, "online");
	/* and the clock runs again */
	fake_advance(x->w, 10000);
	buf_reset(&x->bob->got);
	is(x, "away");
}

static void
who_is_away_or_busy_by_his_own_word_stays_so(void **state)
{
	struct fixture *x = *state;

	fake_say(x->f, x->ann, SET("\"busy\""));
	fake_advance(x->w, 11000);
	buf_reset(&x->bob->got);
	is(x, "busy");
	fake_say(x->f, x->ann, "42/r,1[\"q\",1]");
	is(x, "busy");
	fake_say(x->f, x->ann, SET("\"online\""));
	fake_advance(x->w, 10001);
	buf_reset(&x->bob->got);
	is(x, "away");
	/* who comes is not silent */
	(void)come(x->g, "/r", "{\"sub\":\"ann\"}");
	is(x, "online");
	fake_advance(x->w, 10000);
	buf_reset(&x->bob->got);
	is(x, "away");
}

/* One of two connections is used: that is not silence. */
static void
another_connection_of_the_user_counts(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *two = come(x->g, "/r", "{\"sub\":\"ann\"}");
	unsigned i;

	for (i = 0; i < 5; i++) {
		fake_advance(x->w, 6000);
		fake_say(x->g, two, "42/r,1[\"q\",1]");
		buf_reset(&x->bob->got);
		is(x, "online");
	}
	fake_advance(x->w, 10000);
	fake_advance(x->w, 2000);
	buf_reset(&x->bob->got);
	is(x, "away");
}

/* ... and the silence of the whole user is measured to the millisecond. */
static void
silence_begins_with_the_last_word_of_any_connection(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *two = come(x->g, "/r", "{\"sub\":\"ann\"}");

	fake_advance(x->w, 8000);
	fake_say(x->g, two, "42/r,1[\"q\",1]");
	fake_advance(x->w, 2000);	/* the first is looked at, too early */
	fake_advance(x->w, 7999);
	buf_reset(&x->bob->got);
	is(x, "online");
	fake_advance(x->w, 1);
	buf_reset(&x->bob->got);
	is(x, "away");
}

/* --- why somebody is gone --------------------------------------------------- */

/* user, or user in a room of /r: how the last one ended. */
static const char *
why(struct fixture *x, const char *user, const char *room)
{
	const struct hub *h = x->g->hub;
	const struct conf_namespace *ns =
	    conf_namespace_find(h->conf, SLICE("/r"));
	uint8_t key[STATUS_KEY_MAX];
	struct presence_info info;
	const char *name;
	size_t n;

	if (room == NULL) {
		assert_true(presence_get(x->g->presence, ns->index,
		    slice_str(user), &info));
	} else {
		n = status_room_key(key, slice_str(room), slice_str(user));
		assert_true(presence_get(x->g->presence,
		    conf_rooms_index(h->conf, ns), slice_of(key, n), &info));
	}
	name = why_name(info.why);
	return (name == NULL ? "" : name);
}

static void
who_is_gone_says_why_in_each_room(void **state)
{
	struct fixture *x = *state;
	struct fake_conn *two;
	struct client *c;

	fake_say(x->f, x->ann, "42/r,[\"room:join\",{\"room\":\"a\"}]");
	fake_say(x->f, x->ann, "42/r,[\"room:join\",{\"room\":\"b\"}]");
	fake_say(x->f, x->ann, "42/r,[\"room:leave\",{\"room\":\"a\"}]");
	assert_string_equal(why(x, "ann", "a"), "");
	assert_string_equal(why(x, "ann", NULL), "");
	fake_say(x->f, x->ann, "41/r,");
	assert_string_equal(why(x, "ann", "a"), "");
	assert_string_equal(why(x, "ann", "b"), "client_close");
	assert_string_equal(why(x, "ann", NULL), "client_close");
	/* of several connections the last one, as each ends */
	x->ann = come(x->f, "/r", "{\"sub\":\"ann\"}");
	two = come(x->g, "/r", "{\"sub\":\"ann\"}");
	fake_say(x->g, two, "42/r,[\"room:join\",{\"room\":\"b\"}]");
	client_close(two->client, REASON_slow_consumer);
	fake_gone(x->g, two);
	assert_string_equal(why(x, "ann", NULL), "slow_consumer");
	assert_string_equal(why(x, "ann", "b"), "slow_consumer");
	c = x->ann->client;
	c->kind->kick(c, c->sessions, REASON_kicked);
	assert_string_equal(why(x, "ann", NULL), "kicked");
	/* its connection ends later, and says nothing of him */
	fake_gone(x->f, x->ann);
	assert_string_equal(why(x, "ann", NULL), "kicked");
	/* who was told to leave a room is not gone */
	x->ann = come(x->f, "/r", "{\"sub\":\"ann\"}");
	fake_say(x->f, x->ann, "42/r,[\"room:join\",{\"room\":\"b\"}]");
	fake_say(x->f, x->ann, "42/r,[\"room:leave\",{\"room\":\"b\"}]");
	assert_string_equal(why(x, "ann", "b"), "");
	fake_gone(x->f, x->ann);
	assert_string_equal(why(x, "ann", NULL), "client_gone");
	assert_string_equal(why(x, "ann", "b"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_free)
		T(users_are_told_of_in_their_order),
		T(what_is_no_list_of_names_is_refused),
		T(where_presence_is_off_there_is_no_such_event),
		T(a_status_is_set_and_told_to_rooms),
		T(a_room_is_told_once_that_the_user_is_in),
		T(each_room_is_told_of_a_status_however_many),
		T(rooms_of_a_namespace_without_them_are_told_nothing),
		T(only_these_words_are_a_status_and_only_of_users),
		T(a_user_whose_room_has_too_long_a_name_is_counted),
		cmocka_unit_test(names_longer_than_the_key_are_not_shown),
		T(members_are_told_who_is_in_a_room),
		T(users_are_watched_once_and_up_to_a_limit),
		T(a_list_may_hold_so_many_names_and_no_more),
		T(the_first_status_of_all_connections_counts),
		T(who_is_invisible_knows_it_and_back_ends_do),
		T(a_hidden_page_is_away),
		T(who_is_silent_is_away_until_he_is_not),
		T(who_is_away_or_busy_by_his_own_word_stays_so),
		T(what_is_refused_is_not_accepted),
		T(long_lists_are_whole),
		T(another_connection_of_the_user_counts),
		T(silence_begins_with_the_last_word_of_any_connection),
		T(who_is_gone_says_why_in_each_room),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
