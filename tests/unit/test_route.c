/* Which part of the worker a path is for. */
#include "worker/http/route.h"

#include "conf/read/free.h"
#include "conf/read/parse.h"
#include "tests/lib/check.h"

static const char conf_text[] =
    "namespace \"/\" { auth = none }\n"
    "namespace \"/chat\" { auth = none room \"t:{id}\" { join = open } }\n"
    "route \"/ws/comments/{track_id}\" { namespace = \"/chat\"\n"
    "  join = \"t:{track_id}\" }\n"
    "route \"/ws/chat\" { namespace = \"/\" }\n"
    "route \"/engine.io\" { namespace = \"/\" format = engine }\n"
    "route \"/live/{id}\" { namespace = \"/\" format = engine }\n";

/* Parameters that could stand for anything. */
static const char conf_greedy[] =
    "namespace \"/\" { auth = none }\n"
    "route \"/{a}\" { namespace = \"/\" }\n"
    "route \"/{a}/{b}\" { namespace = \"/\" }\n"
    "route \"/{a}/{b}/{c}\" { namespace = \"/\" }\n";

static const char *
no_env(const char *name)
{
	(void)name;
	return (NULL);
}

static struct conf *
conf_of(const char *text)
{
	const struct conf_source src = { .file = "t", .env = no_env,
		.text = slice_str(text) };
	struct conf_errors e;
	struct conf *conf;

	conf_errors_init(&e);
	conf = conf_parse(&src, &e);
	if (conf == NULL)
		fprintf(stderr, "%.*s", (int)buf_unread(&e.text).n,
		    (const char *)buf_unread(&e.text).p);
	conf_errors_fini(&e);
	return (conf);
}

static int
setup(void **state)
{
	*state = conf_of(conf_text);
	return (*state == NULL ? -1 : 0);
}

static int
teardown(void **state)
{
	struct conf *c = *state;

	conf_free(&c);
	return (0);
}

static void
paths_find_their_part(void **state)
{
	static const struct {
		const char	*path;
		enum route	 route;
	} rows[] = {
		{ "/socket.io/", ROUTE_ENGINE },
		{ "/socket.io", ROUTE_ENGINE },
		{ "/socket.io/extra/path", ROUTE_ENGINE },
		{ "/socket.iox/", ROUTE_NONE },
		{ "/ws", ROUTE_PLAIN }, { "/ws/", ROUTE_PLAIN },
		{ "/ws/chat", ROUTE_PLAIN }, { "/wsx", ROUTE_NONE },
		{ "/ws/comments/7", ROUTE_PLAIN },
		{ "/ws/comments/7/", ROUTE_PLAIN },
		{ "/engine.io", ROUTE_ENGINE }, { "/engine.io/", ROUTE_ENGINE },
		{ "/engine.io//", ROUTE_NONE }, { "/engine.iox", ROUTE_NONE },
		{ "/engine.io/x", ROUTE_NONE },
		{ "/live/7", ROUTE_ENGINE }, { "/live/7/", ROUTE_ENGINE },
		{ "/live/", ROUTE_NONE }, { "/live", ROUTE_NONE },
		{ "/health", ROUTE_HEALTH },
		{ "/health/websocket", ROUTE_HEALTH },
		{ "/api/health/websocket", ROUTE_HEALTH },
		{ "/livez", ROUTE_LIVE }, { "/readyz", ROUTE_READY },
		{ "/healthz", ROUTE_BOTH },
		{ "/api/v1/publish", ROUTE_PUBLISH },
		{ "/api/v1/batch", ROUTE_BATCH },
		{ "/api/v1/batch/", ROUTE_BATCH },
		{ "/api/v1/batch//", ROUTE_NONE },
		{ "/api/v1/presence/chat/", ROUTE_PRESENCE },
		{ "/api/v1/disconnect", ROUTE_DISCONNECT },
		{ "/api/v1/rooms", ROUTE_ROOMS_ORDER },
		{ "/api/v1/users/ann/disconnect", ROUTE_DISCONNECT },
		{ "/api/v1/users/a%2fb/rooms", ROUTE_ROOMS_ORDER },
		{ "/api/v1/users/", ROUTE_NONE },
		{ "/api/v1/users/ann", ROUTE_USER },
		{ "/api/v1/users/ann/", ROUTE_USER },
		{ "/api/v1/users/ann//", ROUTE_NONE },
		{ "/api/v1/rooms/", ROUTE_ROOMS_ORDER },
		{ "/api/v1/rooms/chat", ROUTE_ROOMS },
		{ "/api/v1/rooms/chat/a/b", ROUTE_ROOMS },
		{ "/api/v1/stats", ROUTE_STATS },
		{ "/api/v1/answers", ROUTE_ANSWERS },
		{ "/api/v1/hooks", ROUTE_HOOKS },
		{ "/api/v1/hooks/", ROUTE_HOOKS },
		{ "/api/v1/hooks/back", ROUTE_NONE },
		{ "/api/v1/hooks/back/dead", ROUTE_HOOKS },
		{ "/api/v1/hooks/back/dead/", ROUTE_HOOKS },
		{ "/api/v1/hooks//dead", ROUTE_NONE },
		{ "/api/v1/hooks/back/dead/retry", ROUTE_HOOKS_RETRY },
		{ "/api/v1/hooks/b%2fk/dead/forget", ROUTE_HOOKS_FORGET },
		{ "/api/v1/hooks/back/dead/other", ROUTE_NONE },
		{ "/api/v1/users//rooms", ROUTE_NONE },
		{ "/api/v1/users/ann/rooms/", ROUTE_ROOMS_ORDER },
		{ "/api/v1/users/ann/rooms//", ROUTE_NONE },
		{ "/api/v1/users/a/b/rooms", ROUTE_NONE },
		{ "/demo/", ROUTE_DEMO }, { "/demo", ROUTE_DEMO_MOVED },
		{ "/", ROUTE_ROOT }, { "*", ROUTE_ROOT },
		{ "//", ROUTE_ROOT }, { "///", ROUTE_NONE }, { "", ROUTE_NONE },
		{ "//health", ROUTE_NONE }, { "/health/", ROUTE_HEALTH },
		{ "/health//", ROUTE_NONE },
		{ "/HEALTH", ROUTE_NONE }, { "/%68ealth", ROUTE_NONE },
		{ "/demo/../health", ROUTE_NONE },
	};
	struct route_match m;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		route_find(*state, slice_str(rows[i].path), &m);
		assert_row(m.route == rows[i].route,
		    slice_str(rows[i].path));
	}
}

static void
a_namespace_is_what_follows_ws(void **state)
{
	struct route_match m;

	route_find(*state, SLICE("/ws"), &m);
	assert_slice(m.ns_name, "");
	route_find(*state, SLICE("/ws/"), &m);
	assert_slice(m.ns_name, "/");
	route_find(*state, SLICE("/ws/a%2Fb"), &m);
	assert_slice(m.ns_name, "/a%2Fb");
	assert_null(m.conf);
}

static void
configured_routes_win(void **state)
{
	struct slice values[CONF_PARAMS_MAX];
	uint8_t out[ROUTE_PATH_MAX];
	struct route_match m;

	route_find(*state, SLICE("/ws/comments/a%20b"), &m);
	assert_non_null(m.conf);
	assert_true(route_values(m.conf, SLICE("/ws/comments/a%20b"), out,
	    values));
	assert_slice(values[0], "a b");
	route_find(*state, SLICE("/ws/chat"), &m);
	assert_int_equal(m.route, ROUTE_PLAIN);
	assert_non_null(m.conf);
}

/* What a parameter is in the end is what is matched. */
static void
parameters_are_matched_decoded(void **state)
{
	static const struct {
		const char	*path;
		const char	*value;	/* NULL: no route */
	} rows[] = {
		{ "/ws/comments/5", "5" }, { "/ws/comments/%35", "5" },
		{ "/ws/%63omments/5", "5" },
		{ "/ws/comments/5%253Aeditors", "5%3Aeditors" },
		{ "/ws/comments/a%C3%A9%7Bx%7D", "a\xc3\xa9{x}" },
		{ "/ws/comments/5%3Aeditors", NULL },
		{ "/ws/comments/5%3aeditors", NULL },
		{ "/ws/comments/5:editors", NULL },
		{ "/ws/comments/%3A", NULL }, { "/ws/comments/", NULL },
		{ "/ws/comments/5%2Feditors", NULL },
		{ "/ws/comments%2F5", NULL }, { "/ws%2fcomments/5", NULL },
		{ "/ws/comments/5%0a", NULL }, { "/ws/comments/%0D", NULL },
		{ "/ws/comments/%00", NULL }, { "/ws/comments/5%7f", NULL },
		{ "/ws/comments/%1f", NULL }, { "/ws/comments/%zz", NULL },
		{ "/ws/comments/%4", NULL },
		{ "/live/7%3A1", NULL }, { "/live/7%2F", NULL },
		{ "/live/%37/", "7" },
	};
	struct slice values[CONF_PARAMS_MAX];
	uint8_t out[ROUTE_PATH_MAX];
	struct route_match m;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		struct slice path = slice_str(rows[i].path);

		route_find(*state, path, &m);
		if (m.conf != NULL && route_values(m.conf, path, out, values))
			assert_text(values[0], rows[i].value);
		else
			assert_row(rows[i].value == NULL, path);
	}
}

static void
a_parameter_stands_for_none_of_our_own(void **state)
{
	static const struct {
		const char	*path;
		enum route	 route;
	} rows[] = {
		{ "/health", ROUTE_HEALTH }, { "/livez", ROUTE_LIVE },
		{ "/readyz", ROUTE_READY }, { "/healthz", ROUTE_BOTH },
		{ "/metrics", ROUTE_METRICS },
		{ "/health/websocket", ROUTE_HEALTH },
		{ "/api/health/websocket", ROUTE_HEALTH },
		{ "/api/v1/publish", ROUTE_PUBLISH },
		{ "/api/v1/nothing", ROUTE_NONE },
		{ "/demo", ROUTE_DEMO_MOVED },
		{ "/socket.io", ROUTE_ENGINE }, { "/socket.io/", ROUTE_ENGINE },
		{ "/healths", ROUTE_PLAIN }, { "/api/v2/publish", ROUTE_PLAIN },
		{ "/ws/chat", ROUTE_PLAIN },
		{ "/%68ealth", ROUTE_NONE }, { "/%6detrics", ROUTE_NONE },
		{ "/api/%761/x", ROUTE_NONE }, { "/de%6Do", ROUTE_NONE },
		{ "/socket%2eio/x", ROUTE_NONE },
	};
	struct conf *conf = conf_of(conf_greedy);
	struct route_match m;
	size_t i;

	(void)state;
	assert_non_null(conf);
	for (i = 0; i < nitems(rows); i++) {
		route_find(conf, slice_str(rows[i].path), &m);
		assert_row(m.route == rows[i].route &&
		    (m.conf != NULL) == (m.route == ROUTE_PLAIN),
		    slice_str(rows[i].path));
	}
	conf_free(&conf);
}

static void
sockjs_is_below_its_endpoint(void **state)
{
	static const struct {
		const char	*path;
		enum route	 route;
		const char	*base, *below;
	} rows[] = {
		{ "/ws/a", ROUTE_SOCKJS, "/ws/a", "" },
		{ "/ws/a/", ROUTE_SOCKJS, "/ws/a", "" },
		{ "/ws/a/info", ROUTE_SOCKJS, "/ws/a", "/info" },
		{ "/ws/%61/info", ROUTE_SOCKJS, "/ws/%61", "/info" },
		{ "/ws/a/0/x/xhr", ROUTE_SOCKJS, "/ws/a", "/0/x/xhr" },
		{ "/ws/a/b", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/a/b/info", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/a/c", ROUTE_SOCKJS, "/ws/a", "/c" },
		{ "/ws/a/x/xhr", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/a//", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/a//x/xhr", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/a/0//xhr", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/a/0/0/x/xhr", ROUTE_PLAIN, NULL, NULL },
		{ "/ws/off/info", ROUTE_PLAIN, NULL, NULL },
		{ "/r/1/info", ROUTE_SOCKJS, "/r/1", "/info" },
		{ "/r/1/0/x/xhr", ROUTE_SOCKJS, "/r/1", "/0/x/xhr" },
		{ "/r/1", ROUTE_SOCKJS, "/r/1", "" },
		{ "/r/info", ROUTE_SOCKJS, "/r/info", "" },
		{ "/r/1/own", ROUTE_PLAIN, NULL, NULL },
		{ "/p/info", ROUTE_NONE, NULL, NULL },
		{ "/info", ROUTE_NONE, NULL, NULL },
	};
	struct conf *conf = conf_of(
	    "namespace \"/a\" { auth = none sockjs = true }\n"
	    "namespace \"/a/b\" { auth = none }\n"
	    "namespace \"/off\" { auth = none }\n"
	    "route \"/r/{id}\" { namespace = \"/off\" sockjs = true }\n"
	    "route \"/r/{id}/own\" { namespace = \"/off\" }\n"
	    "route \"/p\" { namespace = \"/a\" }\n");
	struct route_match m;
	size_t i;

	(void)state;
	assert_non_null(conf);
	for (i = 0; i < nitems(rows); i++) {
		route_find(conf, slice_str(rows[i].path), &m);
		assert_row(m.route == rows[i].route, slice_str(rows[i].path));
		if (rows[i].base != NULL)
			assert_row(slice_eq(m.base, slice_str(rows[i].base)) &&
			    slice_eq(m.below, slice_str(rows[i].below)),
			    slice_str(rows[i].path));
	}
	conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_find_their_part),
		cmocka_unit_test(a_namespace_is_what_follows_ws),
		cmocka_unit_test(configured_routes_win),
		cmocka_unit_test(parameters_are_matched_decoded),
		cmocka_unit_test(a_parameter_stands_for_none_of_our_own),
		cmocka_unit_test(sockjs_is_below_its_endpoint),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
