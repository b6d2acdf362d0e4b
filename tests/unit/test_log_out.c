/* Lines to whatever stderr is, and to a syslog that comes and goes: no wait,
 * and the truth about what was taken. */
#include "sys/log_out.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/refuse.h"

#define LINE	"event key=1\n"
#define WRITERS	4
#define WRITER_LINES	300	/* 3.6 kB in all; 8 fit, when nobody reads */

static int real_stderr, far_end = -1, syslogd = -1;
static char place[64];

static int
set_up(void **state)
{
	(void)state;
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	(void)snprintf(place, sizeof place, "/tmp/roost-syslog-%ld",
	    (long)getpid());
	refuse_dev_log = place;
	return (real_stderr == -1 ? -1 : 0);
}

static int
tear_down(void **state)
{
	(void)state;
	(void)refuse_end();
	log_out_close();
	(void)dup2(real_stderr, STDERR_FILENO);
	(void)close(real_stderr);
	if (far_end != -1)
		(void)close(far_end);
	if (syslogd != -1)
		(void)close(syslogd);
	far_end = syslogd = -1;
	(void)unlink(place);
	return (0);
}

static bool
say(const char *line)
{
	return (log_out_line(LOG_NOTICE, line, strlen(line)));
}

static void
stderr_is(int fd, int read_from)
{
	assert_true(fd != -1);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	(void)close(fd);
	far_end = read_from;
}

static void
heard(int fd, const char *want)
{
	char text[8192];
	ssize_t n = read(fd, text, sizeof text);

	assert_true(n >= 0);
	assert_text(slice_of(text, (size_t)n), want);
}

static void
stderr_is_a_pipe(void)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	stderr_is(fds[1], fds[0]);
}

static void
a_file_takes_all(void **state)
{
	char path[] = "/tmp/roost-log-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	stderr_is(fd, open(path, O_RDONLY | O_CLOEXEC));
	(void)unlink(path);
	log_out_stderr();
	assert_true(say(LINE));
	heard(far_end, LINE);
	/* a full disk loses lines as a full pipe does; what else fails does
	 * not get better by counting */
	refuse("write", 1, 1, ENOSPC);
	assert_false(say(LINE));
	refuse("write", 1, 1, EIO);
	assert_true(say(LINE));
	refuse("write", 1, 2, EINTR);
	assert_true(say(LINE));
	assert_int_equal(refuse_end(), 2);
	heard(far_end, LINE);
}

static void
a_pipe_is_full_or_not(void **state)
{
	unsigned n = 0;

	(void)state;
	stderr_is_a_pipe();
	log_out_stderr();
	assert_true(say(LINE));
	heard(far_end, LINE);
	while (n < 100000 && say(LINE))
		n++;
	assert_in_range(n, 10, 99999);
}

static void
a_pipe_that_is_not_opened_again_is_looked_at(void **state)
{
	unsigned n = 0;

	(void)state;
	stderr_is_a_pipe();
	refuse("open", 1, 1, EACCES);
	log_out_stderr();
	assert_int_equal(refuse_end(), 1);
	assert_true(say(LINE));
	heard(far_end, LINE);
	refuse("poll", 1, 1, EINTR);
	assert_false(say(LINE));
	(void)refuse_end();
	while (n < 100000 && say(LINE))
		n++;
	assert_in_range(n, 10, 99999);
	/* what stderr is can't be told: the same */
	refuse("fstat", 1, 1, EBADF);
	log_out_stderr();
	assert_int_equal(refuse_end(), 1);
	assert_false(say(LINE));
}

/* --- a terminal ----------------------------------------------------------*/

/* Opened once more as stderr; far_end is whoever looks at it. */
static void
stderr_is_a_terminal(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd != -1);
	assert_int_equal(grantpt(fd), 0);
	assert_int_equal(unlockpt(fd), 0);
	stderr_is(open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC), fd);
	log_out_stderr();
}

/* Begins when nobody has the pipe's other end any more; how many lines were
 * not taken. */
static pid_t
writer_begins(const int start[2])
{
	unsigned i, lost = 0;
	pid_t pid = fork();
	char c;

	if (pid != 0)
		return (pid);
	(void)close(start[1]);
	log_out_stderr();
	if (read(start[0], &c, 1) != 0)
		_exit(255);
	for (i = 0; i < WRITER_LINES; i++)
		lost += !say("x\n");
	_exit(lost < 255 ? (int)lost : 255);
}

static void
read_to_the_end(int fd)
{
	char text[8192];
	ssize_t n;

	do
		n = read(fd, text, sizeof text);
	while (n > 0 || (n == -1 && errno == EINTR));
}

/* Written by several at a time, and far from full. */
static void
a_terminal_takes_each_line_of_many_writers(void **state)
{
	pid_t reader, pids[WRITERS];
	int i, status, start[2], lost = 0;

	(void)state;
	stderr_is_a_terminal();
	reader = fork();
	assert_true(reader != -1);
	if (reader == 0) {
		log_out_close();
		(void)dup2(real_stderr, STDERR_FILENO);
		read_to_the_end(far_end);
		_exit(0);
	}
	assert_int_equal(pipe(start), 0);
	for (i = 0; i < WRITERS; i++) {
		pids[i] = writer_begins(start);
		assert_true(pids[i] != -1);
	}
	(void)close(start[1]);
	(void)close(start[0]);
	for (i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		lost += WEXITSTATUS(status);
	}
	log_out_close();
	(void)dup2(real_stderr, STDERR_FILENO);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(lost, 0);
}

static void
a_terminal_that_is_full_is_not_waited_for(void **state)
{
	unsigned n = 0, polls;

	(void)state;
	stderr_is_a_terminal();
	assert_true(say(LINE));
	/* no poll(2), so no wait */
	refuse("poll", 1, REFUSE_ALWAYS, EINTR);
	while (n < 100000 && say(LINE))
		n++;
	polls = refuse_end();
	(void)dup2(real_stderr, STDERR_FILENO);	/* nobody reads of failures */
	assert_in_range(n, 10, 99999);
	assert_int_equal(polls, 0);
}

/* Somebody has it for long: one line is waited with, not each. */
static void
a_terminal_that_stays_somebodys_is_waited_for_once(void **state)
{
	(void)state;
	stderr_is_a_terminal();
	refuse("write", 1, REFUSE_ALWAYS, EAGAIN);
	assert_false(say(LINE));
	assert_in_range(refuse_end(), 100, 300);
	refuse("write", 1, REFUSE_ALWAYS, EAGAIN);
	assert_false(say(LINE));
	assert_int_equal(refuse_end(), 2);
	assert_true(say(LINE));
	refuse("write", 1, 100, EAGAIN);
	assert_true(say(LINE));
	assert_int_equal(refuse_end(), 100);
}

static void
after_a_close_lines_go_on(void **state)
{
	(void)state;
	stderr_is_a_pipe();
	log_out_stderr();
	log_out_close();
	assert_true(say(LINE));
	heard(far_end, LINE);
}

static void
a_socket_is_full_or_gone(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds), 0);
	stderr_is(fds[1], fds[0]);
	log_out_stderr();
	assert_true(say(LINE));
	heard(far_end, LINE);
	refuse("send", 1, 1, EAGAIN);
	assert_false(say(LINE));
	refuse("send", 1, 1, ENOBUFS);
	assert_false(say(LINE));
	(void)refuse_end();
	(void)close(far_end);
	far_end = -1;
	assert_true(say(LINE));		/* nobody waits for it */
}

/* --- syslog --------------------------------------------------------------*/

static void
syslog_starts(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path, place, strlen(place) + 1);
	syslogd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(syslogd != -1);
	assert_int_equal(bind(syslogd, (const struct sockaddr *)&sun,
	    sizeof sun), 0);
}

static void
syslog_stops(void)
{
	(void)close(syslogd);
	(void)unlink(place);
	syslogd = -1;
}

/* "<29>Jan  2 03:04:05 roostd[99]: text" */
static void
syslog_heard(const char *want)
{
	char text[8192], head[64];
	ssize_t n = read(syslogd, text, sizeof text);
	size_t len;

	assert_true(n > 24);
	(void)snprintf(head, sizeof head, " roostd[%ld]: ", (long)getpid());
	assert_memory_equal(text, "<29>", 4);
	len = strlen(head);
	assert_true((size_t)n > 19 + len);
	assert_memory_equal(text + 19, head, len);
	assert_text(slice_of(text + 19 + len, (size_t)n - 19 - len), want);
}

static void
a_syslog_that_comes_and_goes(void **state)
{
	(void)state;
	log_out_syslog();
	assert_false(say(LINE));
	syslog_starts();
	assert_true(say(LINE));
	syslog_heard("event key=1");
	/* started anew between two lines */
	syslog_stops();
	syslog_starts();
	assert_true(say(LINE));
	syslog_heard("event key=1");
	syslog_stops();
	assert_false(say(LINE));
	assert_false(say(LINE));
	syslog_starts();
	assert_true(say("x\n"));
	syslog_heard("x");
	/* our own end may be refused as well */
	log_out_close();
	refuse("socket", 1, 1, EMFILE);
	assert_false(say(LINE));
	assert_int_equal(refuse_end(), 1);
	assert_true(say(LINE));
	syslog_heard("event key=1");
}

static void
a_syslog_that_is_full(void **state)
{
	(void)state;
	syslog_starts();
	log_out_syslog();
	assert_true(say(LINE));
	refuse("send", 1, 1, EAGAIN);
	assert_false(say(LINE));
	refuse("send", 1, 1, ENOBUFS);
	assert_false(say(LINE));
	/* nor is it there the second time */
	refuse("send", 1, 2, ECONNRESET);
	assert_false(say(LINE));
	assert_int_equal(refuse_end(), 2);
	syslog_heard("event key=1");
	assert_true(say(LINE));
	syslog_heard("event key=1");
}

static void
a_long_line_is_cut(void **state)
{
	char line[6001], text[8192];

	(void)state;
	memset(line, 'a', sizeof line - 2);
	line[sizeof line - 2] = '\n';
	line[sizeof line - 1] = '\0';
	syslog_starts();
	log_out_syslog();
	assert_true(say(line));
	assert_int_equal(read(syslogd, text, sizeof text), 4095);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_file_takes_all),
		T(a_pipe_is_full_or_not),
		T(a_pipe_that_is_not_opened_again_is_looked_at),
		T(a_terminal_takes_each_line_of_many_writers),
		T(a_terminal_that_is_full_is_not_waited_for),
		T(a_terminal_that_stays_somebodys_is_waited_for_once),
		T(after_a_close_lines_go_on),
		T(a_socket_is_full_or_gone),
		T(a_syslog_that_comes_and_goes),
		T(a_syslog_that_is_full),
		T(a_long_line_is_cut),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
