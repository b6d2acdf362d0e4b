/* What plat.h says when the host refuses, or answers in its other way. */
#include "sys/plat.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/refuse.h"

/* In a process of its own; true when it returned 0. */
static int
in_child(int (*f)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		exit(f());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (WEXITSTATUS(status));
}

/* --- the machine ---------------------------------------------------------*/

static int
closed_ones_are_opened(void)
{
	int fd;

	(void)close(STDIN_FILENO);
	(void)close(STDERR_FILENO);
	if (plat_std_files() != 0)
		return (1);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return (fd > STDERR_FILENO ? 0 : 2);
}

static void
standard_files(void **state)
{
	(void)state;
	assert_int_equal(in_child(closed_ones_are_opened), 0);
	refuse("open", 1, 1, ENFILE);
	assert_int_equal(plat_std_files(), -1);
	assert_int_equal(errno, ENFILE);
	assert_int_equal(refuse_end(), 1);
}

static void
a_file_is_read_or_not(void **state)
{
	char text[4];

	(void)state;
	assert_false(plat_read_file("/proc/none/such", text, sizeof text));
	refuse("read", 1, 1, EIO);
	assert_false(plat_read_file("/proc/self/stat", text, sizeof text));
	assert_int_equal(refuse_end(), 1);
	assert_true(plat_read_file("/proc/self/stat", text, sizeof text));
	assert_int_equal(strlen(text), sizeof text - 1);
}

static void
there_is_always_a_cpu(void **state)
{
	unsigned n = plat_cpus();

	(void)state;
	assert_true(n >= 1);
	/* a mask wider than ours */
	refuse("sched_getaffinity", 1, 3, EINVAL);
	assert_int_equal(plat_cpus(), n);
	assert_int_equal(refuse_end(), 3);
	refuse("sched_getaffinity", 1, REFUSE_ALWAYS, EINVAL);
	assert_int_equal(plat_cpus(), 1);
	assert_true(refuse_end() < 20);
	refuse("sched_getaffinity", 1, REFUSE_ALWAYS, EPERM);
	assert_int_equal(plat_cpus(), 1);
	assert_int_equal(refuse_end(), 1);
}

static void
limits_that_are_not_told(void **state)
{
	int given = plat_backlog(1 << 30);

	(void)state;
	assert_in_range(given, 128, 1 << 30);
	assert_int_equal(plat_backlog(5), 5);
	refuse("open", 1, 1, EACCES);
	assert_int_equal(plat_backlog(1 << 30), 1 << 30);
	(void)refuse_end();
	refuse("getrlimit", 1, 1, EPERM);
	assert_true(plat_nofile() == UINT64_MAX);
	refuse("getrlimit", 1, 1, EPERM);
	assert_true(plat_raise_nofile() == 0);
	assert_int_equal(refuse_end(), 1);
}

static int
raised(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return (1);
	rl.rlim_max = 200;
	rl.rlim_cur = 100;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1 || plat_nofile() != 100)
		return (2);
	if (plat_raise_nofile() != 200 || plat_nofile() != 200)
		return (3);
	return (plat_raise_nofile() == 200 ? 0 : 4);
}

static void
files_are_raised_to_the_hard_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(raised), 0);
}

/* --- rights --------------------------------------------------------------*/

static int
becomes_nobody(void)
{
	struct plat_user u;

	if (plat_user_find("nobody", &u) == -1)
		return (0);
	if (plat_user_become(&u) == -1)
		return (1);
	return (geteuid() == u.uid && getegid() == u.gid ? 0 : 2);
}

static void
users(void **state)
{
	static const char *const steps[] = { "setgroups", "setresgid",
		"setresuid" };
	struct plat_user u;
	size_t i;

	(void)state;
	assert_int_equal(plat_user_find("no such user", &u), -1);
	assert_int_equal(errno, 0);
	assert_int_equal(plat_user_find("root", &u), 0);
	assert_int_equal(u.uid, 0);
	u.uid = geteuid();
	u.gid = getegid();
	for (i = 0; i < nitems(steps); i++) {
		refuse(steps[i], 1, 1, EAGAIN);
		assert_int_equal(plat_user_become(&u), -1);
		/* setgroups() is root's, whoever asks */
		if (geteuid() == 0)
			assert_int_equal(refuse_end(), 1);
	}
	(void)refuse_end();
	if (geteuid() == 0)
		assert_int_equal(in_child(becomes_nobody), 0);
}

/* --- processes -----------------------------------------------------------*/

static void
a_parent_that_is_gone(void **state)
{
	(void)state;
	refuse("prctl", 1, 1, EPERM);
	assert_false(plat_die_with(getppid()));
	assert_int_equal(refuse_end(), 1);
}

/* By now another has taken its place. */
static int
orphan(void)
{
	return (plat_die_with(getpid()) ? 1 : 0);
}

static int
child_of_ours(void)
{
	return (plat_die_with(getppid()) ? 0 : 1);
}

static void
a_child_dies_with_its_parent_only(void **state)
{
	(void)state;
	assert_int_equal(in_child(orphan), 0);
	assert_int_equal(in_child(child_of_ours), 0);
}

static void
states_of_processes(void **state)
{
	siginfo_t si;
	pid_t pid;

	(void)state;
	assert_int_equal(plat_process_state(getpid()), 'R');
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(plat_process_state(pid), 'Z');
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(plat_process_state(pid), '\0');
	refuse("open", 1, 1, EACCES);
	assert_int_equal(plat_process_state(getpid()), '?');
	assert_int_equal(refuse_end(), 1);
}

static void
what_a_process_takes(void **state)
{
	struct plat_use use, again;
	unsigned i;

	(void)state;
	/* another program's number */
	plat_process_name("sshd");
	plat_process_use(getpid(), &use);
	assert_int_equal(use.memory, -1);
	assert_int_equal(use.files, -1);
	plat_process_name("roost-worker1");
	plat_process_use(getpid(), &use);
	assert_true(use.memory > 0 && use.cpu_us >= 0);
	assert_true(use.files >= 3 && use.files <= use.files_max);
	/* older kernels: counted one by one, with the folder's own */
	refuse("stat", 1, 1, ENOENT);
	plat_process_use(getpid(), &again);
	assert_int_equal(refuse_end(), 1);
	assert_in_range(again.files, use.files, use.files + 1);
	/* each file in turn can't be read; the others are */
	for (i = 1; i <= 4; i++) {
		refuse("open", i, 1, EACCES);
		plat_process_use(getpid(), &use);
		assert_int_equal(refuse_end(), 1);
		assert_true((use.memory == -1) == (i <= 2));
		assert_true((use.cpu_us == -1) == (i == 1 || i == 3));
		assert_true((use.files_max == -1) == (i == 1 || i == 4));
		assert_true((use.files == -1) == (i == 1));
	}
}

static int
keeps_what_is_named(void)
{
	int fds[6], keep[4], i;

	for (i = 0; i < 6; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fds[i] == -1)
			return (1);
	}
	keep[0] = fds[4];
	keep[1] = -1;
	keep[2] = fds[1];
	keep[3] = fds[1];
	plat_close_others(keep, 4);
	for (i = 0; i < 6; i++)
		if ((fcntl(fds[i], F_GETFD) != -1) != (i == 1 || i == 4))
			return (10 + i);
	return (fcntl(STDERR_FILENO, F_GETFD) == -1 ? 2 : 0);
}

static int
keeps_them_one_by_one(void)
{
	refuse("close_range", 1, REFUSE_ALWAYS, ENOSYS);
	return (keeps_what_is_named());
}

static void
others_are_closed(void **state)
{
	(void)state;
	assert_int_equal(in_child(keeps_what_is_named), 0);
	refuse(NULL, 0, 0, 0);
	assert_int_equal(in_child(keeps_them_one_by_one), 0);
	assert_in_range(refuse_end(), 2, 3);
}

static void
signals(void **state)
{
	static const int sigs[] = { SIGUSR1, SIGUSR2 };
	int fd;

	(void)state;
	refuse("sigprocmask", 1, 1, EINVAL);
	assert_int_equal(plat_signals_open(sigs, 2), -1);
	refuse("signalfd", 1, 1, EMFILE);
	assert_int_equal(plat_signals_open(sigs, 2), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(refuse_end(), 1);
	fd = plat_signals_open(sigs, 2);
	assert_true(fd != -1);
	assert_int_equal(plat_signals_next(fd), 0);
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	assert_int_equal(plat_signals_next(fd), SIGUSR2);
	assert_int_equal(plat_signals_next(fd), 0);
	(void)close(fd);
}

/* --- the service manager -------------------------------------------------*/

static int manager;
static struct sockaddr_un at;

static void
manage(const char *name)
{
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    strlen(name));

	at.sun_family = AF_UNIX;
	memcpy(at.sun_path, name, strlen(name) + 1);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(manager != -1);
	assert_int_equal(bind(manager, (const struct sockaddr *)&at, n), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static int
tells_the_manager(void)
{
	char said[600];
	ssize_t n;

	assert_int_equal(setenv("WATCHDOG_USEC", "3000", 1), 0);
	plat_notify_init();
	if (getenv("NOTIFY_SOCKET") != NULL || getenv("WATCHDOG_USEC") != NULL)
		return (1);	/* not for children */
	if (plat_watchdog_us() != 3000 || !plat_notify("READY=%d", 1))
		return (2);
	n = recv(manager, said, sizeof said, 0);
	if (n != 7 || memcmp(said, "READY=1", 7) != 0)
		return (3);
	/* too long: it is left */
	if (!plat_notify("STATUS=%600d", 1) ||
	    recv(manager, said, sizeof said, 0) != -1)
		return (4);
	/* full: once more, later; gone: never again */
	refuse("sendto", 1, 1, EAGAIN);
	if (plat_notify("READY=1"))
		return (5);
	refuse("sendto", 1, 1, ENOBUFS);
	if (plat_notify("READY=1"))
		return (6);
	refuse("sendto", 1, 1, ECONNREFUSED);
	return (plat_notify("READY=1") ? 0 : 7);
}

static void
the_manager_is_told(void **state)
{
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof name, "@roost-test-%ld", (long)getpid());
	manage(name);
	refuse(NULL, 0, 0, 0);
	assert_int_equal(in_child(tells_the_manager), 0);
	(void)close(manager);
	(void)snprintf(name, sizeof name, "/tmp/roost-notify-%ld",
	    (long)getpid());
	manage(name);
	assert_int_equal(in_child(tells_the_manager), 0);
	(void)close(manager);
	(void)unlink(name);
}

/* Nobody to tell is no reason to wait for. */
static int
nobody(void)
{
	plat_notify_init();
	return (plat_notify("READY=1") && plat_watchdog_us() == 0 ? 0 : 1);
}

static void
no_manager(void **state)
{
	static const char *const names[] = { "", "@", "relative",
		"vsock:2:1" };
	char wide[200];
	size_t i;

	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	assert_int_equal(in_child(nobody), 0);
	for (i = 0; i < nitems(names); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		assert_int_equal(in_child(nobody), 0);
	}
	memset(wide, 'x', sizeof wide - 1);
	wide[0] = '/';
	wide[sizeof wide - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", wide, 1), 0);
	assert_int_equal(in_child(nobody), 0);
}

/* The dog watches another process, or for no time. */
static void
no_watchdog(void **state)
{
	static const char *const usec[] = { "0", "-1", "soon", "" };
	size_t i;

	(void)state;
	assert_int_equal(setenv("NOTIFY_SOCKET", "@roost-none", 1), 0);
	for (i = 0; i < nitems(usec); i++) {
		assert_int_equal(setenv("WATCHDOG_USEC", usec[i], 1), 0);
		assert_int_equal(in_child(nobody), 0);
	}
	assert_int_equal(setenv("WATCHDOG_USEC", "3000", 1), 0);
	assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
	assert_int_equal(in_child(nobody), 0);
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("NOTIFY_SOCKET");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standard_files),
		cmocka_unit_test(a_file_is_read_or_not),
		cmocka_unit_test(there_is_always_a_cpu),
		cmocka_unit_test(limits_that_are_not_told),
		cmocka_unit_test(files_are_raised_to_the_hard_limit),
		cmocka_unit_test(users),
		cmocka_unit_test(a_parent_that_is_gone),
		cmocka_unit_test(a_child_dies_with_its_parent_only),
		cmocka_unit_test(states_of_processes),
		cmocka_unit_test(what_a_process_takes),
		cmocka_unit_test(others_are_closed),
		cmocka_unit_test(signals),
		cmocka_unit_test(the_manager_is_told),
		cmocka_unit_test(no_manager),
		cmocka_unit_test(no_watchdog),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
