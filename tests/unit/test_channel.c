/* Names of Socket.IO's channels: made, and read back. */
#include "relay/bridge/channel.h"

#include "tests/lib/check.h"

static struct buf b;

static int
set_up(void **state)
{
	(void)state;
	buf_init(&b);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	buf_fini(&b);
	return (0);
}

static void
names_are_those_of_the_adapter(void **state)
{
	struct slice nsp = SLICE("/chat");

	(void)state;
	assert_slice(channel_name(&b, "socket.io", CHANNEL_BROADCAST, nsp),
	    "socket.io#/chat#");
	assert_slice(channel_name(&b, "socket.io", CHANNEL_REQUEST, nsp),
	    "socket.io-request#/chat#");
	assert_slice(channel_name(&b, "socket.io", CHANNEL_RESPONSE, nsp),
	    "socket.io-response#/chat#");
	assert_slice(channel_name(&b, "x", CHANNEL_REQUEST, SLICE("/")),
	    "x-request#/#");
	assert_slice(channel_of_room(&b, "socket.io", nsp, SLICE("a#b")),
	    "socket.io#/chat#a#b#");
}

/* Nothing in it means anything to Redis but the star at its end. */
static void
a_pattern_stands_for_its_namespace_alone(void **state)
{
	(void)state;
	assert_slice(channel_pattern(&b, "socket.io", SLICE("/chat")),
	    "socket.io#/chat#*");
	assert_slice(channel_pattern(&b, "a*b?", SLICE("/[x]\\")),
	    "a\\*b\\?#/\\[x\\]\\\\#*");
	assert_slice(channel_pattern(&b, "x", slice_of("/\0", 2)),
	    "x#/\0#*");
}

static void
a_room_is_what_stands_before_the_last_sign(void **state)
{
	static const struct {
		struct slice	 channel;
		const char	*room;	/* NULL: it is no such channel */
	} rows[] = {
		{ SLICE("p#/n#"), "" },
		{ SLICE("p#/n#r#"), "r" },
		{ SLICE("p#/n##"), "" },
		{ SLICE("p#/n#a#b#"), "a#b" },
		{ SLICE("p#/n###"), "#" },
		{ SLICE("p#/n#r"), NULL },
		{ SLICE("p#/n#*"), NULL },
		{ SLICE("p#/n"), NULL },
		{ SLICE("p#/m#r#"), NULL },
		{ SLICE("p#/nn#r#"), NULL },
		{ SLICE("q#/n#r#"), NULL },
		{ SLICE("p-request#/n#"), NULL },
		{ SLICE(""), NULL },
	};
	struct slice room;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(channel_room(rows[i].channel, "p", SLICE("/n"),
		    &room) == (rows[i].room != NULL), rows[i].channel);
		if (rows[i].room != NULL)
			assert_text(room, rows[i].room);
	}
}

static void
a_name_is_read_as_it_was_made(void **state)
{
	static const struct slice rooms[] = { SLICE("r"), SLICE("#"),
		SLICE("a#"), SLICE("#a"), SLICE("\xc3\xa4"), SLICE("*") };
	struct slice room;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rooms); i++) {
		assert_true(channel_room(channel_of_room(&b, "p", SLICE("/n"),
		    rooms[i]), "p", SLICE("/n"), &room));
		assert_slices(room, rooms[i]);
	}
}

static void
a_channel_concerns_a_room_or_all(void **state)
{
	static const struct {
		struct slice	 channel;
		const char	*room;
	} rows[] = {
		{ SLICE("p#/n#"), "" }, { SLICE("p#/n#*"), "" },
		{ SLICE("p-request#/n#"), "" }, { SLICE("p#/n#r#"), "r" },
		{ SLICE("p-response#/n#"), NULL },
		{ SLICE("p#/m#*"), NULL }, { SLICE("p-request#/m#"), NULL },
		{ SLICE("roost:publish"), NULL }, { SLICE(""), NULL },
	};
	struct slice room;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(channel_concerns(&b, rows[i].channel, "p",
		    SLICE("/n"), &room) == (rows[i].room != NULL),
		    rows[i].channel);
		if (rows[i].room != NULL)
			assert_text(room, rows[i].room);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(names_are_those_of_the_adapter),
		T(a_pattern_stands_for_its_namespace_alone),
		T(a_room_is_what_stands_before_the_last_sign),
		T(a_name_is_read_as_it_was_made),
		T(a_channel_concerns_a_room_or_all),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
