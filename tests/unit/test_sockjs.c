/* SockJS: what clients send, and what is sent to them. */
#include "proto/json_sockjs.h"

#include <stdlib.h>

#include "tests/lib/check.h"

static void
messages_are_strings_one_or_many(void **state)
{
	static const struct {
		struct slice	 text;
		unsigned	 n;
		struct slice	 last;
	} rows[] = {
		{ SLICE(""), 0, SLICE("") }, { SLICE(" \n"), 0, SLICE("") },
		{ SLICE("[]"), 0, SLICE("") },
		{ SLICE("\"a\""), 1, SLICE("\"a\"") },
		{ SLICE(" [ \"a\" , \"b,]\" ] "), 2, SLICE("\"b,]\"") },
		{ SLICE("[\"\",\"\",\"\"]"), 3, SLICE("\"\"") },
	};
	struct sockjs_messages m;
	struct slice raw, last;
	unsigned n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_row(sockjs_decode(rows[i].text, &m), rows[i].text);
		last = SLICE("");
		for (n = 0; sockjs_next(&m, &raw); n++)
			last = raw;
		assert_row(n == rows[i].n && slice_eq(last, rows[i].last),
		    rows[i].text);
		assert_false(sockjs_next(&m, &raw));
	}
}

static void
other_texts_are_no_messages(void **state)
{
	static const struct slice rows[] = { SLICE("x"), SLICE("1"),
		SLICE("{}"), SLICE("null"), SLICE("[1]"), SLICE("[\"a\",1]"),
		SLICE("[[\"a\"]]"), SLICE("[\"a\"") , SLICE("\"a"),
		SLICE("[\"a\"]]"), SLICE("\"a\" \"b\""),
		SLICE("[\"\xff\"]") };
	struct sockjs_messages m;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(!sockjs_decode(rows[i], &m), rows[i]);
}

/* Also where it stands at the end of the room that it gets. */
static void
assert_escaped(struct slice text, struct slice want)
{
	size_t n = text.n + sockjs_escape_more(text);
	uint8_t *out = malloc(n + 1), *at;

	assert_non_null(out);
	assert_row(n == want.n, want);
	assert_ptr_equal(sockjs_escape_to(out, text), out + n);
	assert_row(slice_eq(slice_of(out, n), want), want);
	at = out + (n - text.n);
	memmove(at, text.p, text.n);
	assert_ptr_equal(sockjs_escape_to(out, slice_of(at, text.n)), out + n);
	assert_row(slice_eq(slice_of(out, n), want), want);
	free(out);
}

static void
what_browsers_would_change_is_escaped(void **state)
{
	(void)state;
	assert_escaped(SLICE("a"), SLICE("a"));
	assert_escaped(SLICE("{\"a\":\"\\n\"}"),
	    SLICE("{\\\"a\\\":\\\"\\\\n\\\"}"));
	assert_escaped(slice_of("\0\x01\b\t\n\f\r\x1f\x7f", 9),
	    SLICE("\\u0000\\u0001\\b\\t\\n\\f\\r\\u001f\x7f"));
	assert_escaped(SLICE("\xe2\x80\x8b\xe2\x80\x8c\xe2\x80\x8f\xe2\x80\x90"),
	    SLICE("\xe2\x80\x8b\\u200c\\u200f\xe2\x80\x90"));
	assert_escaped(SLICE("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xaf\xe2\x80\xb0"),
	    SLICE("\xe2\x80\xa7\\u2028\\u202f\xe2\x80\xb0"));
	assert_escaped(SLICE("\xe2\x81\x9f\xe2\x81\xa0\xe2\x81\xaf\xe2\x81\xb0"),
	    SLICE("\xe2\x81\x9f\\u2060\\u206f\xe2\x81\xb0"));
	assert_escaped(SLICE("\xef\xbf\xaf\xef\xbf\xb0\xef\xbf\xbf"),
	    SLICE("\xef\xbf\xaf\\ufff0\\uffff"));
	assert_escaped(SLICE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
	    SLICE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
	/* what is cut short is not read beyond */
	assert_escaped(SLICE("\xe2\x80"), SLICE("\xe2\x80"));
}

static void
a_page_is_not_ended_by_a_message(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	sockjs_encode_script(&b, SLICE("a[\"</script>\\n\"]"));
	assert_slice(buf_unread(&b), "a[\\\"\\u003c/script>\\\\n\\\"]");
	buf_reset(&b);
	sockjs_encode_close(&b, 3000, "Go away!");
	assert_slice(buf_unread(&b), "c[3000,\"Go away!\"]");
	buf_fini(&b);
}

static void
names_are_looked_at(void **state)
{
	char name[SOCKJS_SESSION_MAX + 1];

	(void)state;
	memset(name, 'a', sizeof name);
	assert_true(sockjs_name_is_good(slice_of(name, SOCKJS_SESSION_MAX)));
	assert_false(sockjs_name_is_good(slice_of(name, sizeof name)));
	assert_false(sockjs_name_is_good(SLICE("")));
	assert_false(sockjs_name_is_good(SLICE("a.b")));
	assert_false(sockjs_name_is_good(SLICE("a/b")));
	assert_true(sockjs_callback_is_good(SLICE("_jp.a-1Z")));
	assert_false(sockjs_callback_is_good(SLICE("")));
	assert_false(sockjs_callback_is_good(SLICE("a(")));
	assert_false(sockjs_callback_is_good(slice_of(name, sizeof name)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_strings_one_or_many),
		cmocka_unit_test(other_texts_are_no_messages),
		cmocka_unit_test(what_browsers_would_change_is_escaped),
		cmocka_unit_test(a_page_is_not_ended_by_a_message),
		cmocka_unit_test(names_are_looked_at),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
