/* What browsers are told about pages of other origins. */
#include "worker/http/cors.h"

#include "tests/lib/check.h"
#include "tests/lib/conf_text.h"

static void
assert_lines(const char *text, const char *origin, const char *headers,
    const char *want)
{
	struct conf *conf = conf_text(text);
	struct slice asked = slice_str(headers);
	struct buf b;

	buf_init(&b);
	cors_lines(&b, &conf->cors, slice_str(origin),
	    headers == NULL ? NULL : &asked);
	buf_byte(&b, '\0');
	assert_string_equal(want, (char *)b.data);
	buf_fini(&b);
	conf_free(&conf);
}

static void
without_origins_there_are_no_lines(void **state)
{
	(void)state;
	assert_lines("cors { credentials = true max_age = 1h }", "http://a",
	    NULL, "");
	assert_lines("", "http://a", "x", "");
}

static void
any_origin_is_a_star_and_does_not_vary(void **state)
{
	(void)state;
	assert_lines("cors { origins = '*' }", "http://a", NULL,
	    "Access-Control-Allow-Origin: *\r\n");
	assert_lines("cors { origins = {'http://b', '*'} }", "", NULL,
	    "Access-Control-Allow-Origin: *\r\n");
}

static void
listed_origins_are_named_and_others_are_not(void **state)
{
	static const char conf[] =
	    "cors { origins = {'http://a', 'http://*.b:*'} }";

	(void)state;
	assert_lines(conf, "http://a", NULL,
	    "Access-Control-Allow-Origin: http://a\r\nVary: Origin\r\n");
	assert_lines(conf, "http://x.b:81", NULL,
	    "Access-Control-Allow-Origin: http://x.b:81\r\nVary: Origin\r\n");
	assert_lines(conf, "http://a.evil", NULL, "Vary: Origin\r\n");
	assert_lines(conf, "null", NULL, "Vary: Origin\r\n");
	assert_lines(conf, "", NULL, "Vary: Origin\r\n");
}

static void
credentials_never_go_with_a_star(void **state)
{
	(void)state;
	assert_lines("cors { origins = '*' credentials = true }", "http://a",
	    NULL, "Access-Control-Allow-Origin: http://a\r\nVary: Origin\r\n"
	    "Access-Control-Allow-Credentials: true\r\n");
}

static void
a_preflight_names_methods_and_headers(void **state)
{
	(void)state;
	assert_lines("cors { origins = '*' }", "http://a", "x-one,x-two",
	    "Access-Control-Allow-Origin: *\r\n"
	    "Vary: Access-Control-Request-Headers\r\n"
	    "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
	    "Access-Control-Allow-Headers: x-one,x-two\r\n");
	assert_lines("cors { origins = 'http://a' methods = {GET, POST} "
	    "headers = {'X-A'} exposed = {'X-B', 'X-C'} max_age = 10m }",
	    "http://a", "", "Access-Control-Allow-Origin: http://a\r\n"
	    "Vary: Origin\r\nAccess-Control-Allow-Methods: GET,POST\r\n"
	    "Access-Control-Allow-Headers: X-A\r\n"
	    "Access-Control-Max-Age: 600\r\n"
	    "Access-Control-Expose-Headers: X-B,X-C\r\n");
	assert_lines("cors { origins = 'http://a' }", "http://a", "",
	    "Access-Control-Allow-Origin: http://a\r\n"
	    "Vary: Origin, Access-Control-Request-Headers\r\n"
	    "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_origins_there_are_no_lines),
		cmocka_unit_test(any_origin_is_a_star_and_does_not_vary),
		cmocka_unit_test(listed_origins_are_named_and_others_are_not),
		cmocka_unit_test(credentials_never_go_with_a_star),
		cmocka_unit_test(a_preflight_names_methods_and_headers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
