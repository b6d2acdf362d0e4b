/* One HTTP connection that asks and waits; made again when it is lost. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

static int
asker_connect(struct asker *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(a->port) };
	const struct timeval patience = { .tv_sec = 2 };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd == -1)
		return (-1);
	(void)setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof patience);
	return (connect(a->fd, (struct sockaddr *)&to, sizeof to));
}

/* Make room, read some. */
static bool
more(struct asker *a)
{
	ssize_t n;

	if (a->n + 65536 > a->cap) {
		a->cap = a->cap == 0 ? 1 << 20 : 2 * a->cap;
		a->body = realloc(a->body, a->cap);
		if (a->body == NULL)
			die("asker: out of memory");
	}
	n = recv(a->fd, a->body + a->n, a->cap - a->n - 1, 0);
	if (n <= 0)
		return (false);
	a->n += (size_t)n;
	a->body[a->n] = '\0';
	return (true);
}

static int
asker_read(struct asker *a)
{
	char *end, *length;
	size_t head, body;
	int status;

	a->n = 0;
	do {
		if (!more(a))
			return (-1);
	} while ((end = strstr(a->body, "\r\n\r\n")) == NULL);
	head = (size_t)(end - a->body) + 4;
	status = (int)strtol(a->body + 9, NULL, 10);
	length = strcasestr(a->body, "\r\nContent-Length:");
	if (length == NULL || length > end)
		die("no length in %.*s", (int)head, a->body);
	body = strtoul(length + 17, NULL, 10);
	while (a->n < head + body)
		if (!more(a))
			return (-1);
	memmove(a->body, a->body + head, body);
	a->n = body;
	a->body[body] = '\0';
	return (status);
}

int
asker_get(struct asker *a, const char *path)
{
	char head[512];
	int n, status, tries;

	n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1\r\nAuthorization: Bearer " API_KEY "\r\n\r\n",
	    path);
	for (tries = 0; tries < 20; tries++) {
		if (a->fd != -1 && send(a->fd, head, (size_t)n,
		    MSG_NOSIGNAL) == n && (status = asker_read(a)) != -1)
			return (status);
		if (a->fd != -1)
			(void)close(a->fd);
		a->fd = -1;
		if (tries > 0)
			(void)usleep(2000);
		(void)asker_connect(a);
	}
	return (-1);
}

bool
metric_sum(const char *page, const char *family, const char *label,
    uint64_t *sum)
{
	size_t n = strlen(family);
	const char *p, *end, *value;
	bool found = false;

	*sum = 0;
	for (p = page; *p != '\0'; p = end + 1) {
		end = strchr(p, '\n');
		if (end == NULL)
			break;
		if (strncmp(p, family, n) != 0 ||
		    (p[n] != ' ' && p[n] != '{'))
			continue;
		value = end;
		while (value > p && value[-1] != ' ')
			value--;
		if (label != NULL && memmem(p, (size_t)(value - p), label,
		    strlen(label)) == NULL)
			continue;
		*sum += strtoull(value, NULL, 10);
		found = true;
	}
	return (found);
}
