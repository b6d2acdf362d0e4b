/* Words, quotes, comments and variables; and the tree that they make. */
#include "conf/text/tree.h"

#include "tests/lib/conf_text.h"

static void
print_token(const struct conf_token *t, struct buf *out)
{
	buf_printf(out, "%d:%s", t->at.line, t->text);
}

/* NAME=LINE:WORD,LINE:WORD for directives, NAME(LINE:TITLE){...} for
 * sections, each with a blank behind it. */
static void
print_tree(const struct conf_tree *tree, struct buf *out)
{
	const struct conf_given *g;
	const struct conf_tree *part;

	for (g = tree->given; g < tree->given + tree->ngiven; g++) {
		buf_printf(out, "%s=", conf_directives[g->row].name);
		for (size_t i = 0; i < g->n; i++) {
			buf_str(out, i == 0 ? "" : ",");
			print_token(&g->tokens[i], out);
		}
		buf_byte(out, ' ');
	}
	for (part = tree->parts; part < tree->parts + tree->nparts; part++) {
		buf_str(out, conf_sections[part->section].name);
		if (part->title.text != NULL) {
			buf_byte(out, '(');
			print_token(&part->title, out);
			buf_byte(out, ')');
		}
		buf_byte(out, '{');
		print_tree(part, out);
		buf_str(out, "} ");
	}
}

static void
assert_tree(const char *text, const char *want)
{
	struct conf_source src = { .file = "t", .text = slice_str(text),
		.env = conf_text_env };
	struct conf_diags diags;
	struct conf_tree tree;
	struct buf b;

	buf_init(&b);
	conf_diags_init(&diags);
	assert_true(conf_tree_read(&tree, &src, &diags));
	print_tree(&tree, &b);
	assert_text(buf_unread(&b), want);
	conf_tree_fini(&tree);
	conf_diags_fini(&diags);
	buf_fini(&b);
}

static void
sections_hold_what_is_given_to_directives(void **state)
{
	(void)state;
	assert_tree("", "");
	assert_tree("workers = 2", "workers=1:2 ");
	assert_tree("allowed_origins = {a, 'b', \"c\",}",
	    "allowed_origins=1:a,1:b,1:c ");
	assert_tree("allowed_origins = {} hosts = a", "allowed_origins= hosts=1:a ");
	assert_tree("namespace \"/x\" {\n room a:b { join=claim:c } }\n"
	    "jwt { key k { file = f } leeway = 1s } namespace /y {}",
	    "namespace(1:/x){room(2:a:b){join=2:claim:c } } "
	    "jwt{leeway=3:1s key(3:k){file=3:f } } namespace(3:/y){} ");
}

static void
lists_grow(void **state)
{
	(void)state;
	assert_tree("hosts += a hosts += {b,\nc} hosts += {}",
	    "hosts=1:a,1:b,2:c ");
	assert_tree("hosts = {a} hosts /* more */ += b", "hosts=1:a,1:b ");
}

static void
lines_count_whatever_stands_between(void **state)
{
	(void)state;
	assert_tree("# one\n// two\n/* three\nfour */workers = 1#\n"
	    "user = \"a\nb\"\r\npidfile = x",
	    "workers=4:1 user=5:a\nb pidfile=7:x ");
	assert_tree("\xef\xbb\xbfuser = http:// x\n", "user=1:http: ");
}

static void
strings_know_the_escapes_of_json_and_c(void **state)
{
	(void)state;
	assert_tree("user = \"\\\"\\\\\\$\\/\\x41\\u00e9\\u20ac\\t\"",
	    "user=1:\"\\$/A\xc3\xa9\xe2\x82\xac\t ");
	assert_tree("user = 'a\\'b\\\\c\\d${EMPTY}'",
	    "user=1:a'b\\c\\d${EMPTY} ");
	assert_tree("user = \"a\\\nb\"", "user=1:ab ");
}

static void
variables_come_from_the_environment_given(void **state)
{
	(void)state;
	assert_tree("user = ${EMPTY}", "user=1: ");
	assert_tree("user = a${EMPTY}b${NONE:-c:-d}e", "user=1:abc:-de ");
	assert_tree("user = \"${EMPTY:-x}${NONE:-}$\"", "user=1:x$ ");
	assert_tree("user = ${SECRET}",
	    "user=1:0123456789abcdef0123456789abcdef ");
	/* what a variable holds is not read again */
	assert_tree("user = \"${NONE:-${EMPTY}\"", "user=1:${EMPTY ");
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
	assert_conf_errors("hosts += a\nhosts = b\nlimits { fragments = 1\n"
	    "fragments = ${NONE}\nfragments { nope = ${NONE} } }",
	    "t:2: hosts is repeated (first in line 1)\n"
	    "t:4: fragments is repeated (first in line 3)\n"
	    "t:5: fragments is repeated (first in line 3)\n");
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
		{ "hosts = a\nhosts /* a", "t:2: comment without end\n" },
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
		{ "nope = 1\nworkers = 4;", "t:2: a semicolon ends nothing here: "
		    "leave it out, or put it into quotes\n" },
		{ "worker_processes 4;", "t:1: a semicolon ends nothing here: "
		    "leave it out, or put it into quotes\n" },
		{ "hosts = {a, b};", "t:1: a semicolon ends nothing here: "
		    "leave it out, or put it into quotes\n" },
		{ "api {\n key 'x' {\n", "t:2: key { has no closing brace\n" },
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_conf_errors(rows[i].text, rows[i].error);
}

static void
bad_structure_is_told_where_it_is(void **state)
{
	static const struct {
		const char	*text, *error;
	} rows[] = {
		{ "nope = 1\nworkers 5", "t:2: syntax: missing equal sign "
		    "after directive 'workers': workers = ...\n" },
		{ "# a\n# b\n}", "t:3: syntax: unexpected closing brace\n" },
		{ "allowed_origins = {a b}",
		    "t:1: syntax: unexpected token 'b'\n" },
		{ "workers = {2}", "t:1: syntax: unexpected token '{'\n" },
		{ "workers = (", "t:1: syntax: unexpected token '('\n" },
		{ "workers =", "t:1: syntax: premature end of file\n" },
		{ "workers += 2", "t:1: syntax: attempt to append to non-list "
		    "directive 'workers'\n" },
		{ "limits = 5", "t:1: syntax: missing opening brace for "
		    "section 'limits': limits { ... }\n" },
		{ "route { }", "t:1: syntax: missing title for section "
		    "'route': route \"PATH\" { ... }\n" },
		{ "limits \"x\" {}", "t:1: syntax: missing opening brace for "
		    "section 'limits': limits { ... }\n" },
		{ "hosts = {a,,b}", "t:1: syntax: unexpected token ','\n" },
		{ "hosts = {a,", "t:1: syntax: premature end of file\n" },
		/* the first is told, whatever it makes of the rest */
		{ "listen {\n nope = 1 }\nuser = \"", "t:1: syntax: missing "
		    "title for section 'listen': listen \"ADDRESS\" "
		    "{ ... }\n" },
		/* where it begins */
		{ "listen \"a\nb\"\n\"c\nd\" {}", "t:3: syntax: missing "
		    "opening brace for section 'listen': listen \"ADDRESS\" "
		    "{ ... }\n" },
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_conf_errors(rows[i].text, rows[i].error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_hold_what_is_given_to_directives),
		cmocka_unit_test(lists_grow),
		cmocka_unit_test(lines_count_whatever_stands_between),
		cmocka_unit_test(strings_know_the_escapes_of_json_and_c),
		cmocka_unit_test(variables_come_from_the_environment_given),
		cmocka_unit_test(a_missing_variable_is_an_error_at_its_line),
		cmocka_unit_test(
		    unknown_directives_are_left_out_with_all_they_hold),
		cmocka_unit_test(what_is_said_twice_is_an_error),
		cmocka_unit_test(broken_text_is_reported_alone),
		cmocka_unit_test(bad_structure_is_told_where_it_is),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
