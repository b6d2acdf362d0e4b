/* A child whose system calls are filtered: what it gets, and what ends it. */
#include "master/confine/confine.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/bug.h"
#include "conf/conf.h"
#include "shm/counters.h"
#include "tests/lib/check.h"

static uint64_t column[COUNTERS_CELLS];
static struct conf conf;

/* In a child as that slot's, under a filter; its wait status. */
static int
child(int slot, enum conf_seccomp how, int (*what)(void))
{
	struct heritage h = { .conf = &conf, .slot = slot };
	int status;
	pid_t pid;

	conf.seccomp = how;
	(void)fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		counters_attach(column);
		confine.begin(&h);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return (status);
}

static bool
filters(void)
{
	conf.seccomp = CONF_SECCOMP_ON;
	return (strcmp(confine.word(&conf), "absent") != 0);
}

static int
nothing(void)
{
	return (counter_get(COUNTER_calls_filtered) == 1 ? 0 : 1);
}

static int
unlisted(void)
{
	char path[] = "/tmp";

	if (chmod(path, 01777) != -1 || errno != ENOSYS)
		return (1);
	if (chmod(path, 01777) != -1 || errno != ENOSYS)
		return (2);
	if (open("/tmp/test_confine", O_CREAT | O_WRONLY, 0600) != -1 ||
	    errno != EPERM)
		return (3);
	if (counter_get(COUNTER_calls_denied) != 3)
		return (4);
	confine.second();
	confine.second();
	return (0);
}

static int
inet(void)
{
	return (socket(AF_INET, SOCK_STREAM, 0) == -1 ? errno : 0);
}

static int
program(void)
{
	return (execl("/bin/true", "true", (char *)NULL));
}

static int
fresh_code(void)
{
	void *p = mmap(NULL, 4096, PROT_EXEC | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0);

	return (p == MAP_FAILED ? errno : 0);
}

static void
test_lists(void **state)
{
	(void)state;
	if (!filters()) {	/* nothing changes, then */
		assert_int_equal(child(1, CONF_SECCOMP_ON, inet), 0);
		return;
	}
	assert_int_equal(child(0, CONF_SECCOMP_ON, nothing), 0);
	assert_int_equal(child(1, CONF_SECCOMP_ON, nothing), 0);
	assert_int_equal(child(1, CONF_SECCOMP_ON, unlisted), 0);
	assert_int_equal(child(0, CONF_SECCOMP_ON, inet), 0);
	assert_int_equal(WEXITSTATUS(child(1, CONF_SECCOMP_ON, inet)), EPERM);
	assert_int_equal(WEXITSTATUS(child(0, CONF_SECCOMP_ON, fresh_code)),
	    EPERM);
	assert_int_equal(WEXITSTATUS(child(1, CONF_SECCOMP_ON, fresh_code)),
	    EPERM);
}

static void
test_deadly(void **state)
{
	int status;

	(void)state;
	if (!filters())
		return;
	status = child(1, CONF_SECCOMP_ON, program);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	status = child(0, CONF_SECCOMP_ON, program);
	assert_true(WIFSIGNALED(status));
}

static void
test_words(void **state)
{
	(void)state;
	assert_int_equal(child(1, CONF_SECCOMP_OFF, inet), 0);
	assert_int_equal(child(1, CONF_SECCOMP_LOG, inet), 0);
	assert_int_equal(child(1, CONF_SECCOMP_LOG, program), 0);
	if (!filters())
		return;
	assert_string_equal(confine.word(&conf), "on");
	conf.seccomp = CONF_SECCOMP_LOG;
	assert_string_equal(confine.word(&conf), "log");
	conf.seccomp = CONF_SECCOMP_OFF;
	assert_string_equal(confine.word(&conf), "off");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_deadly),
		cmocka_unit_test(test_words),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
