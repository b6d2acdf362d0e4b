/*
 * Ends a process at a step of what it does with others, or stops it: put before
 * a daemon by LD_PRELOAD, steered by a file that the test writes.  The step is
 * the n-th packet of a type that a process sends or has got: between giver and
 * heir, where the first word tells, or between master and child; or the n-th
 * frame of a kind that it writes to another; or a line of its log.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC	0x726f4831u
#define FDS	20000		/* more than any of these has */

enum { PACKETS, CONTROL, BUS, LOG };

struct strike {			/* little-endian, as kills.mjs writes it */
	uint32_t	 type;	/* of the packet; 0: none */
	uint32_t	 when;	/* 1 before it is sent, 2 after, 3 got */
	int32_t		 nth;	/* counted down */
	uint32_t	 whom;	/* process id; 0: itself */
	uint32_t	 struck;	/* told back: process id of who did it */
	uint32_t	 sockets;	/* that the one who is killed has */
	uint32_t	 batch;	/* of them under way */
	uint32_t	 signal;	/* 0: SIGKILL */
	uint32_t	 kind;	/* what the type is of */
	uint32_t	 role;	/* m, r, w: of the process that looks; 0: any */
	char		 text[64];	/* LOG */
};

static struct strike *strike;

static void __attribute__((constructor))
start(void)
{
	const char *path = getenv("STRIKE");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd == -1)
		return;
	p = mmap(NULL, sizeof *strike, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	(void)close(fd);
	if (p != MAP_FAILED)
		strike = p;
}

/* Workers may not read folders (seccomp). */
static uint32_t
sockets(void)
{
	struct stat st;
	uint32_t n = 0;
	int fd;

	for (fd = 0; fd < FDS; fd++)
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			n++;
	return (n);
}

/* By its name: roostd, roost-relay, roost-worker3. */
static uint32_t
role(void)
{
	char name[16] = "";

	(void)prctl(PR_GET_NAME, name);
	return (strncmp(name, "roost-", 6) != 0 ? 'm' :
	    (unsigned char)name[6]);
}

static void
look_at(uint32_t kind, uint32_t type, uint32_t when)
{
	if (strike->kind != kind || type != strike->type ||
	    when != strike->when ||
	    (strike->role != 0 && strike->role != role()) ||
	    __atomic_sub_fetch(&strike->nth, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	strike->sockets = strike->whom == 0 ? sockets() : 0;
	strike->struck = (uint32_t)getpid();
	(void)kill(strike->whom == 0 ? getpid() : (pid_t)strike->whom,
	    strike->signal == 0 ? SIGKILL : (int)strike->signal);
}

/* words: the packet's. */
static void
look(const uint32_t *words, size_t n, uint32_t when)
{
	if (strike == NULL || n < 40 || words[0] != MAGIC)
		return;
	if (words[1] == 4)		/* with a memory that is no socket */
		strike->batch = words[8] - 1;
	look_at(PACKETS, words[1], when);
}

/* u16 type, u16 length, so many bytes. */
static void
look_control(const void *packet, size_t n, uint32_t when)
{
	uint16_t head[2];

	if (strike == NULL || strike->kind != CONTROL || n < sizeof head)
		return;
	memcpy(head, packet, sizeof head);
	if (n == sizeof head + head[1])
		look_at(CONTROL, head[0], when);
}

/* Whole frames, most of the time: u32 size, u8 kind, ... */
static void
look_bus(const uint8_t *p, size_t n, uint32_t when)
{
	uint32_t size;

	if (strike == NULL || strike->kind != BUS)
		return;
	while (n >= 32) {
		memcpy(&size, p, sizeof size);
		if (size < 32 || size > n)
			return;
		look_at(BUS, p[4], when);
		p += size;
		n -= size;
	}
}

static void
look_log(const void *line, size_t n, uint32_t when)
{
	if (strike != NULL && strike->kind == LOG && strike->text[0] != '\0' &&
	    memmem(line, n, strike->text, strnlen(strike->text,
	    sizeof strike->text)) != NULL)
		look_at(LOG, 1, when);
}

#define REAL(name)	((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t
sendmsg(int s, const struct msghdr *m, int flags)
{
	uint32_t words[10] = { 0 };
	size_t n = m->msg_iovlen == 1 ? m->msg_iov[0].iov_len : 0;
	ssize_t r;

	if (n == sizeof words)
		memcpy(words, m->msg_iov[0].iov_base, sizeof words);
	look(words, n, 1);
	if (m->msg_iovlen == 1)
		look_control(m->msg_iov[0].iov_base, m->msg_iov[0].iov_len, 1);
	r = REAL(sendmsg)(s, m, flags);
	if (r > 0)
		look(words, n, 2);
	if (r > 0 && m->msg_iovlen == 1)
		look_control(m->msg_iov[0].iov_base, (size_t)r, 2);
	return (r);
}

ssize_t
send(int s, const void *p, size_t n, int flags)
{
	ssize_t r;

	look_bus(p, n, 1);
	look_log(p, n, 1);
	r = REAL(send)(s, p, n, flags);
	if (r > 0)
		look_bus(p, (size_t)r, 2);
	look_log(p, n, 2);	/* to a pipe that is a socket */
	return (r);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t r;

	look_log(p, n, 1);
	r = REAL(write)(fd, p, n);
	look_log(p, n, 2);
	return (r);
}

ssize_t
recvmsg(int s, struct msghdr *m, int flags)
{
	ssize_t r = REAL(recvmsg)(s, m, flags);
	uint32_t words[10];

	if (r > 0 && m->msg_iovlen == 1 && (flags & MSG_PEEK) == 0)
		look_control(m->msg_iov[0].iov_base, (size_t)r, 3);
	if (r != sizeof words || m->msg_iovlen != 1 ||
	    (flags & MSG_PEEK) != 0)
		return (r);
	memcpy(words, m->msg_iov[0].iov_base, sizeof words);
	look(words, sizeof words, 3);
	return (r);
}
