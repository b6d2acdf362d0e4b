/* What two configurations differ in, as a reload says it. */
#include "conf/read/diff.h"

#include "base/buf.h"
#include "tests/lib/conf_text.h"

#define SECRET1	"0123456789abcdef0123456789abcdef"
#define SECRET2	"0123456789abcdef0123456789abcdeF"

static void
take(void *arg, const struct conf_difference *d)
{
	static const char *const words[] = {
		[CONF_ADDED] = "added", [CONF_REMOVED] = "removed",
		[CONF_CHANGED] = "changed" };
	struct buf *out = arg;

	buf_printf(out, "%s %s", words[d->change], d->what);
	if (d->change == CONF_CHANGED)
		buf_printf(out, " %s -> %s", d->before, d->after);
	buf_printf(out, "%s\n", d->reload ? "" : " (restart)");
}

/* Both ways: what was added one way is removed the other. */
static void
assert_diff(const char *before, const char *after, const char *expected)
{
	struct conf *x = conf_text(before), *y = conf_text(after);
	struct buf out;
	int n, lines = 0;

	buf_init(&out);
	n = conf_diff(x, y, take, &out);
	buf_byte(&out, '\0');
	assert_string_equal((const char *)out.data, expected);
	for (; *expected != '\0'; expected++)
		lines += *expected == '\n';
	assert_int_equal(n, lines);
	buf_reset(&out);
	assert_int_equal(conf_diff(y, x, take, &out), n);
	buf_fini(&out);
	conf_free(&x);
	conf_free(&y);
}

static void
the_same_is_no_difference(void **state)
{
	(void)state;
	assert_diff("", "", "");
	assert_diff("workers = 2 log_level = info", "log_level = info # x\n"
	    "workers = 2", "");
	/* defaults, and other ways to write a value */
	assert_diff("", "heartbeat { interval = 25s } workers = auto", "");
	assert_diff("heartbeat { interval = 1m }",
	    "heartbeat { interval = 60s }", "");
	assert_diff("namespace '/a' { auth = none } namespace '/b' { auth ="
	    " none }", "namespace '/b' { auth = none } namespace '/a' { auth ="
	    " none }", "");
}

static void
a_directive_is_told_with_its_section(void **state)
{
	(void)state;
	assert_diff("workers = 2", "workers = auto",
	    "changed workers 2 -> auto\n");
	assert_diff("user = a", "user = b heartbeat { timeout = 1s }",
	    "changed heartbeat: timeout 20s -> 1s\n"
	    "changed user \"a\" -> \"b\" (restart)\n");
	assert_diff("namespace '/x' { auth = none event 'a b' { ack = none } }",
	    "namespace '/x' { auth = none event 'a b' { ack = accepted } }",
	    "changed namespace \"/x\": event \"a b\": ack none -> accepted\n");
	assert_diff("allowed_origins = {'http://a'}",
	    "allowed_origins = {'http://b', 'http://a'}",
	    "changed allowed_origins {\"http://a\"} -> "
	    "{\"http://b\", \"http://a\"}\n");
}

static void
a_section_is_told_as_one(void **state)
{
	(void)state;
	assert_diff("", "namespace '/x' { auth = none room 'a' {}"
	    " event 'e' {} }", "added namespace \"/x\"\n");
	assert_diff("namespace '/x' { auth = none }"
	    "namespace '/xy' { auth = none }",
	    "namespace '/x' { auth = none event 'e' {} }",
	    "added namespace \"/x\": event \"e\"\n"
	    "removed namespace \"/xy\"\n");
	assert_diff("rate 'r' { allow = 1/1s }", "rate 's' { allow = 1/1s }",
	    "removed rate \"r\"\nadded rate \"s\"\n");
}

/* Only where the first that matches applies. */
static void
the_order_of_patterns_counts(void **state)
{
	(void)state;
	assert_diff("namespace '/x' { auth = none room 'a{b}' {} room 'a:{b}'"
	    " {} }", "namespace '/x' { auth = none room 'a:{b}' {} room"
	    " 'a{b}' {} }",
	    "changed namespace \"/x\": room \"a:{b}\": position "
	    "behind \"a{b}\" -> first\n"
	    "changed namespace \"/x\": room \"a{b}\": position "
	    "first -> behind \"a:{b}\"\n");
	/* each namespace begins anew, and one more moves only its neighbour */
	assert_diff("namespace '/x' { auth = none room 'a' {} room 'b' {} }"
	    "namespace '/y' { auth = none room 'c' {} }",
	    "namespace '/x' { auth = none room 'z' {} room 'a' {} room 'b' {} }"
	    "namespace '/y' { auth = none room 'c' {} }",
	    "changed namespace \"/x\": room \"a\": position "
	    "first -> behind \"z\"\n"
	    "added namespace \"/x\": room \"z\"\n");
	assert_diff("namespace '/x' { auth = none } "
	    "route '/a' { namespace = '/x' } route '/b' { namespace = '/x' }",
	    "namespace '/x' { auth = none } "
	    "route '/b' { namespace = '/x' } route '/a' { namespace = '/x' }",
	    "changed route \"/a\": position first -> behind \"/b\"\n"
	    "changed route \"/b\": position behind \"/a\" -> first\n");
}

static void
secrets_are_compared_and_not_shown(void **state)
{
	(void)state;
	assert_diff("jwt { secret = '" SECRET1 "' }",
	    "jwt { secret = '" SECRET1 "' }", "");
	assert_diff("jwt { secret = '" SECRET1 "' }",
	    "jwt { secret = '" SECRET2 "' }",
	    "changed jwt: secret \"...\" -> \"...\"\n");
	assert_diff("redis { url = 'redis://u:p@h' }",
	    "redis { url = 'redis://u:q@h' }",
	    "changed redis: url \"redis://u:...@h\" -> "
	    "\"redis://u:...@h\"\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_no_difference),
		cmocka_unit_test(a_directive_is_told_with_its_section),
		cmocka_unit_test(a_section_is_told_as_one),
		cmocka_unit_test(the_order_of_patterns_counts),
		cmocka_unit_test(secrets_are_compared_and_not_shown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
