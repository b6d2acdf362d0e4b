/*
 * Sockets that were listening when we were started: systemd's socket
 * activation, as sd_listen_fds(3) has it; see listen.h.  Which address one of
 * them is for is what it is bound to; its name is for messages.
 *
 * They are not ours: all workers share the one there is, whoever holds it too
 * removes its file, and no reload lets go of it, since clients would be queued
 * there for nobody.
 */
#include "master/listen_int.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/slice.h"
#include "conf/conf.h"
#include "sys/log.h"
#include "sys/plat.h"

#define LISTEN_GIVEN_FIRST	3	/* SD_LISTEN_FDS_START */

static struct listen_given {
	int		 fd;		/* -1: an address has it */
	struct sockaddr_storage addr;
	socklen_t	 addrlen;
	char		 name[64];
} given[ROLE_SOCKETS_MAX];
static size_t given_n;

/* --- taken ----------------------------------------------------------------*/

static int
given_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int v = -1;

	return (getsockopt(fd, level, option, &v, &len) == -1 ? -1 : v);
}

static bool
given_take_one(int fd, const char *name, size_t n)
{
	struct listen_given *g = &given[given_n];
	int flags = fcntl(fd, F_GETFL);

	*g = (struct listen_given){ .fd = fd, .addrlen = sizeof g->addr };
	(void)log_quoted(g->name, sizeof g->name, slice_of(name, n));
	if (flags == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    given_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
	    given_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
	    getsockname(fd, (struct sockaddr *)&g->addr, &g->addrlen) == -1)
		return (false);
	given_n++;
	return (true);
}

static int
given_count(void)
{
	const char *bad, *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	long long v;

	if (pid == NULL || n == NULL ||
	    strtonum(pid, 1, INT_MAX, &bad) != getpid() || bad != NULL)
		return (0);
	v = strtonum(n, 0, INT_MAX, &bad);
	return (bad == NULL ? (int)v : -1);
}

int
listen_given_take(bool ours)
{
	const char *names = getenv("LISTEN_FDNAMES");
	int i, n = ours ? given_count() : 0;
	size_t len;

	for (i = 0; i < n && given_n < nitems(given); i++) {
		len = names == NULL ? 0 : strcspn(names, ":");
		if (!given_take_one(LISTEN_GIVEN_FIRST + i, names, len)) {
			log_errx("socket_bad fd=%d name=\"%s\" why=\"a stream "
			    "socket that listens is expected (Accept=no)\"",
			    LISTEN_GIVEN_FIRST + i, given[given_n].name);
			break;
		}
		if (names != NULL)
			names += names[len] == ':' ? len + 1 : len;
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return (i == n ? 0 : -1);
}

/* --- found ----------------------------------------------------------------*/

static bool
given_same(const struct listen_given *g, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *a6 = (const void *)&g->addr;
	const struct sockaddr_in6 *b6 = (const void *)ss;
	const struct sockaddr_in *a4 = (const void *)&g->addr;
	const struct sockaddr_in *b4 = (const void *)ss;
	const struct sockaddr_un *aun = (const void *)&g->addr;
	const struct sockaddr_un *bun = (const void *)ss;

	if (g->fd == -1 || g->addr.ss_family != ss->ss_family)
		return (false);
	if (ss->ss_family == AF_UNIX)
		return (memcmp(aun->sun_path, bun->sun_path,
		    sizeof aun->sun_path) == 0);
	if (listen_port(&g->addr) != listen_port(ss))
		return (false);
	if (ss->ss_family == AF_INET6)
		return (memcmp(&a6->sin6_addr, &b6->sin6_addr,
		    sizeof a6->sin6_addr) == 0);
	return (a4->sin_addr.s_addr == b4->sin_addr.s_addr);
}

bool
listen_given_find(struct listen_address *l)
{
	struct listen_given *g;

	for (g = given; g < given + given_n; g++) {
		if (!given_same(g, &l->addr))
			continue;
		l->fds[0] = g->fd;
		l->nfds = 1;
		l->given = true;
		l->addr = g->addr;
		l->addrlen = g->addrlen;
		if (l->addr.ss_family != AF_UNIX) {
			plat_accept_with_data(g->fd);
			(void)listen_on(g->fd, IPPROTO_TCP, TCP_NODELAY);
		}
		log_info("socket_given addr=\"%s\" name=\"%s\"", l->text,
		    g->name);
		g->fd = -1;
		return (true);
	}
	return (false);
}

/* Of IPv4 and IPv6 at once. */
static bool
given_dual(int fd, const struct sockaddr_storage *ss, in_port_t port)
{
	const struct sockaddr_in6 *a6 = (const void *)ss;

	return (ss->ss_family == AF_INET6 && listen_port(ss) == port &&
	    IN6_IS_ADDR_UNSPECIFIED(&a6->sin6_addr) &&
	    given_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0);
}

bool
listen_given_covers(const struct listen_set *before,
    const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *a4 = (const void *)ss;
	const struct listen_address *a;
	size_t i;

	if (ss->ss_family != AF_INET || a4->sin_addr.s_addr != INADDR_ANY)
		return (false);
	for (i = 0; i < given_n; i++)
		if (given[i].fd != -1 && given_dual(given[i].fd,
		    &given[i].addr, a4->sin_port))
			return (true);
	for (i = 0; before != NULL && i < before->n; i++) {
		a = before->one[i].address;
		if (a->given && given_dual(a->fds[0], &a->addr, a4->sin_port))
			return (true);
	}
	return (false);
}

/* --- left -----------------------------------------------------------------*/

static void
given_say(const struct sockaddr_storage *ss, const char *name, char *why,
    size_t cap)
{
	const struct sockaddr_un *sun = (const void *)ss;

	if (ss->ss_family == AF_UNIX)
		(void)snprintf(why, cap, "socket '%s' at unix:%s is for no "
		    "listen section", name, sun->sun_path);
	else
		(void)snprintf(why, cap, "socket '%s' at port %d is for no "
		    "listen section", name, ntohs(listen_port(ss)));
}

bool
listen_given_left(char *why, size_t cap)
{
	size_t i;

	for (i = 0; i < given_n; i++)
		if (given[i].fd != -1) {
			given_say(&given[i].addr, given[i].name, why, cap);
			return (true);
		}
	return (false);
}

bool
listen_given_lost(const struct listen_set *before,
    const struct listen_set *after, char *why, size_t cap)
{
	const struct listen_address *a;
	size_t i, k;

	for (i = 0; before != NULL && i < before->n; i++) {
		a = before->one[i].address;
		for (k = 0; k < after->n && after->one[k].address != a; k++)
			;
		if (!a->given || k < after->n)
			continue;
		(void)snprintf(why, cap, "listen '%s': its socket is the "
		    "service manager's, and leaves with a new start only",
		    a->text);
		return (true);
	}
	return (false);
}
