/* The body of /health. */
#include "worker/endpoint/health.h"

#include "tests/lib/check.h"

static void
healthy_has_the_shape_that_dashboards_know(void **state)
{
	static const struct health_namespace ns[] = {
		{ SLICE("/sessions"), 5, 6 }, { SLICE("/"), 1, 2 },
	};
	static const struct health_worker workers[] = {
		{ 1, 100, 2, 7 }, { 3, 101, 2, 1 },
	};
	const struct health h = { .version = "1.2.3", .uptime_s = 86400,
		.namespaces = ns, .nnamespaces = 2, .workers = workers,
		.nworkers = 2, .websocket = 9, .polling = 4, .sse = 2,
		.longpoll = 1, .eio_opened = 3, .eio_fallback = 1 };
	struct buf b;

	(void)state;
	buf_init(&b);
	health_encode(&b, &h);
	assert_buf(&b, "{\"status\":\"healthy\",\"namespaces\":{"
	    "\"sessions\":{\"users\":5,\"sockets\":6},"
	    "\"/\":{\"users\":1,\"sockets\":2}},"
	    "\"redis\":{\"connected\":false,\"configured\":false},"
	    "\"transports\":{\"websocket\":9,\"polling\":4,\"sse\":2,"
	    "\"longpoll\":1,\"fallback_rate\":0.3333},"
	    "\"uptime\":86400,\"version\":\"1.2.3\",\"workers\":["
	    "{\"slot\":1,\"pid\":100,\"generation\":2,\"connections\":7},"
	    "{\"slot\":3,\"pid\":101,\"generation\":2,\"connections\":1}"
	    "]}\n");
	buf_fini(&b);
}

static void
degraded_says_why_and_names_are_escaped(void **state)
{
	static const struct health_namespace ns = { SLICE("/a\"\\\n"), 0, 0 };
	const struct health h = { .version = "1", .degraded = "no relay",
		.namespaces = &ns, .nnamespaces = 1,
		.redis_configured = true, .redis_connected = true,
		.redis_nodes = 3, .redis_away = 1 };
	struct buf b;

	(void)state;
	buf_init(&b);
	health_encode(&b, &h);
	assert_buf(&b, "{\"status\":\"degraded\",\"reason\":\"no relay\","
	    "\"namespaces\":{\"a\\\"\\\\\\u000a\":"
	    "{\"users\":0,\"sockets\":0}},"
	    "\"redis\":{\"connected\":true,\"configured\":true,"
	    "\"nodes\":3,\"away\":1},"
	    "\"transports\":{\"websocket\":0,\"polling\":0,\"sse\":0,"
	    "\"longpoll\":0,\"fallback_rate\":0.0000},"
	    "\"uptime\":0,\"version\":\"1\",\"workers\":[]}\n");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(healthy_has_the_shape_that_dashboards_know),
		cmocka_unit_test(degraded_says_why_and_names_are_escaped),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
