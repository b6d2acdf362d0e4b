/*
 * execve(2), there and back; see leap.h.
 */
#include "master/upgrade/leap.h"

#include <sys/time.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/coverage.h"
#include "master/upgrade/pass.h"
#include "master/upgrade/record.h"

#define LEAP_HANG_MS	2000	/* more than there was time for */

static const int leap_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
	SIGSYS, SIGALRM };

static char **leap_argv;
static char **leap_environ;

/* What a handler needs is made before. */
static struct {
	pid_t		 pid;		/* 0: not armed */
	int		 exe_fd;
	int		 fds[RECORD_FDS_MAX + 1];
	size_t		 nfds;
	char		**envp;		/* its last is the variable */
	char		 variable[64 + PASS_WHY_MAX];
	char		*why;		/* in it */
} leap_home;

static _Alignas(16) char leap_stack[64 << 10];

/* --- arguments and environment ----------------------------------------------*/

/* NULL without memory. */
static char **
leap_copy(char *const *from)
{
	char **copy;
	size_t i, n = 0;

	while (from[n] != NULL)
		n++;
	copy = calloc(n + 2, sizeof *copy);
	for (i = 0; copy != NULL && i < n; i++) {
		copy[i] = strdup(from[i]);
		if (copy[i] == NULL)
			return (NULL);
	}
	return (copy);
}

void
leap_remember(char *const *argv, char *const *environment)
{
	leap_argv = leap_copy(argv);
	leap_environ = leap_copy(environment);
}

char *const *
leap_arguments(void)
{
	return (leap_argv);
}

char **
leap_environment(char *variable)
{
	char **envp;
	size_t i, n = 0;

	if (leap_environ == NULL || leap_argv == NULL)
		return (NULL);
	while (leap_environ[n] != NULL)
		n++;
	envp = calloc(n + 2, sizeof *envp);
	if (envp == NULL)
		return (NULL);
	for (i = 0; i < n; i++)
		envp[i] = leap_environ[i];
	envp[n] = variable;
	return (envp);
}

/* --- there ------------------------------------------------------------------*/

static void
leap_mark(const int *fds, size_t n, int flags)
{
	size_t i;

	for (i = 0; i < n; i++)
		(void)fcntl(fds[i], F_SETFD, flags);
}

/* exe_fd -1: by the path. */
static void
leap_exec(const char *path, int exe_fd, const struct record *r,
    enum pass_way way, const char *why)
{
	static int fds[RECORD_FDS_MAX];
	char **envp = NULL, *variable = NULL, *old;
	size_t n = record_fds(r, fds);
	int error, fd = pass_make(r);

	if (fd == -1)
		return;
	variable = pass_variable(way, fd, why);
	if (variable != NULL)
		envp = leap_environment(variable);
	errno = ENOMEM;
	if (envp != NULL) {
		(void)fflush(NULL);
		coverage_save();
		old = leap_argv[0];
		leap_argv[0] = (char *)(uintptr_t)path;
		leap_mark(fds, n, 0);
		(void)fcntl(fd, F_SETFD, 0);
		if (exe_fd == -1)
			(void)execve(path, leap_argv, envp);
		else
			(void)fexecve(exe_fd, leap_argv, envp);
		error = errno;
		leap_mark(fds, n, FD_CLOEXEC);
		leap_argv[0] = old;
		errno = error;
	}
	error = errno;
	free(envp);
	free(variable);
	(void)close(fd);
	errno = error;
}

void
leap_on(const char *path, const struct record *r)
{
	leap_exec(path, -1, r, PASS_ON, NULL);
}

/* --- and back ---------------------------------------------------------------*/

/* Async-signal-safe, and in no process but this. */
static void
leap_fall_back(const char *why)
{
	sigset_t set;
	size_t i;

	(void)alarm(0);		/* it would go on there */
	(void)strlcpy(leap_home.why, why, PASS_WHY_MAX);
	leap_mark(leap_home.fds, leap_home.nfds, 0);
	(void)sigemptyset(&set);
	for (i = 0; i < nitems(leap_signals); i++)
		(void)sigaddset(&set, leap_signals[i]);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)fexecve(leap_home.exe_fd, leap_argv, leap_home.envp);
}

static void
leap_on_signal(int sig)
{
	static const char *const words[NSIG] = {
		[SIGSEGV] = "it crashed: SEGV", [SIGBUS] = "it crashed: BUS",
		[SIGILL] = "it crashed: ILL", [SIGFPE] = "it crashed: FPE",
		[SIGABRT] = "it crashed: ABRT", [SIGSYS] = "it crashed: SYS",
		[SIGALRM] = "it hung",
	};

	if (leap_home.pid == getpid())
		leap_fall_back(words[sig]);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void
leap_at_exit(void)
{
	if (leap_home.pid == getpid())
		leap_fall_back("it ended");
}

/* ms 0: no more. */
static void
leap_alarm(uint64_t ms)
{
	const struct itimerval t = { .it_value = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000) } };

	(void)setitimer(ITIMER_REAL, &t, NULL);
}

static void
leap_handle(void (*handler)(int))
{
	const stack_t stack = { .ss_sp = leap_stack,
		.ss_size = sizeof leap_stack };
	struct sigaction sa;
	size_t i;

	(void)sigaltstack(&stack, NULL);
	memset(&sa, 0, sizeof sa);
	sa.sa_handler = handler;
	sa.sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESTART;
	for (i = 0; i < nitems(leap_signals); i++)
		(void)sigaction(leap_signals[i], &sa, NULL);
}

void
leap_guard(const struct record *r, int record_fd)
{
	int n;

	n = snprintf(leap_home.variable, sizeof leap_home.variable,
	    "%s=back:%d:", PASS_VARIABLE, record_fd);
	leap_home.why = leap_home.variable + n;
	leap_home.exe_fd = r->exe_fd;
	leap_home.nfds = record_fds(r, leap_home.fds);
	leap_home.fds[leap_home.nfds++] = record_fd;
	leap_mark(leap_home.fds, leap_home.nfds, FD_CLOEXEC);
	leap_home.envp = leap_environment(leap_home.variable);
	if (leap_home.envp == NULL)
		return;		/* then there is no way back */
	leap_home.pid = getpid();
	leap_handle(leap_on_signal);
	(void)atexit(leap_at_exit);
	leap_alarm(2 * r->timeout_ms + LEAP_HANG_MS);
}

bool
leap_guarded(void)
{
	return (leap_home.pid == getpid());
}

void
leap_unguard(void)
{
	size_t i;

	if (!leap_guarded())
		return;
	leap_home.pid = 0;
	leap_alarm(0);
	leap_handle(SIG_DFL);
	for (i = 0; i < leap_home.nfds; i++)
		(void)close(leap_home.fds[i]);
	free(leap_home.envp);
	leap_home.envp = NULL;
}

void
leap_back(const struct record *r, const char *why)
{
	leap_alarm(0);
	leap_exec(leap_argv[0], leap_home.exe_fd, r, PASS_BACK, why);
}
