/*
 * Calls of the host that fail on demand; see refuse.h.
 */
#include "tests/lib/refuse.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct refuse {
	char		 name[32];
	_Atomic unsigned seen, failed;
	unsigned	 nth, times;
	int		 error;
	char		 last[32];
} *state;
const char *refuse_dev_log;
static bool armed;		/* this process, and whom it forks */

/* What comes behind exit() is not ours, as what counts coverage. */
static void
disarm(void)
{
	armed = false;
}

#ifdef COVERAGE
void	__real_coverage_save(void);
void	__wrap_coverage_save(void);
void
__wrap_coverage_save(void)
{
	bool before = armed;

	armed = false;
	__real_coverage_save();
	armed = before;
}
#endif

void	*__real_mmap(void *, size_t, int, int, int, off_t);

void
refuse(const char *name, unsigned nth, unsigned times, int error)
{
	if (state == NULL) {
		state = __real_mmap(NULL, sizeof *state,
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (state == MAP_FAILED)
			abort();
	}
	state->nth = 0;
	(void)snprintf(state->name, sizeof state->name, "%s",
	    name == NULL ? "" : name);
	state->last[0] = '\0';
	state->times = times;
	state->error = error;
	state->seen = state->failed = 0;
	state->nth = nth;
	if (nth != 0 && !armed && atexit(disarm) != 0)
		abort();
	armed = nth != 0;
}

unsigned
refuse_end(void)
{
	if (state == NULL)
		return (0);
	state->nth = 0;
	return (state->failed);
}

unsigned
refuse_seen(void)
{
	return (state == NULL ? 0 : state->seen);
}

const char *
refuse_last(void)
{
	return (state == NULL ? "" : state->last);
}

/* Does this call fail?  Then errno says why. */
static bool
refused(const char *name, bool any)
{
	unsigned n;

	if (!armed || state->nth == 0 || (state->name[0] == '\0' ?
	    !any : strcmp(state->name, name) != 0))
		return (false);
	n = atomic_fetch_add(&state->seen, 1) + 1;
	if (n < state->nth || n - state->nth >= state->times)
		return (false);
	atomic_fetch_add(&state->failed, 1);
	(void)snprintf(state->last, sizeof state->last, "%s", name);
	errno = state->error;
	return (true);
}

#define CALL(type, name, bad, params, args)				\
	CALL_OF(true, type, name, bad, params, args)
#define CALL_OF(any, type, name, bad, params, args)			\
	type	__real_##name params;					\
	type	__wrap_##name params;					\
	type								\
	__wrap_##name params						\
	{								\
		return (refused(#name, any) ? (bad) :			\
		    __real_##name args);				\
	}
#define MEMORY(name, params, args)					\
	void	*__real_##name params;					\
	void	*__wrap_##name params;					\
	void *								\
	__wrap_##name params						\
	{								\
		return (refused("memory", false) ? NULL :		\
		    __real_##name args);				\
	}

CALL(int, accept4, -1, (int s, struct sockaddr *a, socklen_t *n, int f),
    (s, a, n, f))
CALL(int, bind, -1, (int s, const struct sockaddr *a, socklen_t n), (s, a, n))
CALL(int, chmod, -1, (const char *p, mode_t m), (p, m))
CALL(int, close_range, -1, (unsigned a, unsigned b, int f), (a, b, f))
CALL(int, dup2, -1, (int a, int b), (a, b))
CALL(int, epoll_create1, -1, (int f), (f))
CALL(int, epoll_ctl, -1, (int e, int op, int fd, struct epoll_event *ev),
    (e, op, fd, ev))
CALL(int, eventfd, -1, (unsigned n, int f), (n, f))
CALL(pid_t, fork, -1, (void), ())
CALL(int, fchown, -1, (int fd, uid_t u, gid_t g), (fd, u, g))
CALL(int, fchownat, -1, (int fd, const char *p, uid_t u, gid_t g, int f),
    (fd, p, u, g, f))
CALL(int, fstat, -1, (int fd, struct stat *st), (fd, st))
CALL(int, ftruncate, -1, (int fd, off_t n), (fd, n))
CALL(ssize_t, getrandom, -1, (void *p, size_t n, unsigned f), (p, n, f))
CALL(int, getrlimit, -1, (__rlimit_resource_t r, struct rlimit *rl), (r, rl))
CALL(int, getsockname, -1, (int s, struct sockaddr *a, socklen_t *n),
    (s, a, n))
CALL(int, listen, -1, (int s, int n), (s, n))
CALL(int, lstat, -1, (const char *p, struct stat *st), (p, st))
CALL(int, memfd_create, -1, (const char *n, unsigned f), (n, f))
CALL(int, mkdir, -1, (const char *p, mode_t m), (p, m))
CALL(void *, mmap, MAP_FAILED, (void *p, size_t n, int prot, int f, int fd,
    off_t o), (p, n, prot, f, fd, o))
CALL(int, pipe2, -1, (int fds[2], int f), (fds, f))
CALL(int, poll, -1, (struct pollfd *p, nfds_t n, int ms), (p, n, ms))
CALL(ssize_t, read, -1, (int fd, void *p, size_t n), (fd, p, n))
CALL(ssize_t, recv, -1, (int s, void *p, size_t n, int f), (s, p, n, f))
CALL(ssize_t, recvmsg, -1, (int s, struct msghdr *m, int f), (s, m, f))
CALL(int, rename, -1, (const char *a, const char *b), (a, b))
CALL(int, sched_getaffinity, -1, (pid_t p, size_t n, cpu_set_t *s), (p, n, s))
CALL(ssize_t, send, -1, (int s, const void *p, size_t n, int f), (s, p, n, f))
CALL(ssize_t, sendmsg, -1, (int s, const struct msghdr *m, int f), (s, m, f))
CALL(ssize_t, sendto, -1, (int s, const void *p, size_t n, int f,
    const struct sockaddr *a, socklen_t an), (s, p, n, f, a, an))
CALL(int, setgroups, -1, (size_t n, const gid_t *g), (n, g))
CALL(int, setresgid, -1, (gid_t a, gid_t b, gid_t c), (a, b, c))
CALL(int, setresuid, -1, (uid_t a, uid_t b, uid_t c), (a, b, c))
CALL(int, setsockopt, -1, (int s, int l, int o, const void *p, socklen_t n),
    (s, l, o, p, n))
CALL(int, signalfd, -1, (int fd, const sigset_t *s, int f), (fd, s, f))
CALL(int, sigprocmask, -1, (int h, const sigset_t *s, sigset_t *o), (h, s, o))
CALL(int, socket, -1, (int d, int t, int p), (d, t, p))
CALL(int, socketpair, -1, (int d, int t, int p, int fds[2]), (d, t, p, fds))
CALL(int, stat, -1, (const char *p, struct stat *st), (p, st))
CALL(int, unlink, -1, (const char *p), (p))
/* the log's: lines may get lost, and tests read them */
CALL_OF(false, ssize_t, write, -1, (int fd, const void *p, size_t n),
    (fd, p, n))
MEMORY(calloc, (size_t n, size_t each), (n, each))
MEMORY(malloc, (size_t n), (n))
MEMORY(realloc, (void *p, size_t n), (p, n))

int	__real_open(const char *, int, ...);
int	__wrap_open(const char *, int, ...);
int
__wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return (refused("open", true) ? -1 : __real_open(path, flags, mode));
}

int	__real_connect(int, const struct sockaddr *, socklen_t);
int	__wrap_connect(int, const struct sockaddr *, socklen_t);
int
__wrap_connect(int s, const struct sockaddr *a, socklen_t n)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (refused("connect", true))
		return (-1);
	if (a->sa_family != AF_UNIX || refuse_dev_log == NULL || strcmp(
	    ((const struct sockaddr_un *)a)->sun_path, "/dev/log") != 0)
		return (__real_connect(s, a, n));
	(void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s",
	    refuse_dev_log);
	return (__real_connect(s, (const struct sockaddr *)&sun, sizeof sun));
}

int	__real_prctl(int, ...);
int	__wrap_prctl(int, ...);
int
__wrap_prctl(int what, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, what);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	return (refused("prctl", true) ? -1 : __real_prctl(what, arg));
}
