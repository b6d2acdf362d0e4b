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
	size_t i;

	/* keep it readable: blanks stay, control bytes go, and the text is
	 * in quotes */
	for (i = 0; i < s->n; i++) {
		if ((unsigned char)s->line[i] < ' ' || s->line[i] == 0x7f)
			s->line[i] = '?';
		else if (s->line[i] == '"')
			s->line[i] = '\'';
	}
	if (s->n > 0)
		log_warnx("child_says role=%s slot=%d text=\"%.*s\"", s->title,
		    s->slot, (int)s->n, s->line);
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

int
says_open(struct says *s, struct loop *loop, const char *title, int slot)
{
	int error, fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return (-1);
	if (loop_add(loop, &s->io, fds[0], LOOP_IN, says_event) == -1) {
		error = errno;
		(void)close(fds[0]);
		(void)close(fds[1]);
		errno = error;
		return (-1);
	}
	s->loop = loop;
	s->open = true;
	s->title = title;
	s->slot = slot;
	s->n = 0;
	return (fds[1]);
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
