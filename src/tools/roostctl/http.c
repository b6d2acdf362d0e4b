/*
 * A client that asks once and hangs up; see http.h.
 */
#include "tools/roostctl/http.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define HTTP_ANSWER_MAX	(64u << 20)

/* --- connecting -----------------------------------------------------------*/

static void
http_patience(int fd, unsigned seconds)
{
	struct timeval tv = { .tv_sec = (time_t)seconds };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static int
http_connect_unix(const struct http_request *q, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1)
		http_patience(fd, q->seconds);
	if (fd == -1 || connect(fd, (const struct sockaddr *)&sun,
	    sizeof sun) == 0)
		return (fd);
	(void)close(fd);
	return (-1);
}

/* HOST:PORT, [HOST]:PORT; false: it is none. */
static bool
http_split(const char *address, char host[256], char port[16])
{
	const char *colon = strrchr(address, ':'), *end = colon;
	size_t n;

	if (colon == NULL || strlen(colon + 1) >= 16 || colon[1] == '\0')
		return (false);
	if (address[0] == '[' && colon > address + 1 && colon[-1] == ']') {
		address++;
		end--;
	}
	n = (size_t)(end - address);
	if (n == 0 || n >= 256)
		return (false);
	memcpy(host, address, n);
	host[n] = '\0';
	(void)snprintf(port, 16, "%.*s", (int)strcspn(colon + 1, "/"),
	    colon + 1);
	/* who listens on all addresses is here */
	if (strcmp(host, "0.0.0.0") == 0)
		(void)snprintf(host, 256, "127.0.0.1");
	if (strcmp(host, "::") == 0)
		(void)snprintf(host, 256, "::1");
	return (true);
}

static int
http_connect_any(const struct http_request *q, const struct addrinfo *list)
{
	const struct addrinfo *a;
	int fd = -1;

	errno = EADDRNOTAVAIL;
	for (a = list; a != NULL; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC,
		    a->ai_protocol);
		if (fd == -1)
			continue;
		http_patience(fd, q->seconds);
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return (fd);
		(void)close(fd);
	}
	return (-1);
}

static int
http_connect(const struct http_request *q, char *why, size_t cap)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *address = q->address;
	struct addrinfo *list;
	char host[256], port[16];
	int fd, r;

	if (strncmp(address, "unix:", 5) == 0)
		fd = http_connect_unix(q, address + 5);
	else {
		if (strncmp(address, "http://", 7) == 0)
			address += 7;
		if (!http_split(address, host, port)) {
			(void)snprintf(why, cap, "%s is no http://HOST:PORT, "
			    "nor unix:PATH", q->address);
			return (-1);
		}
		r = getaddrinfo(host, port, &hints, &list);
		if (r != 0) {
			(void)snprintf(why, cap, "%s: %s", q->address,
			    gai_strerror(r));
			return (-1);
		}
		fd = http_connect_any(q, list);
		freeaddrinfo(list);
	}
	if (fd == -1)
		(void)snprintf(why, cap, "%s: %s", q->address,
		    errno == EINPROGRESS || errno == EAGAIN ?
		    "it does not accept" : strerror(errno));
	return (fd);
}

/* --- asking ---------------------------------------------------------------*/

static bool
http_send(int fd, const struct http_request *q)
{
	struct slice left;
	struct buf b;
	ssize_t n;

	buf_init(&b);
	/* without persistence the end of the answer is that of the stream */
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n"
	    "Connection: close\r\nAuthorization: Bearer %s\r\n", q->method,
	    q->path, q->host, q->key);
	if (q->body.n > 0)
		buf_printf(&b, "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n", q->body.n);
	buf_str(&b, "\r\n");
	buf_slice(&b, q->body);
	left = buf_unread(&b);
	while (!b.oom && left.n > 0) {
		n = send(fd, left.p, left.n, MSG_NOSIGNAL);
		if (n == -1 && errno != EINTR)
			break;
		left = slice_from(left, n > 0 ? (size_t)n : 0);
	}
	n = (ssize_t)left.n;
	if (b.oom)
		errno = ENOMEM;
	buf_fini(&b);
	return (n == 0);
}

/* Up to the end of the stream; false + errno. */
static bool
http_receive(int fd, const struct http_request *q, struct buf *b)
{
	struct mono end = mono_add_ms(mono_now(), q->seconds * UINT64_C(1000));
	ssize_t n;

	while (b->wpos < HTTP_ANSWER_MAX && mono_now().us < end.us) {
		if (!buf_reserve(b, 16384)) {
			errno = ENOMEM;
			return (false);
		}
		n = recv(fd, b->data + b->wpos, 16384, 0);
		if (n == 0)
			return (true);
		if (n == -1 && errno != EINTR)
			return (false);
		b->wpos += n > 0 ? (size_t)n : 0;
	}
	errno = b->wpos < HTTP_ANSWER_MAX ? EAGAIN : EFBIG;
	return (false);
}

/* "HTTP/1.1 200 OK", headers, body; -1: it is something else. */
static int
http_status(struct buf *b)
{
	const uint8_t *body = b->wpos == 0 ? NULL :
	    memmem(b->data, b->wpos, "\r\n\r\n", 4);
	unsigned status;

	if (body == NULL || b->wpos < 12 ||
	    memcmp(b->data, "HTTP/1.", 7) != 0 ||
	    sscanf((const char *)b->data + 8, " %3u", &status) != 1)
		return (-1);
	buf_consume(b, (size_t)(body + 4 - b->data));
	return ((int)status);
}

int
http_ask(const struct http_request *q, struct buf *answer, char *why,
    size_t cap)
{
	int fd = http_connect(q, why, cap), status;

	if (fd == -1)
		return (-1);
	if (!http_send(fd, q) || !http_receive(fd, q, answer)) {
		(void)snprintf(why, cap, "%s: %s", q->address,
		    errno == EAGAIN ? "no answer in time" : strerror(errno));
		(void)close(fd);
		return (-1);
	}
	(void)close(fd);
	status = http_status(answer);
	if (status == -1)
		(void)snprintf(why, cap, "%s does not speak HTTP: is it TLS?",
		    q->address);
	return (status);
}
