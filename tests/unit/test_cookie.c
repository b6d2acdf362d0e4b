/* The cookie of a session over polling. */
#include "worker/http/cookie.h"

#include "tests/lib/check.h"
#include "tests/lib/conf_text.h"

static void
assert_line(const char *text, bool tls, const char *want)
{
	struct conf *conf = conf_text(text);
	struct buf b;

	buf_init(&b);
	cookie_line(&b, &conf->cookie, "SID", tls);
	buf_byte(&b, '\0');
	assert_string_equal(want, (char *)b.data);
	buf_fini(&b);
	conf_free(&conf);
}

static void
without_a_name_there_is_none(void **state)
{
	(void)state;
	assert_line("", true, "");
	assert_line("socketio { cookie_path = /x cookie_secure = true }", true,
	    "");
}

static void
the_reference_s_defaults(void **state)
{
	(void)state;
	assert_line("socketio { cookie = io }", false,
	    "Set-Cookie: io=SID; Path=/; HttpOnly; SameSite=Lax\r\n");
	assert_line("socketio { cookie = io }", true, "Set-Cookie: io=SID; "
	    "Path=/; HttpOnly; Secure; SameSite=Lax\r\n");
}

static void
each_attribute_can_be_chosen(void **state)
{
	(void)state;
	assert_line("socketio { cookie = __Host-io cookie_path = /a%20b "
	    "cookie_same_site = strict cookie_secure = true "
	    "cookie_max_age = 1h }", false, "Set-Cookie: __Host-io=SID; "
	    "Max-Age=3600; Path=/a%20b; HttpOnly; Secure; SameSite=Strict\r\n");
	assert_line("socketio { cookie = io cookie_secure = false "
	    "cookie_max_age = 1ms }", true, "Set-Cookie: io=SID; Max-Age=1; "
	    "Path=/; HttpOnly; SameSite=Lax\r\n");
	assert_line("socketio { cookie = io cookie_same_site = none }", false,
	    "Set-Cookie: io=SID; Path=/; HttpOnly; Secure; SameSite=None\r\n");
}

static void
what_would_break_the_line_is_refused(void **state)
{
	(void)state;
	assert_conf_errors("socketio { cookie = 'a b'\ncookie_path = x\n"
	    "cookie_same_site = no\ncookie_secure = maybe }\n",
	    "t:1: socketio: cookie = a b: has a character that names in HTTP "
	    "do not have\n"
	    "t:2: socketio: cookie_path = x: does not start with \"/\"\n"
	    "t:3: socketio: cookie_same_site = no: must be one of lax | "
	    "strict | none\n"
	    "t:4: socketio: cookie_secure = maybe: must be one of auto | true "
	    "| false\n");
	assert_conf_errors("socketio { cookie_path = '/a;b' }\n",
	    "t:1: socketio: cookie_path = /a;b: has a character that paths of "
	    "cookies do not have\n");
	assert_conf_errors("socketio { cookie = io cookie_same_site = none\n"
	    "cookie_secure = false }\n",
	    "t:2: socketio: cookie_same_site = none needs cookie_secure\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_name_there_is_none),
		cmocka_unit_test(the_reference_s_defaults),
		cmocka_unit_test(each_attribute_can_be_chosen),
		cmocka_unit_test(what_would_break_the_line_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
