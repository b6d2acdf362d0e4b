/* The end of a process that found a bug in itself. */
#include "base/bug.h"

#include <sys/wait.h>

#include <signal.h>
#include <unistd.h>

#include "tests/lib/check.h"

static int noted[2];	/* what the hook was told, from the child */

static void
hook(const char *note)
{
	(void)!write(noted[1], note, strlen(note));
}

static void
hook_with_a_bug(const char *note)
{
	hook(note);
	MUST(note == NULL);
}

/* A child in which 1 == 2 must hold: its last words, and its hook's. */
static void
fails(void (*of_child)(const char *), char *said, char *note, size_t size)
{
	int err[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(err), 0);
	assert_int_equal(pipe(noted), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(err[1], STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL); /* cmocka catches it */
		bug_panic_hook = of_child;
		MUST(1 == 2);
		_exit(0);
	}
	(void)close(err[1]);
	(void)close(noted[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	n = read(err[0], said, size - 1);
	said[n < 0 ? 0 : n] = '\0';
	n = read(noted[0], note, size - 1);
	note[n < 0 ? 0 : n] = '\0';
	(void)close(err[0]);
	(void)close(noted[0]);
}

static void
a_note_is_left_and_said(void **state)
{
	char said[1024], note[1024];

	(void)state;
	fails(hook, said, note, sizeof said);
	assert_non_null(strstr(note, "fails "));
	assert_non_null(strstr(note, "test_bug.c:"));
	assert_non_null(strstr(note, "MUST(1 == 2)"));
	assert_memory_equal(said, note, strlen(note));
	assert_string_equal(said + strlen(note), "\n");
}

static void
without_a_hook_it_is_said(void **state)
{
	char said[1024], note[1024];

	(void)state;
	fails(NULL, said, note, sizeof said);
	assert_string_equal(note, "");
	assert_non_null(strstr(said, "MUST(1 == 2)\n"));
}

/* A bug in the hook ends it too, and is not reported for ever. */
static void
a_hook_is_called_once(void **state)
{
	char said[1024], note[1024];

	(void)state;
	fails(hook_with_a_bug, said, note, sizeof said);
	assert_non_null(strstr(note, "MUST(1 == 2)"));
	assert_null(strstr(note, "note == NULL"));
	assert_string_equal(said, "");
}

static void
what_holds_does_nothing(void **state)
{
	const struct { unsigned magic; } s = { 7 };

	(void)state;
	MUST(1 == 1);
	CHECK_MAGIC(&s, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_is_left_and_said),
		cmocka_unit_test(without_a_hook_it_is_said),
		cmocka_unit_test(a_hook_is_called_once),
		cmocka_unit_test(what_holds_does_nothing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
