/* Another program is tried: what it is told, and what becomes of its answer. */
#include "master/trial.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/upgrade/binary.h"
#include "master/upgrade/leap.h"
#include "master/upgrade/pass.h"
#include "master/upgrade/record.h"
#include "tests/lib/check.h"

static char dir[64], path[96], verdict[512];
static unsigned verdicts;
static struct record record;
static struct loop *loop;

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/roost-trial-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	(void)snprintf(path, sizeof path, "%s/roostd", dir);
	memset(&record, 0, sizeof record);
	record.pid = (uint32_t)getpid();
	record.exe_fd = record.pidfile_fd = record.segment_fd = -1;
	record.relay_fd = record.master_fd = record.passed_fd = -1;
	record.stats.memory_fd = record.stats.file_fd = -1;
	record.version = SLICE("1.2");
	verdicts = 0;
	loop = loop_new();
	return (0);
}

static int
tear_down(void **state)
{
	(void)state;
	loop_free(&loop);
	(void)unlink(path);
	return (rmdir(dir));
}

static void
program(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
on_done(void *arg, const char *why, bool layout)
{
	assert_ptr_equal(arg, &record);
	verdicts++;
	(void)snprintf(verdict, sizeof verdict, "%s", why != NULL ? why :
	    layout ? "yes, but" : "yes");
	loop_stop(loop);
}

static struct trial *running;
static struct timer look;

/* As the master does when a child has ended. */
static void
on_look(struct timer *t, struct mono now)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (trial_reaped(running, pid, status))
			running = NULL;
	timer_start(loop_wheel(loop), t, mono_add_ms(now, 5), on_look);
}

static const char *
try(uint64_t ms)
{
	const struct trial_params p = { .loop = loop, .binary = path,
		.directory = dir, .ms = ms, .done = on_done,
		.arg = &record };

	running = trial_begin(&p, &record);
	assert_non_null(running);
	timer_start(loop_wheel(loop), &look, loop_now(loop), on_look);
	loop_run(loop);
	timer_stop(loop_wheel(loop), &look);
	assert_null(running);
	assert_int_equal(verdicts, 1);
	verdicts = 0;
	return (verdict);
}

static void
yes_is_yes(void **state)
{
	(void)state;
	program("#!/bin/sh\necho 'roostd: yes'\n", 0700);
	assert_string_equal(try(60000), "yes");
	/* it knows what it is asked, and by whom; it has our arguments */
	program("#!/bin/sh\ncase $ROOSTD_UPGRADE in trial:*) ;; *) exit 1;; "
	    "esac\n[ \"$*\" = \"-c a b\" ] && [ \"$PWD\" = " "\"${0%/*}\" ] && "
	    "[ \"$OURS\" = 1 ] && echo 'roostd: yes'\n", 0700);
	assert_string_equal(try(60000), "yes");
}

static void
it_says_that_its_shared_memory_is_another(void **state)
{
	(void)state;
	program("#!/bin/sh\necho 'roostd: yes, by another layout'\n", 0700);
	assert_string_equal(try(60000), "yes, but");
	program("#!/bin/sh\necho 'roostd: yes, perhaps'\n", 0700);
	assert_non_null(strstr(try(60000), "exit code 0"));
}

static void
it_has_the_record_and_nothing_else_of_ours(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd != -1);
	/* 0, 1, 2, the record, and what the shell itself has for the script
	 * and the folder; counted without a child, whose pipe would be there
	 * as well for a moment */
	program("#!/bin/sh\nset -- /proc/self/fd/*\n"
	    "n=$(ls -l /proc/$$/fd | grep -c roostd-upgrade)\n"
	    "[ $n = 1 ] && [ $# -le 6 ] && echo 'roostd: yes'\n"
	    "ls -l /proc/$$/fd >&2\n", 0700);
	assert_string_equal(try(60000), "yes");
	(void)close(fd);
}

static void
no_says_why(void **state)
{
	(void)state;
	program("#!/bin/sh\necho 'roostd: no: another layout'\nexit 78\n",
	    0700);
	assert_string_equal(try(60000), "another layout");
	/* who says yes and fails has not done */
	program("#!/bin/sh\necho 'roostd: yes'\nexit 78\n", 0700);
	assert_non_null(strstr(try(60000), "exit code 78"));
}

static void
what_cannot_be_started_is_told(void **state)
{
	(void)state;
	program("these are no instructions", 0700);
	assert_string_equal(try(60000), "Exec format error");
	program("#!/bin/sh\necho 'roostd: yes'\n", 0600);
	assert_string_equal(try(60000), "Permission denied");
	assert_int_equal(unlink(path), 0);
	assert_string_equal(try(60000), "No such file or directory");
}

static void
what_crashes_or_babbles_or_says_nothing_is_told(void **state)
{
	(void)state;
	program("#!/bin/sh\nkill -SEGV $$\n", 0700);
	assert_non_null(strstr(try(60000), "signal 11"));
	program("#!/bin/sh\nexit 0\n", 0700);
	assert_non_null(strstr(try(60000), "exit code 0"));
	program("#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' 'x'\n", 0700);
	assert_non_null(strstr(try(60000), "exit code 0"));
}

static void
who_hangs_is_ended(void **state)
{
	(void)state;
	program("#!/bin/sh\nexec sleep 1000\n", 0700);
	assert_string_equal(try(50), "it was not ready in time");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
one_that_is_forgotten_is_ended(void **state)
{
	const struct trial_params p = { .loop = loop, .binary = path,
		.ms = 60000, .done = on_done, .arg = &record };
	struct trial *t;
	int status;

	(void)state;
	program("#!/bin/sh\nexec sleep 1000\n", 0700);
	t = trial_begin(&p, &record);
	assert_non_null(t);
	trial_free(&t);
	assert_null(t);
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFSIGNALED(status));
	assert_false(trial_reaped(NULL, 1, 0));
}

/* --- the variable -----------------------------------------------------------*/

static struct pass
take(const char *value)
{
	struct pass p;

	assert_int_equal(setenv(PASS_VARIABLE, value, 1), 0);
	pass_take(&p);
	assert_null(getenv(PASS_VARIABLE));
	return (p);
}

static struct pass
take_fd(enum pass_way way, int fd, const char *why)
{
	char *text = pass_variable(way, fd, why);
	struct pass p;

	assert_non_null(text);
	p = take(strchr(text, '=') + 1);
	free(text);
	return (p);
}

static void
forget(struct pass *p)
{
	free(p->record);
	buf_fini(&p->bytes);
}

static void
a_record_is_passed(void **state)
{
	struct pass p;
	int fd = pass_make(&record);

	(void)state;
	assert_true(fd != -1);
	p = take_fd(PASS_ON, fd, NULL);
	assert_int_equal(p.way, PASS_ON);
	assert_true(slice_eq(p.record->version, SLICE("1.2")));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	forget(&p);
	p = take_fd(PASS_BACK, fd, "it crashed: SEGV");
	assert_int_equal(p.way, PASS_BACK);
	assert_string_equal(p.why, "it crashed: SEGV");
	forget(&p);
	(void)close(fd);
	(void)unsetenv(PASS_VARIABLE);
	pass_take(&p);
	assert_int_equal(p.way, PASS_NONE);
}

static void
what_somebody_sets_by_hand_is_refused(void **state)
{
	static const char *const values[] = { "", "1", "on", "on:", "on:1",
		"on:x", "on:99999", "trial:0", "far:7", "back:-3:x" };
	struct pass p;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < nitems(values); i++) {
		p = take(values[i]);
		assert_int_equal(p.way, PASS_BAD);
		assert_null(p.record);
		assert_string_equal(p.why, "only a running roostd sets it");
	}
	/* not ours, not sealed, and of another process */
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(take_fd(PASS_ON, fd, NULL).way, PASS_BAD);
	(void)close(fd);
	fd = memfd_create("x", MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, "xx", 2), 2);
	assert_int_equal(take_fd(PASS_ON, fd, NULL).way, PASS_BAD);
	(void)close(fd);
	record.pid++;
	fd = pass_make(&record);
	assert_int_equal(take_fd(PASS_ON, fd, NULL).way, PASS_BAD);
	record.pid = (uint32_t)getppid();
	(void)close(fd);
	fd = pass_make(&record);
	assert_int_equal(take_fd(PASS_ON, fd, NULL).way, PASS_BAD);
	p = take_fd(PASS_TRIAL, fd, NULL);
	assert_int_equal(p.way, PASS_TRIAL);
	forget(&p);
	(void)close(fd);
}

/* --- which file we are ------------------------------------------------------*/

static void
we_know_where_we_were_started(void **state)
{
	char self[256], *p;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int fd;

	(void)state;
	assert_true(n > 0);
	self[n] = '\0';
	/* a link stays: it may be another's tomorrow */
	assert_int_equal(symlink(self, path), 0);
	p = binary_path(path);
	assert_string_equal(p, path);
	free(p);
	assert_int_equal(setenv("PATH", dir, 1), 0);
	p = binary_path("roostd");
	assert_string_equal(p, path);
	free(p);
	/* names may be anything */
	p = binary_path("-sh");
	assert_string_equal(p, self);
	free(p);
	p = binary_path("/bin/sh");
	assert_string_equal(p, self);
	free(p);
	p = binary_path(NULL);
	assert_string_equal(p, self);
	free(p);
	fd = binary_open_self();
	assert_true(fd != -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	char arg0[] = "roostd", arg1[] = "-c", arg2[] = "a", arg3[] = "b";
	char *argv[] = { arg0, arg1, arg2, arg3, NULL };
	char ours[] = "OURS=1", where[] = "PATH=/usr/bin:/bin";
	char *env[] = { ours, where, NULL };
	const struct CMUnitTest tests[] = {
		T(yes_is_yes),
		T(it_says_that_its_shared_memory_is_another),
		T(it_has_the_record_and_nothing_else_of_ours),
		T(no_says_why),
		T(what_cannot_be_started_is_told),
		T(what_crashes_or_babbles_or_says_nothing_is_told),
		T(who_hangs_is_ended),
		T(one_that_is_forgotten_is_ended),
		T(a_record_is_passed),
		T(what_somebody_sets_by_hand_is_refused),
		T(we_know_where_we_were_started),
	};

	leap_remember(argv, env);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
