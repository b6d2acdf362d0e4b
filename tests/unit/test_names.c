/* Names of events and rooms, in whatever spelling they come. */
#include "pair.h"
#include "shm/counters.h"

#define LONG43	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"

#define CONF \
	"namespace \"/c\" { auth = none presence = rooms\n" \
	"  room \"{x}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off ack = accepted }\n" \
	"  event \"u\" { to = user:to meta = off ack = accepted }\n" \
	"  event \"5\" { to = nowhere error = \"five\" }\n" \
	"  event \"" LONG43 "\" { to = nowhere error = \"long\" }\n" \
	"  event \"*\" { to = namespace self = true meta = off } }\n"

struct fixture {
	PAIR;
	struct fake_conn *a, *b;	/* on two workers */
	char	 text[8192], name[4096];
};

static int
setup(void **state)
{
	struct fixture *x = pair_new(sizeof *x, CONF);
	struct refusal r;

	x->a = fake_enter(x->f, "/c", NULL);
	x->b = fake_plain(x->g, "/c", NULL, &r);
	*state = x;
	return (0);
}

/* Each byte as \u00XX. */
static const char *
spelled(struct fixture *x, const char *name)
{
	char *to = x->name;

	for (; *name != '\0'; name++, to += 6)
		(void)snprintf(to, 7, "\\u%04x", (unsigned char)*name);
	return (x->name);
}

static const char *
repeated(struct fixture *x, const char *piece, size_t n)
{
	size_t i, len = strlen(piece);

	for (i = 0; i < n; i++)
		memcpy(x->name + i * len, piece, len);
	x->name[n * len] = '\0';
	return (x->name);
}

/* Socket.IO; name as JSON. */
static void
emits(struct fixture *x, const char *name, const char *answer)
{
	(void)snprintf(x->text, sizeof x->text, "42/c,1[%s,{}]", name);
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, answer);
}

#define UNKNOWN	"43/c,1[{\"error\":{\"code\":\"unknown_event\"," \
		"\"message\":\"unknown event"
#define SERVERS	"43/c,1[{\"error\":{\"code\":\"unknown_event\"," \
		"\"message\":\"this name is the server's"

static void
a_rule_is_found_whatever_the_spelling(void **state)
{
	struct fixture *x = *state;

	(void)snprintf(x->text, sizeof x->text, "42/c,1[\"%s\",{}]",
	    spelled(x, LONG43));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"unknown_event\","
	    "\"message\":\"long\"}");
	emits(x, "5", "43/c,1[{\"error\":{\"code\":\"unknown_event\","
	    "\"message\":\"five\"}");
	emits(x, "5.0", "43/c,1[{\"error\":{\"code\":\"unknown_event\","
	    "\"message\":\"five\"}");
	emits(x, "50e-1", "43/c,1[{\"error\":{\"code\":\"unknown_event\","
	    "\"message\":\"five\"}");
	emits(x, "\"\\u0035\"", "43/c,1[{\"error\":{\"code\":"
	    "\"unknown_event\",\"message\":\"five\"}");
	fake_hears(x->b, "");
	fake_hears(x->a, "");
	emits(x, "6", "42/c,[6,{}]");
	fake_hears(x->b, "{\"event\":6,\"data\":{}}");
}

static void
what_cannot_be_named_is_unknown(void **state)
{
	static const char *const names[] = { "\"\"", "\"\\ud800\"",
		"\"a\\udfff\"", "\"a\\u0000\"", "\"a\\nb\"", "\"a\\u007f\"",
		"5.5", "1e300" };
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < nitems(names); i++)
		emits(x, names[i], UNKNOWN);
	(void)snprintf(x->text, sizeof x->text, "42/c,1[\"%s\",{}]",
	    repeated(x, "n", 257));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, UNKNOWN);
	(void)snprintf(x->text, sizeof x->text, "42/c,1[\"%s\",{}]",
	    repeated(x, "\\u006e", 257));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, UNKNOWN);
	fake_hears(x->a, "");
	fake_hears(x->b, "");
	/* 255 and 256 bytes are a name, however they are written */
	(void)snprintf(x->text, sizeof x->text, "42/c,[\"%s\"]",
	    repeated(x, "\\u006e", 255));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "42/c,[\"\\u006e\\u006e");
	fake_starts(x->b, "{\"event\":\"\\u006e");
	(void)snprintf(x->text, sizeof x->text, "42/c,[\"%s\"]",
	    repeated(x, "\\u006e", 256));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "42/c,[\"\\u006e\\u006e");
	fake_starts(x->b, "{\"event\":\"\\u006e");
}

static void
the_servers_names_are_so_in_every_spelling(void **state)
{
	struct fixture *x = *state;

	emits(x, "\"room:\\ud800\"", "43/c,1[{\"error\":{\"code\":"
	    "\"unknown_event\"");
	emits(x, "\"\\u0072oom\\u003ax\"", SERVERS);
	emits(x, "\"roost:\\u0000\"", UNKNOWN);
	(void)snprintf(x->text, sizeof x->text, "42/c,1[\"%s\",{}]",
	    spelled(x, "notification:abcdefghijklmnopqrstuvwxyzabcdef"));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, SERVERS);
	fake_say(x->g, x->b, "{\"event\":\"\\u0061uth:\\ud800\",\"id\":1}");
	fake_starts(x->b, "{\"ack\":1,\"error\":{\"code\":\"unknown_event\"");
	fake_hears(x->a, "");
	fake_hears(x->b, "");
}

/* Join, be sent to, be asked about, leave: one limit. */
static void
room_lives(struct fixture *x, const char *piece, size_t n)
{
	(void)snprintf(x->text, sizeof x->text,
	    "{\"event\":\"room:join\",\"data\":{\"room\":\"%s\"},\"id\":1}",
	    repeated(x, piece, n));
	fake_say(x->g, x->b, x->text);
	fake_starts(x->b, "{\"ack\":1,\"data\":{\"room\":");
	(void)snprintf(x->text, sizeof x->text,
	    "42/c,[\"room:join\",\"%s\"]", x->name);
	fake_say(x->f, x->a, x->text);
	(void)snprintf(x->text, sizeof x->text,
	    "42/c,1[\"m\",{\"room\":\"%s\"}]", x->name);
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"id\":");
	fake_starts(x->b, "{\"event\":\"m\",\"data\":{\"room\":");
	(void)snprintf(x->text, sizeof x->text,
	    "42/c,1[\"presence:get\",{\"room\":\"%s\"}]", x->name);
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"users\":[]");
	(void)snprintf(x->text, sizeof x->text,
	    "42/c,1[\"room:leave\",\"%s\"]", x->name);
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"room\":");
}

static void
a_room_has_256_bytes_in_every_spelling(void **state)
{
	static const char *const bad[] = { "r\\n", "\\ud800", "\\u0000", "",
		"\\u007f" };
	struct fixture *x = *state;
	size_t i;

	room_lives(x, "\\u0072", 90);
	room_lives(x, "r", 255);
	room_lives(x, "\\u0072", 255);
	room_lives(x, "r", 256);
	room_lives(x, "\\u0072", 256);
	room_lives(x, "\\u20ac", 85);
	(void)snprintf(x->text, sizeof x->text, "42/c,1[\"room:join\",\"%s\"]",
	    repeated(x, "\\u0072", 257));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"bad_request\"");
	for (i = 0; i < nitems(bad); i++) {
		(void)snprintf(x->text, sizeof x->text,
		    "42/c,1[\"room:join\",{\"room\":\"%s\"}]", bad[i]);
		fake_say(x->f, x->a, x->text);
		fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"bad_request\"");
		(void)snprintf(x->text, sizeof x->text,
		    "42/c,1[\"m\",{\"room\":\"%s\"}]", bad[i]);
		fake_say(x->f, x->a, x->text);
		fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"invalid\"");
	}
}

static void
users_and_statuses_may_be_spelled(void **state)
{
	struct fixture *x = *state;

	(void)snprintf(x->text, sizeof x->text,
	    "42/c,1[\"u\",{\"to\":\"%s\"}]", repeated(x, "\\u0072", 256));
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"id\":");
	(void)snprintf(x->text, sizeof x->text,
	    "42/c,1[\"presence:watch\",{\"users\":[\"%s\"]}]", x->name);
	fake_say(x->f, x->a, x->text);
	fake_starts(x->a, "43/c,1[{\"users\":[{\"user\":\"rrr");
	fake_say(x->f, x->a,
	    "42/c,1[\"presence:watch\",{\"users\":[\"a\\rb\"]}]");
	fake_starts(x->a, "43/c,1[{\"error\":{\"code\":\"bad_request\"");
}

static void
posts(struct fixture *x, int status, const char *body, const char *answer)
{
	struct ask *later;
	struct buf out;

	buf_init(&out);
	assert_int_equal(status, api_publish(x->f->hub, slice_str(body), x,
	    &out, &later));
	buf_byte(&out, '\0');
	assert_non_null(strstr((char *)out.data, answer));
	buf_fini(&out);
	fake_turn(x->w);
}

static void
back_ends_may_spell_as_they_like(void **state)
{
	static const char *const bad[] = {
		"\"event\":\"a\\n\"", "\"event\":\"\\ud800\"",
		"\"event\":\"\\u0000\"", "\"event\":\"\"",
		"\"event\":\"e\",\"room\":\"a\\r\\nb\"",
		"\"event\":\"e\",\"users\":[\"a\",\"b\\u000a\"]",
		"\"event\":\"e\",\"sid\":\"\\ud800\"",
		"\"event\":\"e\",\"except\":\"a\\n\"",
		"\"event\":\"e\",\"id\":\"a\\u0022b\"",
		"\"event\":\"e\",\"id\":\"a\\\\\"",
		"\"event\":\"e\",\"id\":\"\"",
	};
	struct fixture *x = *state;
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		(void)snprintf(x->text, sizeof x->text,
		    "{\"namespace\":\"c\",%s}", bad[i]);
		posts(x, 400, x->text, "bad_request");
		fake_hears(x->b, "");
	}
	posts(x, 200, "{\"namespace\":\"\\/\\u0063\",\"event\":\"e\","
	    "\"id\":\"a\\/b\"}", "{\"id\":\"a/b\"}");
	fake_starts(x->b, "{\"event\":\"e\",\"data\":null,\"meta\":{\"id\":\"a/b\"");
	posts(x, 200, "{\"namespace\":\"c\",\"event\":\"e\","
	    "\"id\":\"\\u0061/b\"}", "duplicate");
	(void)snprintf(x->text, sizeof x->text,
	    "{\"namespace\":\"c\",\"event\":\"%s\"}",
	    repeated(x, "\\u0065", 256));
	posts(x, 200, x->text, "{\"id\":");
	(void)snprintf(x->text, sizeof x->text,
	    "{\"namespace\":\"c\",\"event\":\"%s\"}",
	    repeated(x, "\\u0065", 257));
	posts(x, 400, x->text, "bad_request");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_rule_is_found_whatever_the_spelling, setup, pair_free),
		cmocka_unit_test_setup_teardown(
		    what_cannot_be_named_is_unknown, setup, pair_free),
		cmocka_unit_test_setup_teardown(
		    the_servers_names_are_so_in_every_spelling, setup,
		    pair_free),
		cmocka_unit_test_setup_teardown(
		    a_room_has_256_bytes_in_every_spelling, setup, pair_free),
		cmocka_unit_test_setup_teardown(
		    users_and_statuses_may_be_spelled, setup, pair_free),
		cmocka_unit_test_setup_teardown(
		    back_ends_may_spell_as_they_like, setup, pair_free),
	};
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
