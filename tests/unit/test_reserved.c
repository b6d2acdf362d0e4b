/* Which names are not free. */
#include "base/reserved.h"

#include "tests/lib/check.h"

static void
each_is_known_and_its_neighbours_are_free(void **state)
{
	static const struct {
		struct slice	 name;
		bool		 socketio, server;
	} rows[] = {
		{ SLICE("connect"), true, false },
		{ SLICE("connect_error"), true, false },
		{ SLICE("disconnect"), true, false },
		{ SLICE("disconnecting"), true, false },
		{ SLICE("newListener"), true, false },
		{ SLICE("removeListener"), true, false },
		{ SLICE(""), false, false }, { SLICE("Connect"), false, false },
		{ SLICE("connect "), false, false },
		{ SLICE("error"), false, false },
		{ SLICE("room:"), false, true },
		{ SLICE("room:join"), false, true },
		{ SLICE("presence:x"), false, true },
		{ SLICE("history:x"), false, true },
		{ SLICE("notification:x"), false, true },
		{ SLICE("doc:x"), false, true },
		{ SLICE("auth:refresh"), false, true },
		{ SLICE("roost:ping"), false, true },
		{ SLICE("room"), false, false }, { SLICE("rooms:"), false, false },
		{ SLICE("Room:join"), false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(reserved_by_socketio(rows[i].name) ==
		    rows[i].socketio, rows[i].name);
		assert_row(reserved_by_server(rows[i].name) ==
		    rows[i].server, rows[i].name);
		assert_true(!rows[i].socketio ||
		    rows[i].name.n <= RESERVED_SOCKETIO_MAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_known_and_its_neighbours_are_free),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
