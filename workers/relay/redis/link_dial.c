/*
 * A link on its way: its name is resolved, the addresses are tried one after
 * the other, TLS shakes hands.
 */
#include "relay/redis/link_int.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "relay/redis/secure.h"

#define LINK_DEAD_MS	8000	/* unacknowledged bytes, or no answer to a probe,
				 * for so long: the kernel gives up */

static void
link_shake(struct link *l)
{
	int r = secure_handshake(l->tls);

	if (r == 1)
		link_greet(l);
	else if (r == SECURE_WANT_READ || r == SECURE_WANT_WRITE)
		(void)link_want(l, r == SECURE_WANT_WRITE);
	else
		link_fail(l, REDIS_INSECURE, r == SECURE_FAILED ?
		    secure_why(l->tls) : "the connection ended");
}

static void
link_connected(struct link *l)
{
	const char *why;

	if (!l->p.conf->url.tls) {
		link_greet(l);
		return;
	}
	l->tls = secure_new(l->p.conf, link_host(l), l->io.fd, &why);
	if (l->tls == NULL) {
		link_fail(l, REDIS_INSECURE, why);
		return;
	}
	l->state = LINK_SECURING;
	link_shake(l);
}

static void	link_try_next(struct link *, const char *);

static void
link_on_connect(struct link *l)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(l->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0) {
		link_connected(l);
		return;
	}
	loop_del(l->p.loop, &l->io);
	(void)close(l->io.fd);
	l->io.fd = -1;
	link_try_next(l, strerror(error));
}

static void
link_on_event(struct loop_fd *f, unsigned events)
{
	struct link *l = container_of(f, struct link, io);

	CHECK_MAGIC(l, LINK_MAGIC);
	if (l->state == LINK_CONNECTING) {
		link_on_connect(l);
		return;
	}
	if (l->state == LINK_SECURING) {
		link_shake(l);
		return;
	}
	link_talk(l, events);
}

/* A silent peer is the kernel's affair, too: bytes it does not acknowledge. */
static void
link_tune(int fd)
{
	static const struct {
		int	 level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, LINK_DEAD_MS },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 4 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 2 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 2 },
	};
	size_t i;

	for (i = 0; i < nitems(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof options[i].value);
}

/* 0: on its way; else errno. */
static int
link_connect(struct link *l, const struct resolve_addr *to)
{
	int error, fd;

	fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (fd == -1)
		return (errno);
	if (to->sa.ss_family != AF_UNIX)
		link_tune(fd);
	if ((connect(fd, (const struct sockaddr *)(const void *)&to->sa,
	    to->len) == -1 && errno != EINPROGRESS) ||
	    loop_add(l->p.loop, &l->io, fd, LOOP_OUT, link_on_event) == -1) {
		error = errno;
		(void)close(fd);
		return (error);
	}
	return (0);
}

/* The next address of the name, until there is one left that may do. */
static void
link_try_next(struct link *l, const char *words)
{
	const struct resolve_addr *to;
	int error;

	l->state = LINK_CONNECTING;
	while (l->tried < l->to.n) {
		to = &l->to.addrs[(l->first + l->tried++) % l->to.n];
		error = link_connect(l, to);
		if (error == 0)
			return;
		words = strerror(error);
	}
	link_fail(l, REDIS_UNREACHABLE, words);
}

static void
link_on_resolved(struct resolve *v, const struct resolved *r)
{
	struct link *l = container_of(v, struct link, resolve);

	if (r->n == 0) {
		link_fail(l, REDIS_UNRESOLVED, r->why);
		return;
	}
	l->to = *r;
	l->tried = 0;
	link_try_next(l, "");
}

static void
link_to_path(struct link *l, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	MUST(strlen(path) < sizeof sun.sun_path);
	(void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	memset(&l->to, 0, sizeof l->to);
	memcpy(&l->to.addrs[0].sa, &sun, sizeof sun);
	l->to.addrs[0].len = sizeof sun;
	l->to.n = 1;
	l->tried = 0;
	link_try_next(l, "");
}

void
link_dial(struct link *l)
{
	const struct conf_redis_url *url = &l->p.conf->url;

	if (l->host[0] == '\0' && url->path != NULL) {
		link_to_path(l, url->path);
		return;
	}
	l->state = LINK_RESOLVING;
	resolve_start(&l->resolve, link_host(l), l->host[0] != '\0' ? l->port :
	    url->port);
}

void
link_dial_init(struct link *l)
{
	l->io.fd = -1;
	resolve_init(&l->resolve, l->p.loop, link_on_resolved);
}
