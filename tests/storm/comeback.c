/*
 * A crowd that is cut off at once and comes back: Socket.IO over WebSocket, each
 * client a state and a socket, all in one process; another process asks a
 * question every few milliseconds and measures how long the answer takes.
 * Driven by comeback.mjs, which starts the daemon and judges.
 *
 * usage: comeback PORT CLIENTS polite|stock
 *	polite	comes back when Retry-After says, or up to a second later
 *	stock	as socket.io-client 4: 1 s, 2 s, 4 s, 5 s, each 50 % more or less
 * stdin: a word a line.  "cut": all are cut, and come back at once; "leave":
 * all are cut, and stay away.  stdout: a line of JSON when all have come, or
 * gone; the first one is of those who come at the start.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEAD								\
	"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"	\
	"Host: localhost\r\nConnection: Upgrade\r\n"			\
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"		\
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ALL_IN_MS	300000	/* given up after that */
#define WINDOW_MS	1000
#define SAMPLES		200000

enum state { AWAY, CALLING, OPENING, JOINING, HERE };

struct client {
	int		 fd;
	uint8_t		 state;
	uint8_t		 in_a_row;	/* refusals */
	bool		 bare;		/* the last one without Retry-After */
	uint16_t	 n;
	uint64_t	 at_us;		/* AWAY: comes back */
	uint8_t		 buf[600];
};

/* What the one who asks has measured; shared. */
struct asked {
	_Atomic unsigned from;		/* samples of this round begin here */
	_Atomic unsigned n;
	uint32_t	 us[SAMPLES];
};

static struct client *clients;
static struct asked *asked;
static unsigned nclients, nhere;
static bool stock;
static struct sockaddr_in to = { .sin_family = AF_INET };
static int epfd;
static uint64_t round_us, *here_us;
static unsigned refused, bare, bare_twice, errors, worst_in_a_row;

static uint64_t
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

static unsigned
any(unsigned below)
{
	return ((unsigned)random() % below);
}

/* --- one client ---------------------------------------------------------- */

/* A short text, masked with zeros. */
static size_t
frame(uint8_t *out, const char *text)
{
	size_t n = strlen(text);

	out[0] = 0x81;
	out[1] = (uint8_t)(0x80 | n);
	memset(out + 2, 0, 4);
	memcpy(out + 6, text, n);
	return (n + 6);
}

static void
hang_up(struct client *c)
{
	static const struct linger reset = { .l_onoff = 1 };

	if (c->fd == -1)
		return;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	(void)close(c->fd);
	c->fd = -1;
	if (c->state == HERE)
		nhere--;
	c->state = AWAY;
}

static void
come_later(struct client *c, unsigned seconds)
{
	uint64_t wait_us;
	unsigned k = c->in_a_row > 4 ? 4 : c->in_a_row;

	hang_up(c);
	if (!stock && seconds != 0)
		wait_us = seconds * UINT64_C(1000000) + any(1000000);
	else {
		wait_us = UINT64_C(1000000) << (k == 0 ? 0 : k - 1);
		if (wait_us > 5000000)
			wait_us = 5000000;
		wait_us = wait_us / 2 + any((unsigned)wait_us);
	}
	c->at_us = now_us() + wait_us;
}

static void
call(struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = c };

	c->n = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		err(1, "socket");
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) == -1 &&
	    errno != EINPROGRESS) {
		errors++;
		come_later(c, 0);
		return;
	}
	c->state = CALLING;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
say(struct client *c, const void *p, size_t n)
{
	if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n) {
		errors++;
		come_later(c, 0);
	}
}

/* The response's head is complete. */
static void
answered(struct client *c, char *head, size_t n)
{
	uint8_t out[64];
	const char *after;

	if (strncmp(head, "HTTP/1.1 101 ", 13) == 0) {
		memmove(c->buf, c->buf + n, c->n - n);
		c->n = (uint16_t)(c->n - n);
		c->state = JOINING;
		say(c, out, frame(out, "40/c,"));
		return;
	}
	after = strstr(head, "\r\nRetry-After: ");
	refused++;
	if (++c->in_a_row > worst_in_a_row)
		worst_in_a_row = c->in_a_row;
	bare += after == NULL;
	bare_twice += after == NULL && c->bare;
	c->bare = after == NULL;
	come_later(c, after == NULL ? 0 :
	    (unsigned)strtoul(after + 15, NULL, 10));
}

static void
frames(struct client *c)
{
	size_t at = 0, n;

	while (c->n - at >= 2) {
		n = c->buf[at + 1];
		if (n == 126)
			n = (size_t)(c->buf[at + 2] << 8 | c->buf[at + 3]) + 2;
		if (c->n - at < n + 2)
			break;
		if (c->buf[at + 1] < 126 && n > 4 && c->state == JOINING &&
		    memcmp(c->buf + at + 2, "40/c,", 5) == 0) {
			c->state = HERE;
			c->in_a_row = 0;
			c->bare = false;
			here_us[nhere++] = now_us() - round_us;
		}
		at += n + 2;
	}
	memmove(c->buf, c->buf + at, c->n - at);
	c->n = (uint16_t)(c->n - at);
}

static void
event(struct client *c, uint32_t events)
{
	char *end;
	ssize_t n;

	if (c->state == AWAY)
		return;
	if (c->state == CALLING && (events & EPOLLOUT) &&
	    !(events & EPOLLERR)) {
		c->state = OPENING;
		say(c, HEAD, sizeof HEAD - 1);
	}
	while (c->state != AWAY && c->state != CALLING) {
		n = recv(c->fd, c->buf + c->n, sizeof c->buf - 1 - c->n, 0);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		c->n = (uint16_t)(c->n + n);
		c->buf[c->n] = '\0';
		if (c->state == OPENING && (end = memmem(c->buf, c->n,
		    "\r\n\r\n", 4)) != NULL)
			answered(c, (char *)c->buf,
			    (size_t)(end + 4 - (char *)c->buf));
		if (c->state >= JOINING)
			frames(c);
	}
	if (c->state != AWAY && (c->state != CALLING ||
	    (events & (EPOLLERR | EPOLLHUP)))) {
		errors++;
		come_later(c, 0);
	}
}

/* --- the one who asks ---------------------------------------------------- */

static void
read_until(int fd, const char *what)
{
	static char buf[4096];
	size_t have = 0;
	ssize_t n;

	do {
		n = read(fd, buf + have, sizeof buf - have);
		if (n <= 0)
			errx(1, "who asks was cut off");
		have += (size_t)n;
	} while (memmem(buf, have, what, strlen(what)) == NULL);
}

static void
ask_for_ever(void)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int fd, on = 1;
	uint8_t out[64];
	uint64_t t0;
	unsigned i;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof to) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1)
		err(1, "connect");
	(void)!write(fd, HEAD, sizeof HEAD - 1);
	read_until(fd, "\"sid\"");
	(void)!write(fd, out, frame(out, "40/c,"));
	read_until(fd, "40/c,{");
	for (;;) {
		t0 = now_us();
		(void)!write(fd, out, frame(out, "42/c,7[\"q\",1]"));
		read_until(fd, "43/c,7[1]");
		i = asked->n;
		if (i < SAMPLES) {
			asked->us[i] = (uint32_t)(now_us() - t0);
			asked->n = i + 1;
		}
		(void)nanosleep(&pause, NULL);
	}
}

/* --- rounds -------------------------------------------------------------- */

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x < y ? -1 : x > y);
}

static unsigned
most_in_a_window(void)
{
	unsigned i, j = 0, most = 0;

	for (i = 0; i < nhere; i++) {
		while (here_us[i] - here_us[j] >= WINDOW_MS * 1000)
			j++;
		if (i - j + 1 > most)
			most = i - j + 1;
	}
	return (most);
}

static void
tell(void)
{
	unsigned from = asked->from, n = asked->n - from;
	uint32_t *us = asked->us + from;

	qsort(us, n, sizeof *us, by_number);
	printf("{\"here\":%u,\"half_ms\":%.1f,\"most_ms\":%.1f,\"all_ms\":%.1f,"
	    "\"in_a_second\":%u,\"refused\":%u,\"in_a_row\":%u,"
	    "\"bare\":%u,\"bare_twice\":%u,\"errors\":%u,"
	    "\"asked\":%u,\"ask_p50_us\":%u,\"ask_p99_us\":%u,"
	    "\"ask_max_us\":%u}\n", nhere,
	    nhere == 0 ? 0 : (double)here_us[nhere / 2] / 1e3,
	    nhere == 0 ? 0 : (double)here_us[nhere * 99UL / 100] / 1e3,
	    nhere == 0 ? 0 : (double)here_us[nhere - 1] / 1e3,
	    most_in_a_window(), refused, worst_in_a_row, bare, bare_twice,
	    errors, n, n == 0 ? 0 : us[n / 2], n == 0 ? 0 : us[n * 99UL / 100],
	    n == 0 ? 0 : us[n - 1]);
	(void)fflush(stdout);
}

static void
turn(void)
{
	struct epoll_event ev[256];
	uint64_t now;
	unsigned i;
	int n, k;

	n = epoll_wait(epfd, ev, 256, 5);
	for (k = 0; k < n; k++)
		event(ev[k].data.ptr, ev[k].events);
	now = now_us();
	for (i = 0; i < nclients; i++)
		if (clients[i].state == AWAY && clients[i].at_us <= now)
			call(&clients[i]);
}

static void
round_of(bool come)
{
	unsigned i;

	for (i = 0; i < nclients; i++) {
		hang_up(&clients[i]);
		clients[i].in_a_row = 0;
		clients[i].at_us = come ? 0 : UINT64_MAX;
	}
	refused = bare = bare_twice = errors = worst_in_a_row = 0;
	asked->from = asked->n;
	round_us = now_us();
	while (come && nhere < nclients) {
		turn();
		if (now_us() - round_us > ALL_IN_MS * UINT64_C(1000))
			errx(1, "%u of %u came", nhere, nclients);
	}
	tell();
}

int
main(int argc, char **argv)
{
	char word[16];
	unsigned i;

	if (argc != 4)
		errx(2, "usage: comeback PORT CLIENTS polite|stock");
	to.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nclients = (unsigned)strtoul(argv[2], NULL, 10);
	stock = strcmp(argv[3], "stock") == 0;
	clients = calloc(nclients, sizeof *clients);
	here_us = calloc(nclients, sizeof *here_us);
	asked = mmap(NULL, sizeof *asked, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || here_us == NULL || asked == MAP_FAILED ||
	    epfd == -1)
		err(1, "memory");
	for (i = 0; i < nclients; i++)
		clients[i].fd = -1;
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		ask_for_ever();
	}
	round_of(true);
	while (fgets(word, sizeof word, stdin) != NULL)
		round_of(strcmp(word, "cut\n") == 0);
	return (0);
}
