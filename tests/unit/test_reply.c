/* Replies of Redis: what is read, and what a hostile server may not do. */
#include "relay/redis/reply.h"

#include "proto/codec.h"
#include "tests/lib/check.h"

static const struct reply_limits limits = { 4, 100, 256u << 10 };

/* The one reply of these bytes, given at once. */
static struct reply *
only(const char *text)
{
	struct reply_reader *r = reply_reader_new(&limits);
	struct reply *o, *more;

	assert_non_null(r);
	assert_int_equal(reply_feed(r, slice_str(text)), 0);
	assert_int_equal(reply_next(r, &o), 1);
	assert_int_equal(reply_next(r, &more), CODEC_MORE);
	assert_null(more);
	reply_reader_free(&r);
	assert_null(r);
	return (o);
}

static void
each_type_is_read(void **state)
{
	struct reply *o;

	(void)state;
	o = only("+OK\r\n");
	assert_int_equal(o->type, REPLY_STATUS);
	assert_slice(o->text, "OK");
	reply_free(&o);
	o = only("$3\r\na\r\n\r\n");
	assert_int_equal(o->type, REPLY_STRING);
	assert_slice(o->text, "a\r\n");
	reply_free(&o);
	o = only(":-7\r\n");
	assert_int_equal(o->type, REPLY_INTEGER);
	assert_int_equal(o->integer, -7);
	reply_free(&o);
	o = only("$-1\r\n");
	assert_int_equal(o->type, REPLY_NIL);
	reply_free(&o);
	o = only("*0\r\n");
	assert_int_equal(o->type, REPLY_ARRAY);
	assert_int_equal(o->n, 0);
	reply_free(&o);
	reply_free(&o);		/* NULL is fine */
}

static void
errors_are_told_by_their_word(void **state)
{
	struct reply *o = only("-NOAUTH Authentication required.\r\n");
	char words[REPLY_WORDS];

	(void)state;
	reply_words(o, words);
	assert_string_equal(words, "NOAUTH Authentication required.");
	assert_int_equal(o->type, REPLY_ERROR);
	assert_true(reply_is_error(o, SLICE("NOAUTH")));
	assert_false(reply_is_error(o, SLICE("NOAUT")));
	assert_false(reply_is_error(o, SLICE("ERR")));
	reply_free(&o);
	o = only("-ERR \"\\\033\200x\r\n");
	reply_words(o, words);
	assert_string_equal(words, "ERR ????x");
	reply_free(&o);
	o = only("$6\r\nNOAUTH\r\n");
	assert_false(reply_is_error(o, SLICE("NOAUTH")));
	reply_free(&o);
}

static void
message_comes_byte_by_byte(void **state)
{
	static const char text[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n"
	    "$4\r\n{\"\r\n\r\n+OK\r\n";
	struct reply_reader *r = reply_reader_new(&limits);
	struct reply *o, *got[2] = { NULL, NULL };
	size_t i, n = 0;

	(void)state;
	assert_non_null(r);
	for (i = 0; i < sizeof text - 1; i++) {
		assert_int_equal(reply_feed(r, slice_of(text + i, 1)), 0);
		while (reply_next(r, &o) == 1) {
			assert_in_range(n, 0, 1);
			got[n++] = o;
		}
	}
	assert_int_equal(n, 2);
	assert_int_equal(got[0]->n, 3);
	assert_slice(got[0]->elements[0]->text, "message");
	assert_slice(got[0]->elements[1]->text, "c");
	assert_slice(got[0]->elements[2]->text, "{\"\r\n");
	assert_int_equal(got[0]->elements[2]->depth, 1);
	assert_slice(got[1]->text, "OK");
	reply_free(&got[0]);
	reply_free(&got[1]);
	reply_reader_free(&r);
}

/* These bytes, `times` over, are refused before they cost much. */
static void
refused(const char *text, unsigned times, const char *why)
{
	struct reply_reader *r = reply_reader_new(&limits);
	struct reply *o;
	int n = CODEC_MORE;

	assert_non_null(r);
	for (; times > 0 && n != CODEC_BAD; times--) {
		n = reply_feed(r, slice_str(text));
		if (n != 0)
			break;
		while ((n = reply_next(r, &o)) == 1)
			reply_free(&o);
	}
	assert_row(n == CODEC_BAD, slice_str(text));
	if (why != NULL)
		assert_string_equal(reply_why(r), why);
	else
		assert_non_null(reply_why(r));
	reply_reader_free(&r);
}

static void
hostile_replies_are_refused(void **state)
{
	char line[4097];

	(void)state;
	refused("*1\r\n", 1000000, "a reply is too deep");
	refused("*1000000000\r\n", 1, "a reply has too many elements");
	refused("*2147483647\r\n", 1, "a reply has too many elements");
	refused("*101\r\n", 1, "a reply has too many elements");
	/* many small ones are as many as a large one */
	refused("*2\r\n*99\r\n", 1, "a reply has too many elements");
	refused("*50\r\n*50\r\n*1\r\n", 1, "a reply has too many elements");
	refused("*4294967296\r\n", 1, NULL);
	refused("*-2\r\n", 1, NULL);
	/* RESP3, which nobody asked for */
	refused("%4294967295\r\n", 1, NULL);
	refused("HTTP/1.1 400 Bad Request\r\n", 1, NULL);
	refused("\r\n", 1, NULL);
	memset(line, 'a', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	refused(line, 1, NULL);
	line[0] = '+';
	refused("+", 1000000, "a line without end");
}

static void
large_string_is_refused_before_it_is_there(void **state)
{
	struct reply_reader *r = reply_reader_new(&limits);
	static uint8_t some[64u << 10];
	struct reply *o;
	unsigned i;

	(void)state;
	assert_non_null(r);
	memset(some, 'a', sizeof some);
	assert_int_equal(reply_feed(r, SLICE("$1000000000\r\n")), 0);
	assert_int_equal(reply_next(r, &o), CODEC_MORE);
	for (i = 0; i < 8; i++) {
		if (reply_feed(r, slice_of(some, sizeof some)) == CODEC_BAD)
			break;
		assert_int_equal(reply_next(r, &o), CODEC_MORE);
	}
	assert_in_range(i, 4, 5);
	assert_string_equal(reply_why(r), "a reply is too large");
	reply_reader_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_is_read),
		cmocka_unit_test(errors_are_told_by_their_word),
		cmocka_unit_test(message_comes_byte_by_byte),
		cmocka_unit_test(hostile_replies_are_refused),
		cmocka_unit_test(large_string_is_refused_before_it_is_there),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
