/* RESP3 in the types of RESP2: each type, at every split. */
#include "relay/redis/resp3.h"

#include "base/buf.h"
#include "tests/lib/check.h"

static bool
take(void *out, struct slice in)
{
	buf_slice(out, in);
	return (true);
}

/* The same for the whole and for each cut in two, and byte by byte. */
static void
told(const char *text, const char *wanted)
{
	struct slice in = slice_str(text);
	size_t cut, i;

	for (cut = 0; cut <= in.n; cut++) {
		struct resp3 r = { .state = RESP3_TYPE };
		struct buf out;

		buf_init(&out);
		assert_true(resp3_feed(&r, slice_of(in.p, cut), take, &out));
		assert_true(resp3_feed(&r, slice_from(in, cut), take, &out));
		check_row(slice_eq(buf_unread(&out), slice_str(wanted)), wanted,
		    in, __FILE__, __LINE__);
		buf_reset(&out);
		memset(&r, 0, sizeof r);
		for (i = 0; i < in.n; i++)
			assert_true(resp3_feed(&r, slice_of(in.p + i, 1), take,
			    &out));
		check_row(slice_eq(buf_unread(&out), slice_str(wanted)), wanted,
		    in, __FILE__, __LINE__);
		buf_fini(&out);
	}
}

static void
resp2_is_left_as_it_is(void **state)
{
	static const char *const rows[] = { "+OK\r\n", "-ERR x\r\n", ":-1\r\n",
		"$3\r\n>%_\r\n+OK\r\n", "$-1\r\n", "$0\r\n\r\n+OK\r\n", "*-1\r\n",
		"*3\r\n$7\r\nmessage\r\n$1\r\n>\r\n$2\r\n\r\n\r\n+OK\r\n",
		"+a\n>b\r\n+OK\r\n" };

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		told(rows[i], rows[i]);
}

static void
new_types_are_told_in_old_ones(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\n>>\r\n",
		    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\n>>\r\n" },
		{ "~1\r\n:1\r\n", "*1\r\n:1\r\n" },
		{ "%2\r\n$1\r\na\r\n%0\r\n$1\r\nb\r\n*0\r\n+x\r\n",
		    "*4\r\n$1\r\na\r\n*0\r\n$1\r\nb\r\n*0\r\n+x\r\n" },
		{ "_\r\n+x\r\n", "$-1\r\n+x\r\n" },
		{ "#t\r\n#f\r\n+x\r\n", ":1\r\n:0\r\n+x\r\n" },
		{ ",1.5\r\n(9999999999999999999999\r\n",
		    "+1.5\r\n+9999999999999999999999\r\n" },
		{ "=7\r\ntxt:>%~\r\n+x\r\n", "$7\r\ntxt:>%~\r\n+x\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		told(rows[i].in, rows[i].out);
}

/* It is the reader's affair, which has to see it. */
static void
nonsense_goes_through(void **state)
{
	static const char *const rows[] = { "HTTP/1.1 400\r\n>1\r\n", "!2\r\n",
		"$x\r\n+OK\r\n", "%x\r\n+OK\r\n", "_x\r\n", "#\r\n", "#tt\r\n",
		"%\r\n", "%123456789012345678901234567890\r\n>",
		"$123456789012345678901234567890\r\n>",
		"_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n>" };

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		told(rows[i], rows[i]);
}

static bool
take_nothing(void *out, struct slice in)
{
	(void)out;
	(void)in;
	return (false);
}

static void
no_memory_is_told(void **state)
{
	static const char *const rows[] = { "+x\r\n", ">1\r\n", "%1\r\n",
		"_\r\n", "+a\r\n%1", "%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct resp3 r = { .state = RESP3_TYPE };

		assert_false(resp3_feed(&r, slice_str(rows[i]), take_nothing,
		    NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resp2_is_left_as_it_is),
		cmocka_unit_test(new_types_are_told_in_old_ones),
		cmocka_unit_test(nonsense_goes_through),
		cmocka_unit_test(no_memory_is_told),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
