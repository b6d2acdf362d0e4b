/* What JSON must be: patterns, formats, schemas, lines of check. */
#include "conf/schema/schema.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/schema/regex.h"
#include "proto/json.h"
#include "tests/lib/conf_text.h"

/* --- patterns ------------------------------------------------------------- */

static void
patterns_match_what_they_say(void **state)
{
	static const struct { const char *re, *text; bool yes; } rows[] = {
		{ "", "", true }, { "", "x", true }, { "a", "", false },
		{ "a", "xay", true }, { "^a", "ba", false }, { "a$", "ab", false },
		{ "^a$", "a", true }, { "^$", "", true }, { "^$", "x", false },
		{ "a|b", "xb", true }, { "^(a|bc|)d$", "bcd", true },
		{ "^(a|bc|)d$", "d", true }, { "^(a|bc)d$", "abd", false },
		{ "^a*$", "aaaa", true }, { "^a*$", "aab", false },
		{ "^a+$", "", false }, { "^a?$", "aa", false },
		{ "^a{3}$", "aaa", true }, { "^a{3}$", "aa", false },
		{ "^a{2,}$", "aaaaa", true }, { "^a{2,}$", "a", false },
		{ "^a{2,3}$", "aaaa", false }, { "^a{0}b$", "b", true },
		{ "^a{0,0}b$", "ab", false }, { "^(ab){2}$", "abab", true },
		{ "^a*?b+?c??$", "aabb", true }, { "^(?:a|b)*$", "abba", true },
		{ "^(a*)*$", "aaa", true }, { "^(a|a)*b$", "aaac", false },
		{ "^[a-c]$", "b", true }, { "^[^a-c]$", "b", false },
		{ "^[^a-c]$", "d", true }, { "^[a\\]]$", "]", true },
		{ "^[a-]$", "-", true }, { "^[]$", "", false },
		{ "^[^]$", "\n", true }, { "^.$", "\n", false },
		{ "^.$", "\xc3\xa9", true }, { "^..$", "\xf0\x9f\x98\x80", false },
		{ "^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", true },
		{ "^\\d\\D$", "5x", true }, { "^\\d$", "x", false },
		{ "^\\w+$", "aZ_9", true }, { "^\\W$", "-", true },
		{ "^\\s$", "\xc2\xa0", true }, { "^\\S$", " ", false },
		{ "^[\\d_]+$", "1_2", true }, { "^[^\\d]$", "1", false },
		{ "^\\x41\\u00e9\\u{1F600}$", "A\xc3\xa9\xf0\x9f\x98\x80", true },
		{ "^\\.\\*\\/\\-\\$$", ".*/-$", true }, { "^\\t$", "\t", true },
		{ "^([A-Z]{2,3}-)?[0-9]{1,4}$", "ABC-12", true },
		{ "^([A-Z]{2,3}-)?[0-9]{1,4}$", "ABCD-12", false },
		{ "(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false },
		{ "a^b", "ab", false }, { "(^a|b$)", "cb", true },
	};
	struct conf_regex *r;
	const char *wrong;
	uint64_t work = 0;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		r = conf_regex_new(rows[i].re, &wrong);
		assert_row(r != NULL, slice_str(rows[i].re));
		assert_row(conf_regex_match(r, slice_str(rows[i].text),
		    &work) == rows[i].yes, slice_str(rows[i].re));
		conf_regex_free(&r);
	}
}

static void
patterns_that_cannot_be_followed_are_refused(void **state)
{
	static const char *const rows[] = { "(", ")", "a)", "[", "[a", "*", "a**",
		"+a", "?", "{2}", "a{", "a{2", "a{x}", "a{3,2}", "a{1001}", "\\",
		"\\b", "\\1", "\\p{L}", "\\k<a>", "(?=a)", "(?!a)", "(?<n>a)",
		"(?<=a)", "[b-a]", "[a-\\d]", "\\xg0", "\\u12", "\\u{110000}", "}",
		"]", "a{1000}{1000}", "((((((((((((((((((a))))))))))))))))))",
		"(a{30}){40}" };
	const char *wrong;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(conf_regex_new(rows[i], &wrong) == NULL,
		    slice_str(rows[i]));
		assert_non_null(wrong);
	}
}

/* --- formats -------------------------------------------------------------- */

static void
formats_hold_what_they_are(void **state)
{
	static const struct { enum conf_format_of f; const char *text; bool yes; }
	rows[] = {
		{ CONF_FORMAT_DATE, "2024-02-29", true },
		{ CONF_FORMAT_DATE, "2023-02-29", false },
		{ CONF_FORMAT_DATE, "1900-02-29", false },
		{ CONF_FORMAT_DATE, "2024-13-01", false },
		{ CONF_FORMAT_DATE, "2024-00-01", false },
		{ CONF_FORMAT_DATE, "2024-04-31", false },
		{ CONF_FORMAT_DATE, "2024-4-3", false },
		{ CONF_FORMAT_DATE, "2024-04-03x", false },
		{ CONF_FORMAT_TIME, "23:59:59Z", true },
		{ CONF_FORMAT_TIME, "23:59:60Z", true },
		{ CONF_FORMAT_TIME, "22:59:60Z", false },
		{ CONF_FORMAT_TIME, "15:59:60-08:00", true },
		{ CONF_FORMAT_TIME, "24:00:00Z", false },
		{ CONF_FORMAT_TIME, "10:00:00", false },
		{ CONF_FORMAT_TIME, "10:00:00.5+01:30", true },
		{ CONF_FORMAT_TIME, "10:00:00.+01:30", false },
		{ CONF_FORMAT_DATE_TIME, "2024-02-29T10:00:00Z", true },
		{ CONF_FORMAT_DATE_TIME, "2024-02-29t10:00:00.123z", true },
		{ CONF_FORMAT_DATE_TIME, "2024-02-29", false },
		{ CONF_FORMAT_DATE_TIME, "2024-02-29T10:00Z", false },
		{ CONF_FORMAT_EMAIL, "a.b+c@x-y.example", true },
		{ CONF_FORMAT_EMAIL, "a@localhost", true },
		{ CONF_FORMAT_EMAIL, "a..b@x.example", false },
		{ CONF_FORMAT_EMAIL, ".a@x.example", false },
		{ CONF_FORMAT_EMAIL, "a.@x.example", false },
		{ CONF_FORMAT_EMAIL, "a@", false }, { CONF_FORMAT_EMAIL, "@b", false },
		{ CONF_FORMAT_EMAIL, "a b@c", false },
		{ CONF_FORMAT_EMAIL, "a@-b.c", false },
		{ CONF_FORMAT_EMAIL, "a@b-", false },
		{ CONF_FORMAT_EMAIL, "a@b..c", false },
		{ CONF_FORMAT_UUID, "2f1a9e80-0b7c-4D4e-8a11-0123456789ab", true },
		{ CONF_FORMAT_UUID, "2f1a9e800b7c4d4e8a110123456789ab", false },
		{ CONF_FORMAT_UUID, "2f1a9e80-0b7c-4d4e-8a11-0123456789ag", false },
		{ CONF_FORMAT_URI, "https://a.example/x?y=%20#z", true },
		{ CONF_FORMAT_URI, "urn:x", true }, { CONF_FORMAT_URI, "/x", false },
		{ CONF_FORMAT_URI, "a b:c", false }, { CONF_FORMAT_URI, "x:%2", false },
		{ CONF_FORMAT_URI, "x:\xc3\xa9", false }, { CONF_FORMAT_URI, "1:x", false },
		{ CONF_FORMAT_IPV4, "203.0.113.7", true },
		{ CONF_FORMAT_IPV4, "256.0.0.1", false },
		{ CONF_FORMAT_IPV4, "1.2.3", false },
		{ CONF_FORMAT_IPV6, "2001:db8::7", true },
		{ CONF_FORMAT_IPV6, "::ffff:1.2.3.4", true },
		{ CONF_FORMAT_IPV6, "1.2.3.4", false }, { CONF_FORMAT_IPV6, "", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(conf_format_holds(rows[i].f, slice_str(rows[i].text))
		    == rows[i].yes, slice_str(rows[i].text));
}

/* --- schemas -------------------------------------------------------------- */

/* "" or where and why it is not. */
static const char *
verdict(const struct conf_schema *s, const char *json)
{
	static char text[512];
	struct conf_fault f;

	assert_true(json_valid(slice_str(json)));
	if (conf_schema_holds(s, slice_str(json), &f))
		return ("");
	(void)snprintf(text, sizeof text, "%s: %s", f.path + f.at, f.why);
	return (text);
}

static void
schemas_hold_what_they_say(void **state)
{
	static const struct { const char *schema, *json, *want; } rows[] = {
		{ "true", "5", "" }, { "{}", "null", "" },
		{ "{\"type\":\"string\"}", "5", ": must be string" },
		{ "{\"type\":[\"string\",\"null\"]}", "null", "" },
		{ "{\"type\":[\"integer\",\"null\"]}", "1.5",
		    ": must be null or integer" },
		{ "{\"type\":\"integer\"}", "1e2", "" },
		{ "{\"type\":\"number\"}", "3", "" },
		{ "{\"minimum\":1,\"exclusiveMaximum\":5}", "5",
		    ": must be less than 5" },
		{ "{\"minimum\":1,\"exclusiveMinimum\":1}", "1",
		    ": must be more than 1" },
		{ "{\"minimum\":1}", "\"0\"", "" },
		{ "{\"multipleOf\":5}", "15", "" },
		{ "{\"multipleOf\":5}", "7.5", ": must be a multiple of 5" },
		{ "{\"minLength\":2,\"maxLength\":3}", "\"\\u00e9\"",
		    ": shorter than 2" },
		{ "{\"maxLength\":1}", "\"\\ud83d\\ude00\"", "" },
		{ "{\"pattern\":\"^a\\\\d$\"}", "\"a5\"", "" },
		{ "{\"pattern\":\"^a\"}", "\"b\"", ": does not match its pattern" },
		{ "{\"format\":\"date\"}", "\"x\"", ": is no date" },
		{ "{\"enum\":[\"a\",1,null,true]}", "1.0", "" },
		{ "{\"enum\":[\"a\",1,null,true]}", "\"\\u0061\"", "" },
		{ "{\"enum\":[\"a\",1]}", "\"b\"",
		    ": is none of the 2 values that it may be" },
		{ "{\"const\":\"x\"}", "\"y\"", ": must be \"x\"" },
		{ "{\"items\":{\"type\":\"string\",\"maxLength\":2}}",
		    "[\"a\",\"bb\",\"ccc\"]", "/2: longer than 2" },
		{ "{\"minItems\":2}", "[1]", ": fewer than 2 elements" },
		{ "{\"maxItems\":1}", "[1,2]", ": more than 1 elements" },
		{ "{\"required\":[\"a\"]}", "{\"b\":1}", "/a: is missing" },
		{ "{\"required\":[\"a\"]}", "[]", "" },
		{ "{\"properties\":{\"a\":{\"type\":\"string\"}},"
		    "\"additionalProperties\":false}", "{\"b\":1}",
		    "/b: is not known here" },
		{ "{\"required\":[\"a\"],\"additionalProperties\":false}",
		    "{\"a\":1}", "/a: is not known here" },
		{ "{\"properties\":{\"a\":{\"properties\":{\"b\":{\"items\":"
		    "{\"type\":\"null\"}}}}}}", "{\"a\":{\"b\":[null,0]}}",
		    "/a/b/1: must be null" },
		{ "{\"properties\":{\"a\":{\"type\":\"null\"}}}",
		    "{\"a\":null,\"a\":1}", "/a: must be null" },
		{ "{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":3}]}", "3", "" },
		{ "{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":3}]}", "2",
		    ": is none of the 2 kinds that it may be" },
	};
	struct conf_schema *s;
	const char *wrong;
	size_t i;
	int line;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		s = conf_schema_read(slice_str(rows[i].schema), &wrong, &line);
		assert_row(s != NULL, slice_str(rows[i].schema));
		assert_string_equal(rows[i].want, verdict(s, rows[i].json));
		conf_schema_free(&s);
	}
}

static void
what_a_schema_cannot_say_is_an_error_with_its_line(void **state)
{
	static const struct { const char *schema, *wrong; int line; } rows[] = {
		{ "", "is no JSON", 1 }, { "{} x", "is no JSON", 1 },
		{ "5", "a schema must be an object, or true", 1 },
		{ "{\n\"oneOf\":[]}", "\"oneOf\" is not supported", 2 },
		{ "{\"items\":\n{\n\"uniqueItems\":true}}",
		    "\"uniqueItems\" is not supported", 3 },
		{ "{\"$ref\":\"#\"}", "\"$ref\" is not supported", 1 },
		{ "{\"type\":\"text\"}", "type: \"text\" is no type", 1 },
		{ "{\"type\":\"string\",\"type\":\"null\"}",
		    "type is there already", 1 },
		{ "{\"additionalProperties\":{}}",
		    "additionalProperties must be true or false here", 1 },
		{ "{\"enum\":[[]]}",
		    "enum and const take no objects and arrays here", 1 },
		{ "{\"enum\":[1],\"const\":1}",
		    "enum and const are not supported together", 1 },
		{ "{\"pattern\":\"(?=a)\"}", "the pattern has a group of a kind "
		    "that is not known here: (? but no (?:", 1 },
		{ "{\"format\":\"hostname\"}", "format must be one of " CONF_FORMATS,
		    1 },
		{ "{\"multipleOf\":0.5}",
		    "multipleOf must be a whole number here, 1 or more", 1 },
		{ "{\"minLength\":-1}",
		    "minLength must be a whole number, 0 or more", 1 },
		{ "{\"items\":[{}]}", "a schema must be an object, or true", 1 },
	};
	char deep[512] = "";
	struct conf_schema *s;
	const char *wrong;
	size_t i;
	int line;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		s = conf_schema_read(slice_str(rows[i].schema), &wrong, &line);
		assert_row(s == NULL, slice_str(rows[i].schema));
		assert_string_equal(rows[i].wrong, wrong);
		assert_int_equal(rows[i].line, line);
	}
	for (i = 0; i < 17; i++)
		(void)strlcat(deep, "{\"items\":", sizeof deep);
	(void)strlcat(deep, "{}", sizeof deep);
	for (i = 0; i < 17; i++)
		(void)strlcat(deep, "}", sizeof deep);
	assert_null(conf_schema_read(slice_str(deep), &wrong, &line));
	assert_string_equal("more than 16 schemas in each other", wrong);
}

/* --- lines ---------------------------------------------------------------- */

#define LINES(checks) "namespace '/n' { auth = none event m { check = {" \
	checks "} } }"

static void
lines_hold_what_they_say(void **state)
{
	static const struct { const char *json, *want; } rows[] = {
		{ "{\"a\":\"x\",\"address\":{\"city\":\"Ulm\"},\"kind\":\"b\"}", "" },
		{ "{}", "/a: is missing" },
		{ "{\"a\":\"\"}", "/a: shorter than 1" },
		{ "{\"a\":\"x\"}", "/address: is missing" },
		{ "{\"a\":\"x\",\"address\":5}", "/address: must be object" },
		{ "{\"a\":\"x\",\"address\":{\"zip\":\"1\",\"city\":\"\"}}",
		    "/address/zip: does not match its pattern" },
		{ "{\"a\":\"x\",\"address\":{\"town\":1}}",
		    "/address/town: is not known here" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":4}",
		    "/kind: is none of the 4 values that it may be" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":3,"
		    "\"tags\":[\"a\",\"bcd\"]}", "/tags/1: longer than 2" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":null,"
		    "\"tags\":[\"a\",\"b\",\"c\"]}", "/tags: more than 2 elements" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":3,"
		    "\"rows\":[{\"n\":1},{}]}", "" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":3,"
		    "\"x.y\":null,\"at\":\"2024-01-01\"}", "" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":3,"
		    "\"at\":\"2024-01-32\"}", "/at: is no date" },
		{ "{\"a\":\"x\",\"address\":{\"city\":\"\"},\"kind\":3,"
		    "\"other\":1}", "/other: is not known here" },
	};
	struct conf *conf = conf_text(LINES("'a: string 1..40',"
	    "'address.city: string ..9', 'address: object closed',"
	    "'address.zip?: string 1..5 pattern ^[0-9]{5}$',"
	    "'kind: one of a|b|3|null', 'tags?: array ..2',"
	    "'tags[]: string 1..2', 'rows[].n?: any', 'rows?: array',"
	    "'x\\\\.y?: number|null', 'at?: string format date', closed"));
	const struct conf_schema *s = conf->namespaces[0].events[0].checked;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_string_equal(rows[i].want, verdict(s, rows[i].json));
	conf_free(&conf);
	conf = conf_text(LINES("'rows[].n: integer'"));
	assert_string_equal("/rows/1/n: is missing", verdict(
	    conf->namespaces[0].events[0].checked,
	    "{\"rows\":[{\"n\":1},{}]}"));
	conf_free(&conf);
}

/* --- files ---------------------------------------------------------------- */

static bool
read_it(const void *arg, const char *path, struct buf *out, const char **why)
{
	*why = "No such file or directory";
	if (strcmp(path, "none.json") == 0)
		return (false);
	buf_str(out, arg);
	return (!out->oom);
}

static void
a_schema_is_a_part_of_the_configuration(void **state)
{
	static const char text[] = "namespace '/n' { auth = none\n"
	    "event m { schema = 'a.json' }\nevent n { schema = 'a.json' } }";
	struct conf_source src = { .file = "t", .text = slice_str(text),
		.env = conf_text_env, .read = read_it,
		.read_arg = "{\"type\":\"string\"}" };
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	assert_non_null(conf);
	assert_int_equal(conf->nfiles, 1);
	assert_string_equal(": must be string",
	    verdict(conf->namespaces[0].events[1].schema, "5"));
	conf_free(&conf);
	conf_errors_fini(&errors);
	src.read_arg = "{\n\"if\":{}}";
	check_conf_errors(&src, "t:2: event \"m\": schema = a.json: line 2: \"if\" "
	    "is not supported\nt:3: event \"n\": schema = a.json: line 2: \"if\" is "
	    "not supported\n", __FILE__, __LINE__);
	src.text = slice_str("namespace '/n' { auth = none\n"
	    "event m { schema = 'none.json' } }");
	check_conf_errors(&src, "t:2: event \"m\": schema = none.json: No such "
	    "file or directory\n", __FILE__, __LINE__);
	src.read = NULL;
	check_conf_errors(&src, "t:2: event \"m\": schema = none.json: there are "
	    "no files here\n", __FILE__, __LINE__);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_what_they_say),
		cmocka_unit_test(patterns_that_cannot_be_followed_are_refused),
		cmocka_unit_test(formats_hold_what_they_are),
		cmocka_unit_test(schemas_hold_what_they_say),
		cmocka_unit_test(
		    what_a_schema_cannot_say_is_an_error_with_its_line),
		cmocka_unit_test(lines_hold_what_they_say),
		cmocka_unit_test(a_schema_is_a_part_of_the_configuration),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
