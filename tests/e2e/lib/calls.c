/*
 * Makes a worker or the relay ask for system calls that are none of its
 * business: put before a daemon by LD_PRELOAD, steered by a file that the test
 * writes (see calls.mjs).  What is asked for is done when the process waits.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct steer {			/* little-endian, as calls.mjs writes it */
	uint32_t	 role;		/* 1 relay, 2 worker */
	uint32_t	 what;
	uint32_t	 wanted;	/* number of the order */
	uint32_t	 done;		/* told back: that order ... */
	int32_t		 result;	/* ... gave this */
	int32_t		 error;
};

static struct steer *steer;

static void __attribute__((constructor))
start(void)
{
	const char *path = getenv("CALLS");
	void *p;
	int fd;

	fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	p = mmap(NULL, sizeof *steer, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	(void)close(fd);
	if (p != MAP_FAILED)
		steer = p;
}

static void *
thread(void *arg)
{
	return (arg);
}

/* 0, or an error as of pthread_create(3) */
static int
make_thread(void)
{
	pthread_t t;
	int error = pthread_create(&t, NULL, thread, NULL);

	if (error != 0) {
		errno = error;
		return (-1);
	}
	return (pthread_join(t, NULL));
}

static int
resolve(void)
{
	struct addrinfo *list = NULL;
	int error = getaddrinfo("localhost", "80", NULL, &list);

	if (error == 0)
		freeaddrinfo(list);
	return (error);
}

static int
memory(int prot)
{
	void *p = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (p == MAP_FAILED ? -1 : munmap(p, 4096));
}

static int
executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0);

	return (p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ |
	    PROT_EXEC));
}

static int
run(uint32_t what)
{
	char *const argv[] = { (char *)(uintptr_t)"true", NULL };
	pid_t pid;

	sigset_t all;

	switch (what) {
	case 15:
		(void)sigfillset(&all);
		(void)sigprocmask(SIG_BLOCK, &all, NULL);
		/* FALLTHROUGH */
	case 1:
		return (execv("/bin/true", argv));
	case 2:
		pid = fork();
		if (pid == 0)
			_exit(0);
		return (pid == -1 ? -1 : 0);
	case 3:
		return (socket(AF_INET, SOCK_STREAM, 0));
	case 4:
		return (socket(AF_NETLINK, SOCK_RAW, 0));
	case 5:
		return (mkdir("/tmp/roostd-e2e-never", 0700));
	case 6:
		return (open("/tmp/roostd-e2e-never", O_RDWR | O_CREAT, 0600));
	case 7:
		return (memory(PROT_READ | PROT_WRITE | PROT_EXEC));
	case 8:
		return (executable());
	case 9:
		return (kill(getppid(), 0));
	case 10:
		return (make_thread());
	case 11:
		return (resolve());
	case 12:
		return ((int)syscall(SYS_ptrace, 0, 0, 0, 0));
	case 13:
		return (open("/etc/hosts", O_RDONLY | O_CLOEXEC));
	case 14:
		return (syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 ?
		    -1 : 0);
	default:
		return (-2);
	}
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	struct steer *s = steer;
	uint32_t wanted;
	char name[16] = "";
	int result;

	if (s != NULL && (wanted = s->wanted) != s->done) {
		(void)prctl(PR_GET_NAME, name);
		if (strncmp(name, s->role == 1 ? "roost-relay" :
		    "roost-worker", s->role == 1 ? 11 : 12) == 0) {
			errno = 0;
			result = run(s->what);
			s->error = result == -1 ? errno : 0;
			s->result = result;
			__atomic_store_n(&s->done, wanted, __ATOMIC_SEQ_CST);
		}
	}
	return ((int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL,
	    8));
}
