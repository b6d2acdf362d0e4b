/* Log lines, read back from a pipe in place of stderr. */
#include "sys/log.h"

#include <sys/socket.h>

#include <errno.h>
#include <regex.h>
#include <unistd.h>

#include "tests/lib/check.h"

static int real_stderr, out;
static char line[8192];

static int
set_up(void **state)
{
	int fds[2];

	(void)state;
	real_stderr = dup(STDERR_FILENO);
	if (real_stderr == -1 || pipe(fds) == -1 ||
	    dup2(fds[1], STDERR_FILENO) == -1)
		return (-1);
	(void)close(fds[1]);
	out = fds[0];
	log_open(LOG_TARGET_STDERR);
	log_init("worker", 1, LOG_LEVEL_INFO);
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)dup2(real_stderr, STDERR_FILENO);
	(void)close(real_stderr);
	(void)close(out);
	return (0);
}

/* What was written since; a pipe holds it. */
static const char *
written(void)
{
	ssize_t n;

	/* never blocks: there is at least this byte */
	assert_int_equal(write(STDERR_FILENO, "$", 1), 1);
	n = read(out, line, sizeof line - 1);
	assert_true(n > 0 && line[n - 1] == '$');
	line[n - 1] = '\0';
	return (line);
}

static void
assert_like(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" is not like \"%s\"", text, pattern);
	regfree(&re);
}

static void
a_line_has_time_pid_role_level_and_message(void **state)
{
	(void)state;
	log_info("event key=%d", 5);
	assert_like(written(), "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}"
	    "Z roostd\\[[0-9]+\\] worker/1 info: event key=5\n$");
	log_init("relay", -1, LOG_LEVEL_INFO);
	log_warnx("x");
	assert_like(written(), " relay warn: x\n$");
}

static void
warn_adds_what_errno_says_and_keeps_it(void **state)
{
	(void)state;
	errno = ENOENT;
	log_warn("open path=%s", "/x");
	assert_int_equal(errno, ENOENT);
	assert_like(written(),
	    " warn: open path=/x error=\"No such file or directory\"\n$");
}

static void
levels_below_the_one_set_are_silent(void **state)
{
	(void)state;
	log_debug("no");
	log_set_level(LOG_LEVEL_ERROR);
	log_warnx("no");
	log_info("no");
	assert_string_equal(written(), "");
	log_errx("yes");
	assert_like(written(), " error: yes\n$");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	assert_like(written(), " debug: yes\n$");
}

static char tapped[256];

static void
on_message(enum log_level level, const char *message, size_t n)
{
	(void)snprintf(tapped, sizeof tapped, "%d %.*s", (int)level, (int)n,
	    message);
}

static void
who_listens_hears_messages_of_any_level(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	log_tap_hook = on_message;
	log_info("event key=%d", 5);
	assert_string_equal(written(), "");
	assert_string_equal(tapped, "2 event key=5");
	errno = ENOENT;
	log_err("open");
	assert_like(written(), " error: open error=\"No such");
	assert_string_equal(tapped,
	    "0 open error=\"No such file or directory\"");
	log_tap_hook = NULL;
	log_info("no");
	assert_string_equal(tapped,
	    "0 open error=\"No such file or directory\"");
}

static void
level_names_are_known(void **state)
{
	(void)state;
	assert_int_equal(log_level_from("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_from("loud"), -1);
}

static void
a_line_too_long_is_cut_and_still_one_line(void **state)
{
	static char text[5000];
	size_t n;

	(void)state;
	memset(text, 'a', sizeof text - 1);
	errno = EPERM;
	log_warn("%s", text);
	n = strlen(written());
	assert_in_range(n, 1000, 2048);
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void
repetitions_are_held_back_and_counted(void **state)
{
	struct log_rate r = { 0, 0 };
	struct mono now = { 5000000 };
	uint64_t held = 99;

	(void)state;
	assert_true(log_rate(&r, now, &held));
	assert_int_equal(held, 0);
	now.us += 1;
	assert_false(log_rate(&r, now, &held));
	now.us += 999998;
	assert_false(log_rate(&r, now, &held));
	now.us += 1;
	assert_true(log_rate(&r, now, &held));
	assert_int_equal(held, 2);
	now.us += 1000000;
	assert_true(log_rate(&r, now, &held));
	assert_int_equal(held, 0);
}

static unsigned lost;

static void
on_lost(void)
{
	lost++;
}

/* A pipe that nobody reads takes what fits; then lines are dropped, at once. */
static void
who_does_not_read_does_not_stop_us(void **state)
{
	static char text[1000], all[1 << 17];
	unsigned i, taken = 0;
	ssize_t n;

	(void)state;
	lost = 0;
	log_lost_hook = on_lost;
	memset(text, 'a', sizeof text - 1);
	for (i = 0; i < 1000; i++)
		log_info("n=%u %s", i, text);
	log_lost_hook = NULL;
	assert_in_range(lost, 1, 999);
	n = read(out, all, sizeof all);
	assert_true(n > 0);
	for (i = 0; i < (unsigned)n; i++)
		taken += all[i] == '\n';
	assert_int_equal(taken + lost, 1000);
	assert_int_equal(all[n - 1], '\n');
	log_info("again");
	assert_like(written(), "worker/1 warn: log lines_lost=[0-9]+\n.* again\n$");
	log_info("once");
	assert_like(written(), "^[^\n]* once\n$");
}

static void
a_socket_that_is_full_does_not_stop_us(void **state)
{
	int fds[2];
	unsigned i;

	(void)state;
	lost = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_not_equal(dup2(fds[1], STDERR_FILENO), -1);
	log_open(LOG_TARGET_STDERR);
	log_lost_hook = on_lost;
	for (i = 0; i < 10000; i++)
		log_info("n=%u", i);
	log_lost_hook = NULL;
	assert_in_range(lost, 1, 9999);
	(void)close(fds[0]);
	(void)close(fds[1]);
	log_info("nobody is there"); /* no SIGPIPE */
}

static void
bytes_of_a_peer_cannot_break_a_line(void **state)
{
	char safe[64];

	(void)state;
	assert_string_equal(log_safe(safe, sizeof safe, "a/b=c", 5), "a/b=c");
	assert_string_equal(log_safe(safe, sizeof safe, "\n\"\\ \x1b\xff\0", 7),
	    "\\x0a\\x22\\x5c\\x20\\x1b\\xff\\x00");
	assert_string_equal(log_safe(safe, sizeof safe, "", 0), "");
}

static void
words_of_others_stand_in_quotes(void **state)
{
	char words[16];

	(void)state;
	assert_string_equal(log_quoted(words, sizeof words,
	    SLICE("a \"b\"\n\x7f\xc3\xa4")), "a 'b'??\xc3\xa4");
	assert_string_equal(log_quoted(words, 4, SLICE("abcd")), "abc");
	assert_string_equal(log_quoted(words, 4, SLICE("abc")), "abc");
	assert_string_equal(log_quoted(words, 1, SLICE("a")), "");
	assert_string_equal(log_quoted(words, 4, SLICE("")), "");
}

static void
safe_text_is_cut_at_every_size_without_overflow(void **state)
{
	static const char peer[] = "abc\ndef\x01\x02ghijkl\"mnop";
	char *safe;
	size_t cap, n;

	(void)state;
	for (cap = 4; cap < 48; cap++) {
		for (n = 0; n < sizeof peer; n++) {
			safe = malloc(cap);
			assert_non_null(safe);
			(void)log_safe(safe, cap, peer, n);
			assert_true(strlen(safe) < cap);
			free(safe);
		}
	}
	safe = malloc(10);
	assert_non_null(safe);
	assert_string_equal(log_safe(safe, 10, "abcdefghi", 9), "abcdefghi");
	assert_string_equal(log_safe(safe, 10, "abcdefghij", 10), "abcdef...");
	assert_string_equal(log_safe(safe, 10, "abcd\nfg", 7), "abcd...");
	free(safe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_line_has_time_pid_role_level_and_message),
		T(warn_adds_what_errno_says_and_keeps_it),
		T(levels_below_the_one_set_are_silent),
		T(who_listens_hears_messages_of_any_level),
		T(level_names_are_known),
		T(a_line_too_long_is_cut_and_still_one_line),
		T(repetitions_are_held_back_and_counted),
		T(who_does_not_read_does_not_stop_us),
		T(a_socket_that_is_full_does_not_stop_us),
		T(bytes_of_a_peer_cannot_break_a_line),
		T(words_of_others_stand_in_quotes),
		T(safe_text_is_cut_at_every_size_without_overflow),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
