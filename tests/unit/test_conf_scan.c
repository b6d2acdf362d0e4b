/* Words, quotes, comments and variables; what is left for libconfuse. */
#include "conf/conf_scan.h"

#include "tests/lib/conf_text.h"

/* The tokens as LINE:TEXT, joined by '|', then ' ' and the clean text with
 * line feeds as '/'. */
static void
assert_scan(const char *text, const char *want)
{
	struct conf_source src = { .file = "t", .text = slice_str(text),
		.env = conf_text_env };
	struct conf_diags diags;
	struct conf_scan scan;
	struct buf b;

	buf_init(&b);
	conf_diags_init(&diags);
	conf_scan_init(&scan);
	assert_true(conf_scan(&scan, &src, &diags));
	for (size_t i = 0; i < scan.n; i++)
		buf_printf(&b, "%s%d:%s", i == 0 ? "" : "|",
		    scan.tokens[i].at.line, scan.tokens[i].text);
	buf_byte(&b, ' ');
	for (const char *p = (const char *)scan.clean.data; *p != '\0'; p++)
		if (*p == '\n')
			buf_byte(&b, '/');
		else if (*p != ' ')
			buf_byte(&b, (uint8_t)*p);
	assert_text(buf_unread(&b), want);
	conf_scan_fini(&scan);
	conf_diags_fini(&diags);
	buf_fini(&b);
}

static void
values_become_numbers_of_tokens(void **state)
{
	(void)state;
	assert_scan("", " ");
	assert_scan("workers = 2", "1:2 workers=0");
	assert_scan("allowed_origins = {a, 'b', \"c\"}",
	    "1:a|1:b|1:c allowed_origins={0,1,2}");
	assert_scan("namespace \"/x\" {\n room a:b { join=claim:c } }",
	    "1:/x|2:a:b|2:claim:c namespace0{/room1{join=2}}");
}

static void
lines_count_whatever_stands_between(void **state)
{
	(void)state;
	assert_scan("# one\n// two\n/* three\nfour */workers = 1#\n"
	    "user = \"a\nb\"\r\npidfile = x",
	    "4:1|5:a\nb|7:x ///workers=0/user=/1/pidfile=2");
	assert_scan("\xef\xbb\xbfuser = http:// x\n", "1:http: user=0/");
}

static void
strings_know_the_escapes_of_json_and_c(void **state)
{
	(void)state;
	assert_scan("user = \"\\\"\\\\\\$\\/\\x41\\u00e9\\u20ac\\t\"",
	    "1:\"\\$/A\xc3\xa9\xe2\x82\xac\t user=0");
	assert_scan("user = 'a\\'b\\\\c\\d${EMPTY}'",
	    "1:a'b\\c\\d${EMPTY} user=0");
	assert_scan("user = \"a\\\nb\"", "1:ab user=/0");
}

static void
variables_come_from_the_environment_given(void **state)
{
	(void)state;
	assert_scan("user = ${EMPTY}", "1: user=0");
	assert_scan("user = a${EMPTY}b${NONE:-c:-d}e", "1:abc:-de user=0");
	assert_scan("user = \"${EMPTY:-x}${NONE:-}$\"", "1:x$ user=0");
	assert_scan("user = ${SECRET}",
	    "1:0123456789abcdef0123456789abcdef user=0");
	/* what a variable holds is not read again */
	assert_scan("user = \"${NONE:-${EMPTY}\"", "1:${EMPTY user=0");
}

static void
a_missing_variable_is_an_error_at_its_line(void **state)
{
	(void)state;
	assert_conf_errors("\nuser = \"${NONE}\"\npidfile = ${NONE2}",
	    "t:2: the environment does not set NONE "
	    "(${NONE:-DEFAULT} has a default)\n"
	    "t:3: the environment does not set NONE2 "
	    "(${NONE2:-DEFAULT} has a default)\n");
	assert_conf_errors("workers = ${NONE}",
	    "t:1: the environment does not set NONE "
	    "(${NONE:-DEFAULT} has a default)\n");
	assert_conf_errors("user = ${1}", "t:1: \"${1}\" is not a variable\n");
	assert_conf_errors("user = ${NONE", "t:1: \"${\" without \"}\"\n");
}

static void
unknown_directives_are_left_out_with_all_they_hold(void **state)
{
	(void)state;
	assert_conf_errors("wrokers = 2\nnope \"t\" { a = {1, 2}\n b { c = 3 "
	    "} }\nlimits { fragment = 2 workers = 3 event 'x' {} }",
	    "t:1: unknown directive wrokers, did you mean workers?\n"
	    "t:2: unknown directive nope\n"
	    "t:4: unknown directive event in limits, it belongs in namespace\n"
	    "t:4: unknown directive fragment in limits, did you mean "
	    "fragments?\n"
	    "t:4: unknown directive workers in limits, it belongs outside\n");
	assert_conf_errors("nope 1 2", "t:1: unknown directive nope\n");
	assert_conf_errors("nope {", "t:1: unknown directive nope\n");
}

static void
what_is_said_twice_is_an_error(void **state)
{
	(void)state;
	assert_conf_errors("workers = 2\nworkers = 3\nlimits {}\nlimits {}",
	    "t:2: workers is repeated (first in line 1)\n"
	    "t:4: limits is repeated (first in line 3)\n");
}

static void
broken_text_is_reported_alone(void **state)
{
	static const struct {
		const char	*text, *error;
	} rows[] = {
		{ "nope = 1\nuser = \"a", "t:2: string without end\n" },
		{ "user = 'a\n", "t:1: string without end\n" },
		{ "user = \"\\", "t:1: string without end\n" },
		{ "\n/* a", "t:2: comment without end\n" },
		{ "user = \"\\q\"", "t:1: unknown escape \"\\q\"\n" },
		{ "user = \"\\x0\"", "t:1: \\x needs 2 hexadecimal digits of "
		    "a character other than NUL\n" },
		{ "user = \"\\ud800\"", "t:1: \\u needs 4 hexadecimal digits "
		    "of a character other than NUL\n" },
		{ "user = \"\xff\"", "t:1: string is not UTF-8 text\n" },
		{ "user = \"\\xff\"", "t:1: string is not UTF-8 text\n" },
		{ "listen *:80 {}", "t:1: '*' must be in quotes here\n" },
		{ "user + 2", "t:1: '+' must be in quotes here\n" },
		{ "user = \001", "t:1: byte 0x01 in the text\n" },
		{ "api {\n key 'x' {\n", "t:2: key { has no closing brace\n" },
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_conf_errors(rows[i].text, rows[i].error);
}

static void
bad_structure_is_told_by_libconfuse(void **state)
{
	static const struct {
		const char	*text, *error;
	} rows[] = {
		{ "nope = 1\nworkers 5", "t:2: syntax: missing equal sign "
		    "after option 'workers'\n" },
		{ "# a\n# b\n}", "t:3: syntax: unexpected closing brace\n" },
		{ "allowed_origins = {a b}",
		    "t:1: syntax: unexpected token 'b'\n" },
		{ "workers = {2}", "t:1: syntax: unexpected token '{'\n" },
		{ "workers = (", "t:1: syntax: unexpected token '('\n" },
		{ "workers =", "t:1: syntax: premature end of file\n" },
		{ "workers += 2", "t:1: syntax: attempt to append to non-list "
		    "option 'workers'\n" },
		{ "limits = 5", "t:1: syntax: missing opening brace for "
		    "section 'limits'\n" },
		{ "route { }", "t:1: syntax: missing title for section "
		    "'route'\n" },
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_conf_errors(rows[i].text, rows[i].error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_become_numbers_of_tokens),
		cmocka_unit_test(lines_count_whatever_stands_between),
		cmocka_unit_test(strings_know_the_escapes_of_json_and_c),
		cmocka_unit_test(variables_come_from_the_environment_given),
		cmocka_unit_test(a_missing_variable_is_an_error_at_its_line),
		cmocka_unit_test(
		    unknown_directives_are_left_out_with_all_they_hold),
		cmocka_unit_test(what_is_said_twice_is_an_error),
		cmocka_unit_test(broken_text_is_reported_alone),
		cmocka_unit_test(bad_structure_is_told_by_libconfuse),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
