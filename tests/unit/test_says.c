/* What a child writes to its stderr, as the log shows it. */
#include "master/says.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/log.h"
#include "tests/lib/check.h"
#include "tests/lib/refuse.h"

static struct loop *loop;
static struct says s;
static int real_stderr, out, child;
static char said[65536];

static int
set_up(void **state)
{
	int fds[2];

	(void)state;
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	if (real_stderr == -1 || pipe2(fds, O_NONBLOCK | O_CLOEXEC) == -1 ||
	    dup2(fds[1], STDERR_FILENO) == -1)
		return (-1);
	(void)close(fds[1]);
	out = fds[0];
	log_open(LOG_TARGET_STDERR);
	log_init("master", -1, LOG_LEVEL_INFO);
	loop = loop_new();
	memset(&s, 0, sizeof s);
	child = says_open(&s, loop, "worker", 3);
	return (child == -1 ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)refuse_end();
	says_close(&s);
	loop_free(&loop);
	log_close();
	(void)dup2(real_stderr, STDERR_FILENO);
	(void)close(real_stderr);
	(void)close(out);
	return (0);
}

static void
writes(const char *text)
{
	assert_int_equal(write(child, text, strlen(text)), strlen(text));
}

/* Each line's text behind what stands before all of them, each with '|'. */
static void
assert_logged(const char *want)
{
	static const char head[] = "child_says role=worker slot=3 text=\"";
	char got[8192] = "", *line, *text;
	size_t n = 0;
	ssize_t r;

	s.io.on_event(&s.io, LOOP_IN);
	r = read(out, said, sizeof said - 1);
	said[r < 0 ? 0 : r] = '\0';
	for (line = strstr(said, head); line != NULL;
	    line = strstr(text, head)) {
		text = line + strlen(head);
		n += (size_t)snprintf(got + n, sizeof got - n, "%.*s|",
		    (int)strcspn(text, "\"\n"), text);
	}
	assert_string_equal(got, want);
}

static void
whole_lines_are_logged(void **state)
{
	(void)state;
	writes("one\ntwo\nthr");
	assert_logged("one|two|");
	writes("ee\n\n\n");
	assert_logged("three|");
	assert_logged("");
}

static void
control_bytes_are_not(void **state)
{
	(void)state;
	writes("a\tb\033[2Jc\177\"d\"\r\n");
	assert_logged("a?b?[2Jc?'d'?|");
}

static void
a_long_line_is_several(void **state)
{
	char text[SAYS_LINE_MAX + 3], want[SAYS_LINE_MAX + 8];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 2] = '\n';
	text[sizeof text - 1] = '\0';
	(void)snprintf(want, sizeof want, "%.*s|x|", SAYS_LINE_MAX, text);
	writes(text);
	assert_logged(want);
}

static void
last_words_are_logged_without_their_end(void **state)
{
	(void)state;
	writes("Aborted");
	(void)close(child);
	assert_logged("Aborted|");
	assert_false(s.open);
	says_close(&s);		/* harmless */
}

static void
what_is_left_is_read_at_the_close(void **state)
{
	ssize_t n;

	(void)state;
	writes("free(): invalid pointer\nAbor");
	says_close(&s);
	(void)close(child);
	n = read(out, said, sizeof said - 1);
	assert_true(n > 0);
	said[n] = '\0';
	assert_non_null(strstr(said, "slot=3 text=\"free(): invalid pointer\"\n"));
	assert_non_null(strstr(said, "slot=3 text=\"Abor\"\n"));
}

/* It gets its turn, not more. */
static void
a_babbler_does_not_hold_the_master(void **state)
{
	static char text[4096];

	(void)state;
	memset(text, '\n', sizeof text);
	assert_true(fcntl(child, F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
	while (write(child, text, sizeof text) > 0)
		continue;
	refuse("read", 1000, 1, EIO);		/* counts, fails none */
	s.io.on_event(&s.io, LOOP_IN);
	assert_true(s.open);
	assert_int_equal(refuse_seen(), 16);
	(void)close(child);
}

static void
a_read_is_interrupted_or_fails(void **state)
{
	(void)state;
	writes("one\n");
	refuse("read", 1, 1, EINTR);
	assert_logged("one|");
	assert_true(s.open);
	writes("two");
	refuse("read", 1, 2, EIO);
	assert_logged("");
	assert_false(s.open);
	(void)close(child);
}

static void
a_child_may_get_none(void **state)
{
	struct says other;

	(void)state;
	memset(&other, 0, sizeof other);
	refuse("pipe2", 1, 1, EMFILE);
	assert_int_equal(says_open(&other, loop, "worker", 4), -1);
	assert_int_equal(errno, EMFILE);
	refuse("epoll_ctl", 1, 1, ENOSPC);
	assert_int_equal(says_open(&other, loop, "worker", 4), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(refuse_end(), 1);
	says_close(&other);
	assert_false(other.open);
	(void)close(child);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(whole_lines_are_logged),
		T(control_bytes_are_not),
		T(a_long_line_is_several),
		T(last_words_are_logged_without_their_end),
		T(what_is_left_is_read_at_the_close),
		T(a_babbler_does_not_hold_the_master),
		T(a_read_is_interrupted_or_fails),
		T(a_child_may_get_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
