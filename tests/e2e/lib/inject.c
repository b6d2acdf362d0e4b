/*
 * Calls that want a descriptor, or memory of the kernel, fail on demand: put
 * before a daemon by LD_PRELOAD, steered by a file that the test writes (see
 * inject.mjs).  Each place in the program that calls one of the functions
 * fails so many times, in whichever process comes there first.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PLACES	1024

struct inject {			/* little-endian, as inject.mjs writes it */
	uint32_t	 calls;		/* bits of enum call */
	uint32_t	 roles;		/* 1 master, 2 relay, 4 worker */
	uint32_t	 error;		/* errno; 0: a descriptor is lost;
					 * 1000, 1001: see garble() */
	uint32_t	 times;		/* for each place */
	uint32_t	 hits;		/* told back */
	uint32_t	 round;		/* other: all places anew */
	int32_t		 clock_s;	/* added to the time of day */
	int32_t		 mono_ms;	/* added to the clock of durations */
	uint32_t	 say;		/* a worker that accepts says something */
	uint32_t	 spin;		/* 1: the next that accepts never comes back */
	uint64_t	 place[PLACES];	/* caller and role; the last 8 bits: how
					 * often it failed in this round */
};

enum call { RECVMSG = 1, ACCEPT = 2, SOCKETPAIR = 4, OPEN = 8, PIPE = 16,
	SENDMSG = 32, WATCH = 64, FORK = 128, RECV = 256, WRITE = 512 };

static struct inject *inject;

static void __attribute__((constructor))
start(void)
{
	const char *path = getenv("INJECT");
	void *p;
	int fd;

	fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	p = mmap(NULL, sizeof *inject, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	(void)close(fd);
	if (p != MAP_FAILED)
		inject = p;
}

static uint32_t
role(void)
{
	char name[16] = "";

	(void)prctl(PR_GET_NAME, name);
	return (strcmp(name, "roost-relay") == 0 ? 2 :
	    strncmp(name, "roost-worker", 12) == 0 ? 4 : 1);
}

/* Is it this place's turn to fail? */
static int
fails(enum call call, const void *caller)
{
	uint32_t r;
	uint64_t key, old;
	unsigned i;

	if (inject == NULL || (inject->calls & call) == 0)
		return (0);
	r = role();
	if ((inject->roles & r) == 0)
		return (0);
	key = ((uint64_t)(uintptr_t)caller << 16) | (uint64_t)r << 12 |
	    (uint64_t)(inject->round & 15) << 8;
	for (i = 0; i < PLACES; i++) {
		old = __atomic_load_n(&inject->place[i], __ATOMIC_SEQ_CST);
		if (old == 0 && !__atomic_compare_exchange_n(
		    &inject->place[i], &old, key, 0, __ATOMIC_SEQ_CST,
		    __ATOMIC_SEQ_CST) && (old & ~255ull) != key)
			continue;
		if (old != 0 && (old & ~255ull) != key)
			continue;
		if ((__atomic_load_n(&inject->place[i], __ATOMIC_SEQ_CST) &
		    255) >= inject->times)
			return (0);
		__atomic_add_fetch(&inject->place[i], 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&inject->hits, 1, __ATOMIC_SEQ_CST);
		errno = (int)inject->error;
		return (1);
	}
	return (0);
}

#define REAL(name)	((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILS(call)	fails(call, __builtin_return_address(0))

/* What the kernel does when the table is full. */
static void
lose(struct msghdr *m)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof fd;
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			(void)close(fd);
		}
	}
	m->msg_controllen = 0;
	m->msg_flags |= MSG_CTRUNC;
}

/* 1000: of a type that nobody knows; 1001: cut short. */
static ssize_t
garble(struct msghdr *m, ssize_t n)
{
	if (inject->error == 1001)
		return (1);
	memset(m->msg_iov[0].iov_base, 0xee, 2);
	return (n);
}

ssize_t
recvmsg(int s, struct msghdr *m, int flags)
{
	ssize_t n;

	if (inject != NULL && inject->error != 0 && inject->error < 1000 &&
	    FAILS(RECVMSG))
		return (-1);
	n = REAL(recvmsg)(s, m, flags);
	if (n > 0 && inject != NULL && inject->error >= 1000 && FAILS(RECVMSG))
		return (garble(m, n));
	if (n > 0 && m->msg_controllen > 0 && inject != NULL &&
	    inject->error == 0 && FAILS(RECVMSG))
		lose(m);
	return (n);
}

ssize_t
recv(int s, void *p, size_t n, int flags)
{
	return (FAILS(RECV) ? -1 : REAL(recv)(s, p, n, flags));
}

ssize_t
sendmsg(int s, const struct msghdr *m, int flags)
{
	return (FAILS(SENDMSG) ? -1 : REAL(sendmsg)(s, m, flags));
}

ssize_t
write(int fd, const void *p, size_t n)
{
	return (FAILS(WRITE) ? -1 : REAL(write)(fd, p, n));
}

int
accept4(int s, struct sockaddr *a, socklen_t *n, int flags)
{
	static const char words[] = "one\x07line\nhalf a line";

	if (inject != NULL && inject->say && write(STDERR_FILENO, words,
	    sizeof words - 1) == -1)
		return (-1);
	if (inject != NULL && inject->spin != 0 &&
	    __atomic_fetch_sub(&inject->spin, 1, __ATOMIC_RELAXED) == 1)
		for (;;)
			__asm__ volatile ("" ::: "memory");
	return (FAILS(ACCEPT) ? -1 : REAL(accept4)(s, a, n, flags));
}

int
socketpair(int domain, int type, int proto, int fds[2])
{
	return (FAILS(SOCKETPAIR) ? -1 :
	    REAL(socketpair)(domain, type, proto, fds));
}

int
pipe2(int fds[2], int flags)
{
	return (FAILS(PIPE) ? -1 : REAL(pipe2)(fds, flags));
}

int
epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	if (op != EPOLL_CTL_DEL && FAILS(WATCH))
		return (-1);
	return (REAL(epoll_ctl)(ep, op, fd, ev));
}

pid_t
fork(void)
{
	return (FAILS(FORK) ? -1 : REAL(fork)());
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = REAL(clock_gettime)(id, ts);

	if (r == 0 && id == CLOCK_REALTIME && inject != NULL)
		ts->tv_sec += inject->clock_s;
	if (r == 0 && id == CLOCK_MONOTONIC && inject != NULL) {
		ts->tv_sec += inject->mono_ms / 1000;
		ts->tv_nsec += inject->mono_ms % 1000 * 1000000;
		if (ts->tv_nsec >= 1000000000) {
			ts->tv_nsec -= 1000000000;
			ts->tv_sec++;
		}
	}
	return (r);
}

/* A syslog daemon of the test's own. */
int
connect(int s, const struct sockaddr *a, socklen_t n)
{
	const char *devlog = getenv("DEVLOG");
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (devlog == NULL || a->sa_family != AF_UNIX || strcmp(
	    ((const struct sockaddr_un *)(const void *)a)->sun_path,
	    "/dev/log") != 0)
		return (REAL(connect)(s, a, n));
	(void)strncpy(un.sun_path, devlog, sizeof un.sun_path - 1);
	return (REAL(connect)(s, (const struct sockaddr *)&un, sizeof un));
}

int
open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return (FAILS(OPEN) ? -1 : REAL(open)(path, flags, mode));
}

int
open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return (FAILS(OPEN) ? -1 : REAL(open64)(path, flags, mode));
}
