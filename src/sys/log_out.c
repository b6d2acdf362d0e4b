/*
 * Writing without waiting; see log_out.h.  A terminal may be stopped, a pipe
 * unread and a syslog daemon stuck; a process that serves clients goes on.
 * O_NONBLOCK belongs to the open file, which others share (a shell's terminal,
 * a pipe of several programs), so that is left alone: pipes and terminals are
 * opened once more for ourselves.
 */
#include "sys/log_out.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LOG_AGAIN	4u
#define LOG_BLINKS	16u
#define LOG_NAPS	100u		/* of a millisecond at most */

static enum log_way {
	LOG_WAY_PLAIN,		/* a file: it does not make us wait */
	LOG_WAY_OWN,		/* log_fd: stderr, opened once more */
	LOG_WAY_POLLED,		/* that was not allowed: look before */
	LOG_WAY_SOCKET,		/* the journal's */
	LOG_WAY_SYSLOG		/* log_fd: connected; -1: with the next line */
} log_way = LOG_WAY_POLLED;
static int log_fd = -1;
static bool log_terminal;	/* that is what log_fd is */
static bool log_losing;		/* the last line was not taken */

struct log_patience {		/* with one line */
	unsigned	 again;		/* though it was nobody's */
	unsigned	 naps;		/* as somebody's */
};

void
log_out_close(void)
{
	if (log_fd != -1)
		(void)close(log_fd);
	log_fd = -1;
	log_terminal = log_losing = false;
	if (log_way == LOG_WAY_OWN)
		log_way = LOG_WAY_POLLED;
}

void
log_out_stderr(void)
{
	struct stat st;

	log_out_close();
	if (fstat(STDERR_FILENO, &st) == -1)
		log_way = LOG_WAY_POLLED;
	else if (S_ISREG(st.st_mode))
		log_way = LOG_WAY_PLAIN;
	else if (S_ISSOCK(st.st_mode))
		log_way = LOG_WAY_SOCKET;
	else {
		log_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK |
		    O_CLOEXEC | O_NOCTTY);
		log_way = log_fd == -1 ? LOG_WAY_POLLED : LOG_WAY_OWN;
		log_terminal = log_fd != -1 && isatty(log_fd);
	}
}

void
log_out_syslog(void)
{
	log_out_close();
	log_way = LOG_WAY_SYSLOG;
}

/* A pipe that polls writable takes as much as a line at once; between two
 * processes that look at the same time there is a race, which is small. */
static bool
log_writable(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return (poll(&p, 1, 0) == 1);
}

/*
 * A terminal is one writer's at a time, and tells another that it is full, as
 * does poll(2).  A write of nothing tells the two apart: a full one takes it.
 * One that is somebody's gets a while; one that is nobody's and yet has not
 * taken the line may have been somebody's once more, but not time after time.
 * Where the last line was not taken, none of both is waited for.
 */
static bool
log_moment(int fd, struct log_patience *p)
{
	static const struct timespec blink = { .tv_nsec = 50 * 1000 };
	struct pollfd f = { .fd = fd, .events = POLLOUT };

	if (!log_terminal)
		return (false);
	if (write(fd, "", 0) == -1 && errno == EAGAIN) {
		if (log_losing || p->naps++ == LOG_NAPS)
			return (false);
		(void)poll(&f, 1, 1);
		p->again = 0;
		return (true);
	}
	if (p->again++ < LOG_AGAIN)
		return (true);
	if (log_losing || p->again > LOG_AGAIN + LOG_BLINKS)
		return (false);
	(void)nanosleep(&blink, NULL);
	return (true);
}

static bool
log_write(int fd, const char *line, size_t n)
{
	struct log_patience p = { 0 };
	ssize_t r;

	do
		r = write(fd, line, n);
	while (r == -1 && (errno == EINTR ||
	    (errno == EAGAIN && log_moment(fd, &p))));
	log_losing = r == -1;
	/* half a line is gone with the rest; an error other than "full" is not
	 * better for being counted */
	return (r != -1 || (errno != EAGAIN && errno != ENOSPC &&
	    errno != EDQUOT && errno != EFBIG));
}

static void
log_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };

	log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (log_fd == -1 || connect(log_fd, (const struct sockaddr *)&sun,
	    sizeof sun) == 0)
		return;
	(void)close(log_fd);
	log_fd = -1;
}

/* RFC 3164 as the C library writes it: "<29>Jan  2 03:04:05 roostd[99]: ..." */
static bool
log_say(int priority, const char *line, size_t n)
{
	char text[4096], stamp[32] = "";
	struct tm tm;
	time_t now = time(NULL);
	int r;

	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(stamp, sizeof stamp, "%h %e %T ", &tm);
	r = snprintf(text, sizeof text, "<%d>%sroostd[%d]: %.*s",
	    priority | LOG_DAEMON, stamp, (int)getpid(), (int)n - 1, line);
	if (r < 0)
		return (false);
	if ((size_t)r >= sizeof text)
		r = (int)sizeof text - 1;
	if (log_fd == -1)
		log_connect();
	if (log_fd != -1 && send(log_fd, text, (size_t)r, MSG_DONTWAIT |
	    MSG_NOSIGNAL) != -1)
		return (true);
	if (log_fd == -1 || errno == EAGAIN || errno == ENOBUFS)
		return (false);
	/* it was started anew */
	(void)close(log_fd);
	log_fd = -1;
	log_connect();
	return (log_fd != -1 && send(log_fd, text, (size_t)r, MSG_DONTWAIT |
	    MSG_NOSIGNAL) != -1);
}

bool
log_out_line(int priority, const char *line, size_t n)
{
	switch (log_way) {
	case LOG_WAY_PLAIN:
		return (log_write(STDERR_FILENO, line, n));
	case LOG_WAY_OWN:
		return (log_write(log_fd, line, n));
	case LOG_WAY_POLLED:
		return (log_writable() && log_write(STDERR_FILENO, line, n));
	case LOG_WAY_SOCKET:
		return (send(STDERR_FILENO, line, n, MSG_DONTWAIT |
		    MSG_NOSIGNAL) != -1 || (errno != EAGAIN &&
		    errno != ENOBUFS));
	case LOG_WAY_SYSLOG:
		return (log_say(priority, line, n));
	}
	return (false);
}
