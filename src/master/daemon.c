/*
 * Into the background; see daemon.h.
 */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"

static void daemon_wait(int fd) NORETURN;
static void
daemon_wait(int fd)
{
	unsigned char code;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n == -1 && errno == EINTR);
	coverage_save();
	/* no clean-up: everything is the daemon's now */
	_exit(n == 1 ? code : EX_SOFTWARE);
}

int
daemon_begin(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return (-1);
	switch (fork()) {
	case -1:
		(void)close(fds[0]);
		(void)close(fds[1]);
		return (-1);
	case 0:
		(void)close(fds[0]);
		(void)setsid();
		return (fds[1]);
	default:
		(void)close(fds[1]);
		daemon_wait(fds[0]);
	}
}

static void
daemon_leave_terminal(void)
{
	int null;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	(void)close(null);
}

void
daemon_release(int fd, int code)
{
	unsigned char byte = (unsigned char)code;

	if (code == 0)
		daemon_leave_terminal();
	while (write(fd, &byte, 1) == -1 && errno == EINTR)
		continue;
	(void)close(fd);
}
