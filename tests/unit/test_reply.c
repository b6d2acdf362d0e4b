/* Replies of Redis: what is read, and what a hostile server may not do. */
#include "relay/redis/reply.h"

#include "base/buf.h"
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
	struct reply *o;
	size_t i, n = 0;

	(void)state;
	assert_non_null(r);
	for (i = 0; i < sizeof text - 1; i++) {
		assert_int_equal(reply_feed(r, slice_of(text + i, 1)), 0);
		while (reply_next(r, &o) == 1) {
			assert_in_range(n, 0, 1);
			if (n++ == 0) {
				assert_int_equal(o->n, 3);
				assert_slice(o->elements[0]->text, "message");
				assert_slice(o->elements[1]->text, "c");
				assert_slice(o->elements[2]->text,
				    "{\"\r\n");
				assert_int_equal(o->elements[2]->depth, 1);
			} else
				assert_slice(o->text, "OK");
			reply_free(&o);
		}
	}
	assert_int_equal(n, 2);
	reply_reader_free(&r);
}

/* All that the reader has, as one line of text for each. */
static void
say(struct buf *out, const struct reply *o)
{
	size_t i;

	buf_printf(out, "%d:%d:%zu:", (int)o->type, (int)o->integer,
	    o->text.n);
	buf_slice(out, o->text);
	for (i = 0; i < o->n; i++)
		say(out, o->elements[i]);
	buf_byte(out, '\n');
}

static void
say_all(struct reply_reader *r, struct buf *out)
{
	struct reply *o;
	int n;

	while ((n = reply_next(r, &o)) == 1) {
		say(out, o);
		reply_free(&o);
	}
	assert_int_equal(n, CODEC_MORE);
}

/* Messages that lie there whole, which hiredis does not see, and all others,
 * in their order; the same wherever what came is cut. */
static void
whatever_is_cut_where(void **state)
{
	static const char m[] = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n";
	static char large[20000];
	struct buf in, whole, cut;
	struct reply_reader *r;
	size_t at;

	(void)state;
	memset(large, 'x', sizeof large);
	buf_init(&in);
	buf_init(&whole);
	buf_init(&cut);
	buf_printf(&in, "%s$2\r\nab\r\n+PONG\r\n%s$0\r\n\r\n"
	    ">3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:1\r\n%s$1\r\n{\r\n", m, m,
	    m);
	buf_printf(&in, "*1\r\n$1\r\nz\r\n*5\r\n$1\r\n1\r\n$1\r\n2\r\n"
	    "$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n*2\r\n*1\r\n$1\r\nq\r\n$-1\r\n"
	    "-ERR x\r\n%s$%zu\r\n%.*s\r\n%s$3\r\nend\r\n", m, sizeof large,
	    (int)sizeof large, large, m);
	r = reply_reader_new(&limits);
	assert_int_equal(reply_feed(r, buf_unread(&in)), 0);
	say_all(r, &whole);
	reply_reader_free(&r);
	for (at = 1; at < in.wpos; at += at > 300 && at < 19800 ? 97 : 1) {
		buf_reset(&cut);
		r = reply_reader_new(&limits);
		assert_int_equal(reply_feed(r, slice_of(in.data, at)), 0);
		say_all(r, &cut);
		assert_int_equal(reply_feed(r, slice_from(buf_unread(&in),
		    at)), 0);
		say_all(r, &cut);
		assert_slices(buf_unread(&cut), buf_unread(&whole));
		reply_reader_free(&r);
	}
	buf_byte(&whole, '\0');
	assert_non_null(strstr((const char *)whole.data,
	    "5:0:0:0:0:7:message\n0:0:1:c\n0:0:2:ab\n\n1:0:4:PONG\n"));
	assert_non_null(strstr((const char *)whole.data, "0:0:3:end\n\n"));
	buf_fini(&in);
	buf_fini(&whole);
	buf_fini(&cut);
}

/* Who is told of a reply may end the connection, and its reader with it. */
static void
a_reply_outlives_its_reader(void **state)
{
	static const char text[] = "*2\r\n$1\r\na\r\n$3\r\nbcd\r\n";
	struct reply_reader *r;
	struct reply *o;
	size_t at;

	(void)state;
	for (at = 0; at < sizeof text - 1; at++) {
		r = reply_reader_new(&limits);
		if (at > 0) {
			assert_int_equal(reply_feed(r, slice_of(text, at)), 0);
			assert_int_equal(reply_next(r, &o), CODEC_MORE);
		}
		assert_int_equal(reply_feed(r, slice_str(text + at)), 0);
		assert_int_equal(reply_next(r, &o), 1);
		reply_reader_free(&r);
		assert_null(r);
		assert_int_equal(o->n, 2);
		assert_slice(o->elements[1]->text, "bcd");
		reply_free(&o);
	}
}

/* A message that lies there whole has the same limits. */
static void
whole_messages_have_limits(void **state)
{
	const struct reply_limits small = { 1, 3, 40 };
	struct reply_reader *r;
	struct reply *o;

	(void)state;
	r = reply_reader_new(&small);
	assert_int_equal(reply_feed(r, SLICE("*2\r\n$1\r\na\r\n$1\r\nb\r\n")),
	    0);
	assert_int_equal(reply_next(r, &o), 1);
	reply_free(&o);
	assert_int_equal(reply_next(r, &o), CODEC_MORE);
	assert_int_equal(reply_feed(r, SLICE("*2\r\n$1\r\na\r\n$24\r\n"
	    "bbbbbbbbbbbbbbbbbbbbbbbb\r\n")), 0);
	assert_int_equal(reply_next(r, &o), CODEC_BAD);
	assert_string_equal(reply_why(r), "a reply is too large");
	reply_reader_free(&r);
	r = reply_reader_new(&small);
	assert_int_equal(reply_feed(r, SLICE("*4\r\n$0\r\n\r\n$0\r\n\r\n"
	    "$0\r\n\r\n$0\r\n\r\n")), 0);
	assert_int_equal(reply_next(r, &o), CODEC_BAD);
	assert_string_equal(reply_why(r), "a reply has too many elements");
	reply_reader_free(&r);
}

/* What hiredis does not take for a message is none, in one piece or in two. */
static void
the_reader_decides_what_a_length_is(void **state)
{
	static const char *const bad[] = { "*01\r\n$1\r\na\r\n",
		"*1\r\n$01\r\na\r\n", "*1\r\n$+1\r\na\r\n" };
	struct reply_reader *r;
	struct reply *o;
	size_t i, at;
	int n[2];

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		for (at = 0; at < 8; at += 7) {
			r = reply_reader_new(&limits);
			n[0] = n[1] = CODEC_MORE;
			if (at > 0) {
				assert_int_equal(reply_feed(r,
				    slice_of(bad[i], at)), 0);
				n[0] = reply_next(r, &o);
			}
			if (n[0] == CODEC_MORE && reply_feed(r,
			    slice_str(bad[i] + at)) == 0)
				n[1] = reply_next(r, &o);
			assert_row(n[0] == CODEC_BAD || n[1] == CODEC_BAD,
			    slice_str(bad[i]));
			reply_reader_free(&r);
		}
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
		cmocka_unit_test(whatever_is_cut_where),
		cmocka_unit_test(a_reply_outlives_its_reader),
		cmocka_unit_test(whole_messages_have_limits),
		cmocka_unit_test(the_reader_decides_what_a_length_is),
		cmocka_unit_test(hostile_replies_are_refused),
		cmocka_unit_test(large_string_is_refused_before_it_is_there),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
