/* Patterns, and the questions that are asked of a configuration. */
#include "conf/pattern.h"

#include "tests/lib/conf_text.h"

/* The values, joined by '|'; "-" when s doesn't match. */
static void
assert_match(const char *pattern, const char *s, const char *want)
{
	struct slice values[CONF_PARAMS_MAX];
	struct conf_pattern p;
	struct buf b;

	buf_init(&b);
	assert_null(conf_pattern_parse(pattern, &p));
	if (conf_pattern_match(&p, slice_str(s), values))
		for (size_t i = 0; i < p.nparams; i++) {
			buf_str(&b, i == 0 ? "" : "|");
			buf_slice(&b, values[i]);
		}
	else
		buf_byte(&b, '-');
	assert_text(buf_unread(&b), want);
	conf_pattern_fini(&p);
	buf_fini(&b);
}

static void
parameters_take_what_is_between_the_literals(void **state)
{
	(void)state;
	assert_match("lobby", "lobby", "");
	assert_match("course:{id}", "course:42", "42");
	assert_match("dm:{a}:{b}", "dm:x:y", "x|y");
	assert_match("{a}-{b}", "x-y", "x|y");
	assert_match("{a}-{b}", "x-y-z", "x|y-z");
	assert_match("/ws/{x}/end", "/ws/q/end", "q");
	assert_match("{name}", "\xc3\xa9", "\xc3\xa9");
}

static void
the_whole_name_must_match(void **state)
{
	(void)state;
	assert_match("lobby", "lobby2", "-");
	assert_match("lobby", "lobb", "-");
	assert_match("lobby", "", "-");
	assert_match("course:{id}", "course:", "-");
	assert_match("course:{id}", "course:1:2", "-");
	assert_match("course:{id}", "course:1/2", "-");
	assert_match("dm:{a}:{b}", "dm::y", "-");
	assert_match("{a}-{b}", "-y", "-");
	assert_match("{a}.x", "1.y", "-");
	assert_match("/ws/{x}", "/ws/a/b", "-");
}

static void
the_last_parameter_may_take_the_rest(void **state)
{
	(void)state;
	assert_match("yjs:{doc*}", "yjs:a/b:c", "a/b:c");
	assert_match("{a}:{b*}", "x:y:/z", "x|y:/z");
	assert_match("yjs:{doc*}", "yjs:", "-");
	assert_match("/yjs/{doc*}", "/yjs/a/", "a/");
	assert_match("{a*}", ":", ":");
}

static void
patterns_that_make_no_sense_are_refused(void **state)
{
	static const char *const rows[] = { "{", "}", "a}", "{a", "{}",
		"{a}{b}", "{a}:{a}", "{1}", "{*}",
		"{a*}x", "{a*}:{b}", "{a**}", "{a*b}", "{a b}", "{a}}", "{{a}}",
		"{a}1{b}2{c}3{d}4{e}5{f}6{g}7{h}8{i}" };
	struct conf_pattern p;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_row(conf_pattern_parse(rows[i], &p) != NULL,
		    slice_str(rows[i]));
}

static void
patterns_are_the_same_whatever_the_parameters_are_called(void **state)
{
	struct conf_pattern a, b, c;

	(void)state;
	assert_null(conf_pattern_parse("x:{a}", &a));
	assert_null(conf_pattern_parse("x:{b}", &b));
	assert_null(conf_pattern_parse("y:{a}", &c));
	assert_true(conf_pattern_same(&a, &b));
	assert_false(conf_pattern_same(&a, &c));
	conf_pattern_fini(&c);
	assert_null(conf_pattern_parse("x:{a*}", &c));
	assert_false(conf_pattern_same(&a, &c));
	assert_int_equal(conf_pattern_param(&a, SLICE("a")), 0);
	assert_int_equal(conf_pattern_param(&a, SLICE("b")), -1);
	conf_pattern_fini(&a);
	conf_pattern_fini(&b);
	conf_pattern_fini(&c);
}

static const char rules[] =
    "namespace '/chat' { auth = none\n"
    "  room 'vip' { join = server }\n"
    "  room '{any}' { join = open }\n"
    "  event 'b' {} event 'a' {} event 'message' {} event '*' {} }\n"
    "namespace '/' { auth = none event 'a' {} }\n"
    "route '/ws/one' { namespace = '/' }\n"
    "route '/ws/{x}' { namespace = '/chat' join = 'r:{x}' }\n";

static void
events_and_namespaces_are_found_by_name(void **state)
{
	struct conf *conf = conf_text(rules);
	const struct conf_namespace *chat, *root;

	(void)state;
	chat = conf_namespace_find(conf, SLICE("/chat"));
	root = conf_namespace_find(conf, SLICE("/"));
	assert_ptr_equal(chat, &conf->namespaces[0]);
	assert_ptr_equal(root, &conf->namespaces[1]);
	assert_int_equal(root->index, 1);
	assert_null(conf_namespace_find(conf, SLICE("")));
	assert_null(conf_namespace_find(conf, SLICE("chat")));
	assert_null(conf_namespace_find(conf, SLICE("/chat/")));
	assert_string_equal(conf_event_find(chat, SLICE("message"))->name,
	    "message");
	assert_string_equal(conf_event_find(chat, SLICE("a"))->name, "a");
	assert_string_equal(conf_event_find(chat, SLICE("b"))->name, "b");
	assert_ptr_equal(conf_event_find(chat, SLICE("c")), chat->fallback);
	assert_ptr_equal(conf_event_find(chat, SLICE("a\0")), chat->fallback);
	/* what the server itself says is nobody's by chance */
	assert_null(conf_event_find(chat, SLICE("error")));
	assert_null(conf_event_find(chat, SLICE("connect_error")));
	assert_ptr_equal(conf_event_find(chat, SLICE("errors")),
	    chat->fallback);
	assert_null(conf_event_find(root, SLICE("b")));
	conf_free(&conf);
}

static void
the_first_room_and_route_that_match_count(void **state)
{
	struct slice values[CONF_PARAMS_MAX];
	struct conf *conf = conf_text(rules);
	const struct conf_namespace *chat = &conf->namespaces[0];

	(void)state;
	assert_ptr_equal(conf_room_find(chat, SLICE("vip"), values),
	    &chat->rooms[0]);
	assert_ptr_equal(conf_room_find(chat, SLICE("vi"), values),
	    &chat->rooms[1]);
	assert_slice(values[0], "vi");
	assert_null(conf_room_find(chat, SLICE("a:b"), values));
	assert_null(conf_room_find(&conf->namespaces[1], SLICE("x"), values));
	assert_ptr_equal(conf_route_find(conf, SLICE("/ws/one"), values),
	    &conf->routes[0]);
	assert_ptr_equal(conf_route_find(conf, SLICE("/ws/two"), values),
	    &conf->routes[1]);
	assert_slice(values[0], "two");
	assert_ptr_equal(conf->routes[1].ns, chat);
	assert_null(conf_route_find(conf, SLICE("/ws/"), values));
	conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_take_what_is_between_the_literals),
		cmocka_unit_test(the_whole_name_must_match),
		cmocka_unit_test(the_last_parameter_may_take_the_rest),
		cmocka_unit_test(patterns_that_make_no_sense_are_refused),
		cmocka_unit_test(
		    patterns_are_the_same_whatever_the_parameters_are_called),
		cmocka_unit_test(events_and_namespaces_are_found_by_name),
		cmocka_unit_test(the_first_room_and_route_that_match_count),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
