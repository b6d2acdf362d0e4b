/* A process becomes another program, and another one comes back when that was
 * no good idea. */
#include "master/upgrade/leap.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/upgrade/record.h"
#include "tests/lib/check.h"

static struct record record;
static char printed[8192];

/* /usr/bin/env tells with what it was started. */
static void
prepare(void)
{
	static char name[] = "env", ours[] = "OURS=1";
	static char *argv[] = { name, NULL }, *env[] = { ours, NULL };

	leap_remember(argv, env);
	memset(&record, 0, sizeof record);
	record.pid = (uint32_t)getpid();
	record.timeout_ms = 1;
	record.pidfile_fd = record.segment_fd = -1;
	record.relay_fd = record.master_fd = record.passed_fd = -1;
	record.stats.memory_fd = record.stats.file_fd = -1;
	record.exe_fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
	assert_true(record.exe_fd > STDERR_FILENO);
}

static void
guard(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	leap_guard(&record, fd);
}

/* What a process printed, and how it ended. */
static int
run(void (*what)(void))
{
	int fds[2], status;
	size_t n = 0;
	ssize_t r;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		prepare();
		what();
		(void)printf("came to nothing");
		(void)fflush(stdout);
		_exit(77);
	}
	(void)close(fds[1]);
	while ((r = read(fds[0], printed + n, sizeof printed - 1 - n)) > 0)
		n += (size_t)r;
	printed[n] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return (status);
}

static void
assert_back(void (*what)(void), const char *why)
{
	char line[128];

	assert_int_equal(run(what), 0);
	assert_non_null(strstr(printed, "OURS=1\n"));
	assert_non_null(strstr(printed, "ROOSTD_UPGRADE=back:"));
	(void)snprintf(line, sizeof line, ":%s\n", why);
	assert_non_null(strstr(printed, line));
}

/* --- there ------------------------------------------------------------------*/

static void
goes(void)
{
	leap_on("/usr/bin/env", &record);
}

static void
the_next_is_told_where_the_record_is(void **state)
{
	(void)state;
	assert_int_equal(run(goes), 0);
	assert_non_null(strstr(printed, "OURS=1\n"));
	assert_non_null(strstr(printed, "ROOSTD_UPGRADE=on:"));
}

static void
lists(void)
{
	static char sh[] = "sh", c[] = "-c", ls[] = "ls /proc/$$/fd; exit 0";
	static char *argv[] = { sh, c, ls, NULL }, *env[] = { NULL };

	leap_remember(argv, env);
	record.segment_fd = fcntl(record.exe_fd, F_DUPFD_CLOEXEC, 200);
	(void)fcntl(record.exe_fd, F_DUPFD_CLOEXEC, 300);
	leap_on("/bin/sh", &record);
}

static void
what_is_in_the_record_stays_open(void **state)
{
	(void)state;
	assert_int_equal(run(lists), 0);
	assert_non_null(strstr(printed, "200\n"));
	assert_null(strstr(printed, "300\n"));
}

static void
goes_nowhere(void)
{
	leap_on("/dev/null", &record);
	assert_int_equal(errno, EACCES);
	assert_true(fcntl(record.exe_fd, F_GETFD) & FD_CLOEXEC);
}

static void
what_comes_to_nothing_leaves_all_as_it_was(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(run(goes_nowhere)), 77);
	assert_string_equal(printed, "came to nothing");
}

/* --- and back ---------------------------------------------------------------*/

static void
crashes(void)
{
	guard();
	(void)raise(SIGSEGV);
}

static void
aborts(void)
{
	guard();
	abort();
}

static void
overflows(void)
{
	volatile char much[4096];

	memset((char *)(uintptr_t)much, 1, sizeof much);
	if (much[17] == 1)
		overflows();
	much[18] = much[17];
}

static void
has_no_stack(void)
{
	guard();
	overflows();
}

static void
ends(void)
{
	guard();
	exit(3);
}

static void
hangs(void)
{
	guard();
	for (;;)
		(void)pause();
}

static void
thinks_better(void)
{
	guard();
	leap_back(&record, "not ready in time");
}

static void
who_does_not_do_goes_back(void **state)
{
	(void)state;
	assert_back(crashes, "it crashed: SEGV");
	assert_back(aborts, "it crashed: ABRT");
	assert_back(has_no_stack, "it crashed: SEGV");
	assert_back(ends, "it ended");
	assert_back(hangs, "it hung");
	assert_back(thinks_better, "not ready in time");
}

static void
bears(void)
{
	int status;
	pid_t pid;

	guard();
	assert_true(leap_guarded());
	pid = fork();
	if (pid == 0) {
		assert_false(leap_guarded());
		exit(4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 4);
	pid = fork();
	if (pid == 0)
		abort();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
children_do_not(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(run(bears)), 77);
	assert_string_equal(printed, "came to nothing");
}

static void
is_good(void)
{
	guard();
	leap_unguard();
	assert_false(leap_guarded());
	/* what was for the way back is gone */
	assert_int_equal(fcntl(record.exe_fd, F_GETFD), -1);
	abort();
}

static void
who_was_found_good_stays(void **state)
{
	int status = run(is_good);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(printed, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_is_told_where_the_record_is),
		cmocka_unit_test(what_is_in_the_record_stays_open),
		cmocka_unit_test(what_comes_to_nothing_leaves_all_as_it_was),
		cmocka_unit_test(who_does_not_do_goes_back),
		cmocka_unit_test(children_do_not),
		cmocka_unit_test(who_was_found_good_stays),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
