/* One connection of the fleet: HTTP/1.1, and WebSocket after it; see fleet.h. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"

#define INPUT		(1 << 20)
#define SIP		2048	/* bytes that a narrow link reads at a time */

static char input[INPUT + 1];

static void link_event(void *, uint32_t);

/* --- what is in a text ---------------------------------------------------- */

bool
has(const char *p, size_t n, const char *text)
{
	return (memmem(p, n, text, strlen(text)) != NULL);
}

int64_t
number_of(const char *p, size_t n, const char *key)
{
	const char *end = p + n;
	int64_t v = 0;

	p = memmem(p, n, key, strlen(key));
	if (p == NULL)
		return (-1);
	p += strlen(key);
	if (p == end || *p < '0' || *p > '9')
		return (-1);
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (*p - '0');
	return (v);
}

/* --- out ------------------------------------------------------------------ */

static void
link_watch(struct link *l, bool is_new)
{
	loop_watch(l->fd, &l->watch, (l->deaf ? 0 : EPOLLIN) |
	    (l->waits_out ? EPOLLOUT : 0), is_new);
}

static void
link_ended(struct link *l, const char *why)
{
	link_end(l);
	l->ops->closed(l, why);
}

/* Send what may go. */
static void
link_flush(struct link *l)
{
	uint32_t upto = l->gated ? l->gate : l->out_n;
	ssize_t n = 0;

	if (l->state <= LINK_CALLING)
		return;
	if (upto > 0) {
		n = send(l->fd, l->out, upto, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			return;		/* reading tells */
		if (n == -1)
			n = 0;
		l->out_n -= (uint32_t)n;
		l->gate -= l->gated ? (uint32_t)n : 0;
		memmove(l->out, l->out + n, l->out_n);
	}
	if (l->out_n == 0) {
		free(l->out);
		l->out = NULL;
		l->out_cap = 0;
	}
	if (((uint32_t)n < upto) != l->waits_out) {
		l->waits_out = !l->waits_out;
		link_watch(l, false);
	}
}

static void
link_append(struct link *l, const void *p, size_t n)
{
	if (l->out_n + n > l->out_cap) {
		l->out_cap = l->out_n + (uint32_t)n;
		l->out = realloc(l->out, l->out_cap);
		if (l->out == NULL)
			die("memory");
	}
	memcpy(l->out + l->out_n, p, n);
	l->out_n += (uint32_t)n;
}

void
link_send(struct link *l, const void *p, size_t n)
{
	if (l->state == LINK_NONE)
		return;
	link_append(l, p, n);
	link_flush(l);
}

static void
link_step(void *arg)
{
	struct link *l = arg;
	uint32_t piece;

	if (l->state == LINK_NONE)
		return;
	if (l->cuts > 0) {
		piece = l->cut[0];
		l->cut[0] = l->cut[1];
		l->cut[1] = l->cut[2];
		l->cuts--;
	} else if (l->cut[2] == 1 && l->left > 1)
		piece = 1;		/* byte by byte */
	else
		piece = l->left;
	l->left -= piece;
	l->gate += piece;
	if (l->left == 0)
		l->gated = false;
	link_flush(l);
	if (l->state == LINK_NONE)
		return;
	if (l->gated)
		timer_set(&l->step, l->step_ms, link_step, l);
	else if (l->ops->whole != NULL)
		l->ops->whole(l);
}

void
link_send_slowly(struct link *l, const void *p, size_t n, const uint32_t *cut,
    uint32_t cuts, uint32_t step_ms)
{
	if (l->state == LINK_NONE)
		return;
	if (l->gated)
		die("already in pieces");
	l->gated = true;
	l->gate = l->out_n;
	l->left = (uint32_t)n;
	l->cuts = cuts;
	memset(l->cut, 0, sizeof l->cut);
	if (cuts > 0)
		memcpy(l->cut, cut, cuts * sizeof *cut);
	else
		l->cut[2] = 1;
	l->step_ms = step_ms;
	link_append(l, p, n);
	link_step(l);
}

size_t
frame(uint8_t *out, uint8_t first, const void *p, size_t n)
{
	static const uint8_t key[4] = { 0x5a, 0x17, 0xc3, 0x88 };
	const uint8_t *from = p;
	size_t at = 2, i;

	out[0] = first;
	if (n < 126)
		out[1] = (uint8_t)(0x80 | n);
	else {
		out[1] = 0x80 | 126;
		out[2] = (uint8_t)(n >> 8);
		out[3] = (uint8_t)n;
		at = 4;
	}
	memcpy(out + at, key, 4);
	at += 4;
	for (i = 0; i < n; i++)
		out[at + i] = from[i] ^ key[i & 3];
	return (at + n);
}

static void
link_frame(struct link *l, uint8_t first, const void *p, size_t n)
{
	uint8_t out[70000];

	link_send(l, out, frame(out, first, p, n));
}

void
link_text(struct link *l, const char *text)
{
	link_frame(l, 0x81, text, strlen(text));
}

void
link_say_close(struct link *l)
{
	static const uint8_t normal[2] = { 1000 >> 8, 1000 & 255 };

	l->closing = true;
	link_frame(l, 0x88, normal, 2);
}

void
link_open_ws(struct link *l, const char *target, const char *token)
{
	char head[1024];
	int n;

	n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: localhost\r\n"
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n", target,
	    token == NULL ? "" : "Authorization: Bearer ",
	    token == NULL ? "" : token, token == NULL ? "" : "\r\n");
	link_send(l, head, (size_t)n);
}

void
link_get(struct link *l, const char *target)
{
	char head[600];
	int n;

	n = snprintf(head, sizeof head,
	    "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	link_send(l, head, (size_t)n);
}

void
link_post(struct link *l, const char *target, const char *body, size_t n,
    uint32_t halves_ms)
{
	char *all;
	uint32_t cut;
	int k;

	k = asprintf(&all, "POST %s HTTP/1.1\r\nHost: localhost\r\n"
	    "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n"
	    "\r\n%.*s", target, n, (int)n, body);
	if (k == -1)
		die("memory");
	cut = (uint32_t)k - 1 - any((unsigned)(n > 120 ? 120 : n + 40));
	if (halves_ms == 0)
		link_send(l, all, (size_t)k);
	else
		link_send_slowly(l, all, (size_t)k, &cut, 1, halves_ms);
	free(all);
}

/* --- in ------------------------------------------------------------------- */

/* A frame; what it took, 0: is not whole. */
static size_t
link_take_frame(struct link *l, char *p, size_t n)
{
	const uint8_t *u = (const uint8_t *)p;
	size_t at = 2, len;
	uint64_t big = 0;
	unsigned i;

	if (n < 2)
		return (0);
	len = u[1] & 127;
	if (len == 126 && n >= 4) {
		len = (size_t)u[2] << 8 | u[3];
		at = 4;
	} else if (len == 127 && n >= 10) {
		for (i = 0; i < 8; i++)
			big = big << 8 | u[2 + i];
		len = big;
		at = 10;
	} else if (len >= 126)
		return (0);
	if (n - at < len)
		return (0);
	switch (u[0]) {
	case 0x81:
		l->ops->text(l, p + at, len);
		break;
	case 0x82:
		l->ops->binary(l, u + at, len);
		break;
	case 0x89:
		link_frame(l, 0x8a, p + at, len);
		l->ops->ping(l);
		break;
	case 0x8a:
		break;
	case 0x88:
		if (l->closing)
			link_ended(l, "");
		else {
			char why[160];

			(void)snprintf(why, sizeof why, "Close %u %.*s",
			    len < 2 ? 0 : (unsigned)u[at] << 8 | u[at + 1],
			    len < 2 ? 0 : (int)(len - 2 > 120 ? 120 : len - 2),
			    p + at + 2);
			link_ended(l, why);
		}
		break;
	default:
		link_ended(l, "a frame that is none");
	}
	return (at + len);
}

/* A response; what it took, 0: is not whole. */
static size_t
link_take_http(struct link *l, char *p, size_t n)
{
	unsigned status;
	int64_t body;
	size_t head;
	char *end;

	end = memmem(p, n, "\r\n\r\n", 4);
	if (end == NULL)
		return (0);
	head = (size_t)(end + 4 - p);
	if (n < 13 || strncmp(p, "HTTP/1.1 ", 9) != 0) {
		link_ended(l, "not HTTP");
		return (n);
	}
	status = (unsigned)strtoul(p + 9, NULL, 10);
	body = number_of(p, head, "\r\nContent-Length: ");
	if (body == -1)
		body = number_of(p, head, "\r\ncontent-length: ");
	if (body == -1)
		body = 0;
	if (n - head < (size_t)body)
		return (0);
	end[2] = '\0';
	l->last = strcasestr(p, "\r\nConnection: close") != NULL;
	if (status == 101)
		l->state = LINK_WS;
	l->ops->http(l, status, p, p + head, (size_t)body);
	return (head + (size_t)body);
}

static void
link_keep(struct link *l, const char *p, size_t n)
{
	free(l->rest);
	l->rest = NULL;
	l->rest_n = (uint32_t)n;
	if (n == 0)
		return;
	l->rest = malloc(n);
	if (l->rest == NULL)
		die("memory");
	memcpy(l->rest, p, n);
}

/* Is it open, and still the same connection? */
static bool
link_is(const struct link *l, uint32_t call)
{
	return (l->state != LINK_NONE && l->call == call);
}

static void
link_read(struct link *l)
{
	size_t have = l->rest_n, at = 0, took;
	uint32_t call = l->call;
	ssize_t n;

	if (have > 0)
		memcpy(input, l->rest, have);
	n = recv(l->fd, input + have, l->narrow ? SIP : INPUT - have, 0);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		link_ended(l, n == 0 ? "end" : strerror(errno));
		return;
	}
	have += (size_t)n;
	while (at < have && link_is(l, call)) {
		took = l->state == LINK_WS ?
		    link_take_frame(l, input + at, have - at) :
		    link_take_http(l, input + at, have - at);
		if (took == 0)
			break;
		at += took;
	}
	if (link_is(l, call))
		link_keep(l, input + at, have - at);
}

static void
link_event(void *arg, uint32_t events)
{
	struct link *l = arg;
	socklen_t size = sizeof(int);
	int error = 0;

	if (l->state == LINK_NONE)
		return;
	if (l->state == LINK_CALLING) {
		(void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error != 0) {
			link_ended(l, strerror(error));
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		l->state = LINK_HTTP;
		l->waits_out = false;
		link_watch(l, false);
		l->ops->open(l);
		return;
	}
	if (events & EPOLLOUT)
		link_flush(l);
	if (l->state != LINK_NONE && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		link_read(l);
}

/* --- beginning and end ---------------------------------------------------- */

/* From an address of its own: there are not ports enough for one. */
static void
link_bind(int fd)
{
	static unsigned calls;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;

	calls++;
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x100 * (my_index + 1) +
	    calls % 50);
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	    sizeof on);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) == -1)
		die("bind");
}

void
link_call(struct link *l, const struct link_ops *ops, void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int on = 1, mss = 536, window = 4096;

	l->watch.fn = link_event;
	l->ops = ops;
	l->arg = arg;
	l->call++;
	l->closing = l->last = l->gated = l->deaf = false;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd == -1)
		die("socket");
	link_bind(l->fd);
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (l->narrow) {
		(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &window,
		    sizeof window);
		(void)setsockopt(l->fd, IPPROTO_TCP, TCP_MAXSEG, &mss,
		    sizeof mss);
	}
	to.sin_port = htons((uint16_t)board->opt.port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->state = LINK_CALLING;
	l->waits_out = true;
	if (connect(l->fd, (struct sockaddr *)&to, sizeof to) == -1 &&
	    errno != EINPROGRESS)
		die("connect");
	link_watch(l, true);
}

void
link_listen(struct link *l, bool on)
{
	l->deaf = !on;
	if (l->state != LINK_NONE)
		link_watch(l, false);
}

void
link_end(struct link *l)
{
	if (l->state == LINK_NONE)
		return;
	timer_stop(&l->step);
	(void)close(l->fd);
	l->fd = -1;
	l->state = LINK_NONE;
	free(l->out);
	l->out = NULL;
	l->out_n = l->out_cap = 0;
	l->gated = false;
	link_keep(l, NULL, 0);
}
