/*
 * Put before a roostd that is to be the master by ROOSTD_UPGRADE=on: makes it
 * fail as FAIL says: at its start or soon after, or in its workers; or rest for
 * a moment.  When the former binary is back, with the same environment, it does
 * nothing.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *how = "";
static char copy[32];
static pid_t master;

__attribute__((constructor)) static void
look(void)
{
	const char *way = getenv("ROOSTD_UPGRADE"), *fail = getenv("FAIL");

	if (way != NULL && strncmp(way, "back:", 5) == 0) {
		(void)unsetenv("LD_PRELOAD");
		(void)unsetenv("FAIL");
	}
	if (way == NULL || strncmp(way, "on:", 3) != 0 || fail == NULL)
		return;
	/* not where it is: setproctitle(3) writes there */
	(void)strncpy(copy, fail, sizeof copy - 1);
	how = copy;
	master = getpid();
}

static void
maybe(const char *what, int worker)
{
	size_t n = strlen(what);

	if (strncmp(how, what, n) != 0 || (getpid() == master) == worker)
		return;
	how += n;
	if (strcmp(how, "crashes") == 0)
		raise(SIGSEGV);
	if (strcmp(how, "aborts") == 0)
		abort();
	if (strcmp(how, "ends") == 0)
		exit(3);
	if (strcmp(how, "rests") == 0) {
		how = "";
		(void)usleep(700000);
		return;
	}
	for (;;)
		pause();
}

/* Each process makes a loop at its start. */
int
epoll_create1(int flags)
{
	static int (*real)(int);

	maybe("start-", 0);
	maybe("worker-", 1);
	if (real == NULL)
		real = (int (*)(int))dlsym(RTLD_NEXT, "epoll_create1");
	return (real(flags));
}

/* A second after its first turn. */
int
epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	static int (*real)(int, struct epoll_event *, int, int);
	static struct timespec first;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (real == NULL) {
		first = now;
		real = (int (*)(int, struct epoll_event *, int, int))dlsym(
		    RTLD_NEXT, "epoll_wait");
	}
	if (now.tv_sec - first.tv_sec >= 2 || (now.tv_sec > first.tv_sec &&
	    now.tv_nsec >= first.tv_nsec)) {
		maybe("soon-", 0);
		maybe("wsoon-", 1);
	}
	return (real(fd, events, n, ms));
}

/* The master, when its first child is started. */
int
socketpair(int domain, int type, int protocol, int fds[2])
{
	static int (*real)(int, int, int, int[2]);

	maybe("late-", 0);
	if (real == NULL)
		real = (int (*)(int, int, int, int[2]))dlsym(RTLD_NEXT,
		    "socketpair");
	return (real(domain, type, protocol, fds));
}
