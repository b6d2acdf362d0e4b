/*
 * Pipes from the children's stderr to the log; see says.h.
 */
#include "master/says.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sys/log.h"

static void
says_line(struct says *s)
{
	char line[SAYS_LINE_MAX + 1];

	if (s->n > 0)
		log_warnx("child_says role=%s slot=%d text=\"%s\"", s->title,
		    s->slot, log_quoted(line, sizeof line,
		    slice_of(s->line, s->n)));
	s->n = 0;
}

static void
says_bytes(struct says *s, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\n' || s->n == SAYS_LINE_MAX)
			says_line(s);
		if (p[i] != '\n')
			s->line[s->n++] = p[i];
	}
}

/* Read what is there; false at the end. */
static bool
says_read(struct says *s)
{
	char bytes[4096];
	ssize_t n;
	int i;

	for (i = 0; i < 16; i++) { /* a babbler gets no more than its turn */
		n = read(s->io.fd, bytes, sizeof bytes);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (n == -1 && errno == EAGAIN);
		says_bytes(s, bytes, (size_t)n);
	}
	return (true);
}

static void
says_event(struct loop_fd *io, unsigned events)
{
	struct says *s = container_of(io, struct says, io);

	(void)events;
	if (!says_read(s))
		says_close(s);
}

static int
says_watch(struct says *s, struct loop *loop, int fd, const char *title,
    int slot)
{
	if (loop_add(loop, &s->io, fd, LOOP_IN, says_event) == -1)
		return (-1);
	s->loop = loop;
	s->open = true;
	s->title = title;
	s->slot = slot;
	s->n = 0;
	return (0);
}

int
says_open(struct says *s, struct loop *loop, const char *title, int slot)
{
	int error, fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return (-1);
	if (says_watch(s, loop, fds[0], title, slot) == -1) {
		error = errno;
		(void)close(fds[0]);
		(void)close(fds[1]);
		errno = error;
		return (-1);
	}
	return (fds[1]);
}

void
says_adopt(struct says *s, struct loop *loop, int fd, const char *title,
    int slot)
{
	if (says_watch(s, loop, fd, title, slot) == -1)
		(void)close(fd);	/* it talks to nobody */
}

void
says_close(struct says *s)
{
	if (!s->open)
		return;
	s->open = false;
	(void)says_read(s);
	says_line(s);
	loop_del(s->loop, &s->io);
	(void)close(s->io.fd);
}
