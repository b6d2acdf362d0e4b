/* Seals: who knows a secret, files of secrets that are good or bad. */
#include "relay/bridge/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/counters.h"
#include "tests/lib/check.h"

#define OLD	"0123456789abcdef"
#define NEW	"fedcba9876543210"

static const struct slice name = { (const uint8_t *)"roost:", 6 };
static char file[] = "/tmp/test_seal.XXXXXX";

static void
put_file(const char *text, size_t n)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static struct seal *
with(const char *text)
{
	struct seal *s = seal_new(file);

	assert_non_null(s);
	put_file(text, strlen(text));
	assert_null(seal_read(s));
	return (s);
}

static bool
is_heard(const struct seal *by, const struct seal *from, const char *text)
{
	struct slice m;
	struct buf b;
	bool ok;

	buf_init(&b);
	buf_str(&b, text);
	assert_true(seal_put(from, name, &b));
	m = buf_unread(&b);
	ok = seal_take(by, name, &m);
	assert_text(m, text);		/* without its seal, in any case */
	buf_fini(&b);
	return (ok);
}

static void
without_a_file_nothing_is_asked_for(void **state)
{
	struct seal *s = seal_new("");
	struct slice m = SLICE("hello");
	struct buf b;

	(void)state;
	assert_null(seal_read(s));
	assert_false(seal_is_asked_for(s));
	assert_true(seal_take(s, name, &m));
	assert_true(seal_take_text(s, name, &m));
	buf_init(&b);
	buf_str(&b, "hello");
	assert_true(seal_put(s, name, &b));
	assert_text(buf_unread(&b), "hello");
	buf_fini(&b);
	seal_free(&s);
}

static void
only_who_knows_a_secret_is_heard(void **state)
{
	struct seal *a = with(OLD "\n"), *b = with(OLD "\r\n"),
	    *c = with(NEW "\n");
	uint64_t before = counter_get(COUNTER_redis_unsealed);
	struct slice m = SLICE("short"), none = SLICE("");

	(void)state;
	assert_true(is_heard(a, b, "hello"));
	assert_true(is_heard(a, b, ""));
	assert_int_equal(counter_get(COUNTER_redis_unsealed), before);
	assert_false(is_heard(a, c, "hello"));
	assert_false(seal_take(a, name, &m));
	assert_false(seal_take(a, name, &none));
	assert_int_equal(counter_get(COUNTER_redis_unsealed), before + 3);
	seal_free(&a);
	seal_free(&b);
	seal_free(&c);
}

static void
each_bit_and_the_name_count(void **state)
{
	struct seal *s = with(OLD);
	struct slice m;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	buf_str(&b, "x");
	assert_true(seal_put(s, name, &b));
	assert_int_equal(b.wpos, 1 + SEAL_BYTES);
	for (i = 0; i < 8 * b.wpos; i++) {
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		m = buf_unread(&b);
		assert_false(seal_take(s, name, &m));
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	m = buf_unread(&b);
	assert_false(seal_take(s, SLICE("other:"), &m));
	m = buf_unread(&b);
	assert_true(seal_take(s, name, &m));
	buf_fini(&b);
	seal_free(&s);
}

/* The digest is that of `openssl dgst -sha256 -hmac 0123456789abcdef` of
 * "roost:publish\nhello". */
static void
text_has_its_seal_in_front(void **state)
{
	static const char digest[] =
	    "46489a4f051565eae90884d2b0dc0110"
	    "e5eeb187a2f0e73fe603d312bcf5eebb";
	struct seal *s = with(OLD "\n");
	struct slice m;
	char text[128];
	size_t i;

	(void)state;
	(void)snprintf(text, sizeof text, "%s hello", digest);
	m = slice_str(text);
	assert_true(seal_take_text(s, SLICE("roost:publish"), &m));
	assert_text(m, "hello");
	for (i = 0; digest[i] != '\0'; i++)
		if (text[i] >= 'a')
			text[i] = (char)(text[i] - 'a' + 'A');
	m = slice_str(text);
	assert_true(seal_take_text(s, SLICE("roost:publish"), &m));
	m = slice_str(text);
	assert_false(seal_take_text(s, SLICE("roost:publisher"), &m));
	text[0] = 'g';
	m = slice_str(text);
	assert_false(seal_take_text(s, SLICE("roost:publish"), &m));
	m = SLICE("hello");
	assert_false(seal_take_text(s, SLICE("roost:publish"), &m));
	m = slice_of(digest, sizeof digest - 1);	/* and no blank */
	assert_false(seal_take_text(s, SLICE("roost:publish"), &m));
	seal_free(&s);
}

static void
a_secret_is_replaced_step_by_step(void **state)
{
	struct seal *a = with(OLD), *b = with(OLD "\n" NEW),
	    *c = with("\n" NEW "\n\n" OLD "\n"), *d = with(NEW);

	(void)state;
	assert_true(is_heard(b, a, "1"));
	assert_true(is_heard(a, b, "1"));
	assert_true(is_heard(b, c, "2"));
	assert_true(is_heard(c, b, "2"));
	assert_true(is_heard(d, c, "3"));
	assert_true(is_heard(c, d, "3"));
	assert_false(is_heard(d, a, "4"));
	/* the file again, with what it has now */
	assert_null(seal_read(a));
	assert_true(is_heard(a, d, "5"));
	seal_free(&a);
	seal_free(&b);
	seal_free(&c);
	seal_free(&d);
}

static void
a_bad_file_is_told_and_changes_nothing(void **state)
{
	static const struct { const char *text, *why; } rows[] = {
		{ "", "it is empty" },
		{ "\n\r\n", "it is empty" },
		{ "0123456789abcde\n", "a secret has less than 16 bytes" },
		{ OLD "\nshort", "a secret has less than 16 bytes" },
		{ OLD "\n" OLD "\n" OLD "\n" OLD "\n" NEW,
		    "it has more than 4 secrets" },
	};
	struct seal *s = with(OLD), *b = with(OLD), *closed = seal_new(file);
	char large[4096];
	struct buf m;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		put_file(rows[i].text, strlen(rows[i].text));
		assert_string_equal(seal_read(s), rows[i].why);
		assert_string_equal(seal_read(closed), rows[i].why);
		assert_true(is_heard(s, b, "x"));
	}
	memset(large, 'x', sizeof large);
	put_file(large, sizeof large);
	assert_string_equal(seal_read(s), "it has more than 4095 bytes");
	(void)unlink(file);
	assert_string_equal(seal_read(s), "No such file or directory");
	assert_true(is_heard(s, b, "x"));
	/* as long as there never was a good one: nobody is, and says nothing */
	assert_true(seal_is_asked_for(closed));
	assert_false(is_heard(closed, b, "x"));
	buf_init(&m);
	buf_str(&m, "x");
	assert_false(seal_put(closed, name, &m));
	assert_text(buf_unread(&m), "x");
	buf_fini(&m);
	seal_free(&s);
	seal_free(&b);
	seal_free(&closed);
}

static int
set_up(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return (fd == -1 ? -1 : close(fd));
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(file);
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_nothing_is_asked_for),
		cmocka_unit_test(only_who_knows_a_secret_is_heard),
		cmocka_unit_test(each_bit_and_the_name_count),
		cmocka_unit_test(text_has_its_seal_in_front),
		cmocka_unit_test(a_secret_is_replaced_step_by_step),
		cmocka_unit_test(a_bad_file_is_told_and_changes_nothing),
	};

	return (cmocka_run_group_tests(tests, set_up, tear_down));
}
