/*
 * The client's side of one WebSocket connection, as little as a client of a
 * storm needs: whole messages only, a masking key of zeroes, a pong for each
 * ping.  What is sent is small and fits a socket's buffer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

enum { OP_TEXT = 1, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

void
link_init(struct link *l, char *in, uint32_t cap)
{
	l->fd = -1;
	l->state = LINK_NONE;
	l->have = 0;
	l->in = in;
	l->cap = cap;
}

void
link_close(struct link *l)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (l->fd != -1) {
		/* no TIME_WAIT: there are not so many ports */
		(void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof reset);
		(void)close(l->fd);
	}
	l->fd = -1;
	l->state = LINK_NONE;
	l->have = 0;
}

int
link_connect(struct link *l, uint16_t port, uint32_t source)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	const int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(0x7f000002u + source % 250);
	l->have = 0;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (l->fd == -1)
		return (-1);
	(void)setsockopt(l->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	    sizeof on);
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(l->fd, (struct sockaddr *)&from, sizeof from) == -1 ||
	    (connect(l->fd, (struct sockaddr *)&to, sizeof to) == -1 &&
	    errno != EINPROGRESS)) {
		link_close(l);
		return (-1);
	}
	l->state = LINK_CONNECTING;
	return (0);
}

static int
put(struct link *l, const void *p, size_t n)
{
	return (send(l->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ?
	    0 : -1);
}

int
link_ask(struct link *l, const char *path, const char *token)
{
	char head[1024];
	int n;

	n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Key: c3Rvcm0gc3Rvcm0gc3RvcA==\r\n"
	    "Sec-WebSocket-Version: 13\r\n%s%s%s\r\n", path,
	    token != NULL ? "Authorization: Bearer " : "",
	    token != NULL ? token : "", token != NULL ? "\r\n" : "");
	if (put(l, head, (size_t)n) == -1)
		return (-1);
	l->state = LINK_ASKED;
	return (0);
}

static int
send_frame(struct link *l, int op, const char *text, size_t n)
{
	static char frame[64 * 1024];	/* one thread */
	size_t at = 0;

	if (n + 8 > sizeof frame)
		die("message of %zu bytes", n);
	frame[at++] = (char)(0x80 | op);
	if (n < 126) {
		frame[at++] = (char)(0x80 | n);
	} else {
		frame[at++] = (char)(0x80 | 126);
		frame[at++] = (char)(n >> 8);
		frame[at++] = (char)n;
	}
	memset(frame + at, 0, 4);
	memcpy(frame + at + 4, text, n);
	return (put(l, frame, at + 4 + n));
}

int
link_send(struct link *l, const char *text, size_t n)
{
	return (send_frame(l, OP_TEXT, text, n));
}

int
link_send_close(struct link *l)
{
	l->state = LINK_CLOSING;
	return (send_frame(l, OP_CLOSE, "\x03\xe8", 2));
}

/* One frame at p: its length, 0: not all there. */
static size_t
frame_length(const char *p, size_t n, size_t *head, size_t *body)
{
	if (n < 2)
		return (0);
	*head = 2;
	*body = (uint8_t)p[1] & 0x7f;
	if (*body == 126) {
		if (n < 4)
			return (0);
		*head = 4;
		*body = (size_t)(uint8_t)p[2] << 8 | (uint8_t)p[3];
	} else if (*body == 127) {
		if (n < 10)
			return (0);
		*head = 10;
		*body = (size_t)(uint8_t)p[6] << 24 |
		    (size_t)(uint8_t)p[7] << 16 | (size_t)(uint8_t)p[8] << 8 |
		    (uint8_t)p[9];
	}
	return (*head + *body <= n ? *head + *body : 0);
}

static int
take_frame(struct link *l, char *p, size_t head, size_t body, link_text *text,
    void *arg)
{
	char saved;

	switch (p[0] & 15) {
	case OP_TEXT:
		saved = p[head + body];
		p[head + body] = '\0';
		text(arg, p + head, body);
		p[head + body] = saved;
		return (0);
	case OP_PING:
		return (send_frame(l, OP_PONG, p + head, body));
	case OP_CLOSE:
		/* the server waits for ours, if it was first */
		if (l->state != LINK_CLOSING)
			(void)send_frame(l, OP_CLOSE, p + head, body);
		return (0);
	default:
		return (0);
	}
}

static int
take(struct link *l, link_text *text, void *arg)
{
	size_t at = 0, n, head, body;
	char *end;

	if (l->state == LINK_ASKED) {
		l->in[l->have] = '\0';
		end = strstr(l->in, "\r\n\r\n");
		if (end == NULL)
			return (0);
		if (strncmp(l->in, "HTTP/1.1 101 ", 13) != 0)
			return (-2);
		at = (size_t)(end - l->in) + 4;
		l->state = LINK_OPEN;
		text(arg, NULL, 0);	/* open */
	}
	while ((n = frame_length(l->in + at, l->have - at, &head,
	    &body)) != 0) {
		if (take_frame(l, l->in + at, head, body, text, arg) == -1)
			return (-1);
		at += n;
	}
	l->have -= (uint32_t)at;
	memmove(l->in, l->in + at, l->have);
	return (0);
}

int
link_read(struct link *l, link_text *text, void *arg)
{
	ssize_t n;
	int r;

	for (;;) {
		if (l->have + 1 >= l->cap)
			die("a message does not fit %u bytes", l->cap);
		n = recv(l->fd, l->in + l->have, l->cap - l->have - 1, 0);
		if (n == -1 && errno == EAGAIN)
			return (0);
		if (n <= 0)
			return (-1);
		l->have += (uint32_t)n;
		r = take(l, text, arg);
		if (r != 0)
			return (r);
	}
}
