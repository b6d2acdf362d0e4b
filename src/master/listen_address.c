/*
 * The sockets of one address: opened, more or fewer of them, and who is led to
 * which; see listen.h.  Accepting is the workers' business.
 */
#include "master/listen_int.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "master/read/plan.h"
#include "sys/log.h"
#include "sys/plat.h"


bool
listen_on(int fd, int level, int option)
{
	int on = 1;

	return (setsockopt(fd, level, option, &on, sizeof on) == 0);
}

/* A socket bound to l->addr, not listening yet; -1 + errno. */
static int
listen_bind_tcp(const struct listen_address *l, bool share)
{
	int error, fd;

	fd = socket(l->addr.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return (-1);
	if (listen_on(fd, SOL_SOCKET, SO_REUSEADDR) &&
	    (!share || plat_reuseport(fd) == 0) &&
	    (l->addr.ss_family != AF_INET6 ||
	    listen_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
	    /* inherited by what is accepted: saves a call each */
	    listen_on(fd, IPPROTO_TCP, TCP_NODELAY) &&
	    bind(fd, (const struct sockaddr *)&l->addr, l->addrlen) == 0)
		return (fd);
	error = errno;
	(void)close(fd);
	errno = error;
	return (-1);
}

in_port_t
listen_port(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET6)
		return (((const struct sockaddr_in6 *)ss)->sin6_port);
	return (((const struct sockaddr_in *)ss)->sin_port);
}

/*
 * SO_REUSEPORT would let a second daemon of the same user join in silently:
 * a socket that does not share finds out whether the address is free.
 */
static int
listen_probe_tcp(const struct listen_address *l)
{
	int fd;

	if (listen_port(&l->addr) == 0)
		return (0);
	fd = listen_bind_tcp(l, false);
	if (fd == -1)
		return (-1);
	return (close(fd));
}

/* More of them, so that each worker has one; the first finds out whether the
 * address is free. */
static int
listen_open_tcp(struct listen_address *l, unsigned nworkers)
{
	int fd;

	MUST(nworkers <= LISTEN_WORKERS_MAX);
	if (l->nfds == 0 && !l->shared && listen_probe_tcp(l) == -1)
		return (-1);
	while (l->nfds < nworkers) {
		fd = listen_bind_tcp(l, true);
		if (fd == -1)
			return (-1);
		l->fds[l->nfds++] = fd;
		/* until then a dying worker can't take it along */
		plat_accept_with_data(fd);
		if (listen(fd, plat_backlog(PLAN_BACKLOG)) == -1)
			return (-1);
		if (l->nfds > 1)
			continue;
		/* port 0: the others take what the first was given */
		l->addrlen = sizeof l->addr;
		if (getsockname(fd, (struct sockaddr *)&l->addr,
		    &l->addrlen) == -1)
			return (-1);
	}
	return (0);
}

/* A socket file that nobody listens on is left from before: remove it. */
static int
listen_unlink_stale(const struct listen_address *l, const char *path)
{
	struct stat st;
	int error, fd;

	if (lstat(path, &st) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return (-1);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return (-1);
	error = 0;
	if (connect(fd, (const struct sockaddr *)&l->addr, l->addrlen) == -1)
		error = errno;
	(void)close(fd);
	if (error == 0 || error == EAGAIN) {
		errno = EADDRINUSE;
		return (-1);
	}
	if (error != ECONNREFUSED && error != ENOENT) {
		errno = error;
		return (-1);
	}
	return (unlink(path) == -1 && errno != ENOENT ? -1 : 0);
}

/* Which file is ours, once it is there; else it must go, now. */
static int
listen_remember_unix(struct listen_address *l, const char *path)
{
	struct stat st;
	int error;

	if (lstat(path, &st) == -1) {
		error = errno;
		(void)unlink(path);
		errno = error;
		return (-1);
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return (0);
}

/* A socket, and under this name alone: in a folder of another user something of
 * ours may have been put there meanwhile. */
static int
listen_dress_file(int fd, mode_t mode, const struct plat_user *owner)
{
	struct stat st;
	char self[32];

	if (fstat(fd, &st) == -1)
		return (-1);
	if (!S_ISSOCK(st.st_mode) || st.st_nlink > 1) {
		errno = EPERM;
		return (-1);
	}
	if (owner != NULL && fchownat(fd, "", owner->uid, owner->gid,
	    AT_EMPTY_PATH) == -1)
		return (-1);
	/* an access list of the folder stands above umask(2) */
	if ((st.st_mode & 0777) == mode)
		return (0);
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return (chmod(self, mode));
}

/* Whatever has its name by then: it is looked at, and dressed, as one file. */
static int
listen_dress_unix(const struct listen_address *l, const char *path,
    const struct plat_user *owner)
{
	int fd, r, error;

	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	r = listen_dress_file(fd, l->mode, owner);
	error = errno;
	(void)close(fd);
	errno = error;
	return (r);
}

static int
listen_open_unix(struct listen_address *l, const struct plat_user *owner)
{
	const char *path;
	mode_t mask;
	int fd, r;

	path = ((const struct sockaddr_un *)&l->addr)->sun_path;
	if (path[0] != '\0' && listen_unlink_stale(l, path) == -1)
		return (-1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return (-1);
	l->fds[l->nfds++] = fd;
	mask = umask(0777 & ~l->mode);
	r = bind(fd, (const struct sockaddr *)&l->addr, l->addrlen);
	(void)umask(mask);
	if (r == -1 || (path[0] != '\0' &&
	    (listen_remember_unix(l, path) == -1 ||
	    listen_dress_unix(l, path, owner) == -1)))
		return (-1);
	/* nobody connects before owner and mode are right */
	return (listen(fd, plat_backlog(PLAN_BACKLOG)));
}

static void
listen_unlink_ours(const struct listen_address *l)
{
	const char *path;
	struct stat st;

	path = ((const struct sockaddr_un *)&l->addr)->sun_path;
	if (l->ino != 0 && lstat(path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		(void)unlink(path);
}

bool
listen_is_one(const struct listen_address *l)
{
	return (l->addr.ss_family == AF_UNIX || l->given);
}

/* --- an address as a whole -------------------------------------------------*/

static void
listen_address_close(struct listen_address *l)
{
	unsigned i;
	int error = errno;

	if (l->addr.ss_family == AF_UNIX)
		listen_unlink_ours(l);
	for (i = 0; i < l->nfds; i++)
		(void)close(l->fds[i]);
	free(l->text);
	free(l);
	errno = error;
}

struct listen_address *
listen_address_open(const struct conf_listen *conf, const struct conf_addr *at,
    unsigned nworkers, bool shared, const struct plat_user *owner)
{
	struct listen_address *l = calloc(1, sizeof *l);
	int r;

	if (l == NULL)
		return (NULL);
	l->refs = 1;
	l->mode = conf->mode;
	l->shared = shared;
	l->asked = l->addr = at->sa;
	l->addrlen = at->len;
	l->text = strdup(conf->text);
	if (l->text == NULL)
		r = -1;
	else if (listen_given_find(l))
		r = 0;
	else
		r = l->addr.ss_family == AF_UNIX ? listen_open_unix(l, owner) :
		    listen_open_tcp(l, nworkers);
	if (r == 0)
		return (l);
	listen_address_close(l);
	return (NULL);
}

void
listen_address_unref(struct listen_address **lp)
{
	struct listen_address *l = *lp;

	*lp = NULL;
	if (--l->refs == 0)
		listen_address_close(l);
}

/* --- who is led where ------------------------------------------------------*/

static uint64_t
listen_first(unsigned n)
{
	return (n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX);
}

/* To the first n, of so many that there are or will be, and of these to none of
 * those without; -1 + errno: as before. */
static int
listen_lead(struct listen_address *l, unsigned n, unsigned of, uint64_t without)
{
	uint64_t those = without & listen_first(n);
	bool all;

	if (those == listen_first(n))
		those = 0;	/* they wait for the first that comes back */
	all = n >= of && those == 0;
	if (!all && plat_reuseport_some(l->fds[0], n, those) == -1)
		return (-1);
	if (all && l->led && plat_reuseport_all(l->fds[0]) == -1)
		return (-1);
	l->steered = n < of ? n : 0;
	l->without = without;
	l->led = !all;
	l->found = false;
	return (0);
}

int
listen_address_widen(struct listen_address *l, unsigned nworkers)
{
	if (listen_is_one(l) || l->nfds >= nworkers)
		return (0);
	/* where that fails, they wait in its queue for their worker */
	(void)listen_lead(l, l->steered != 0 ? l->steered : l->nfds, nworkers,
	    l->without);
	return (listen_open_tcp(l, nworkers));
}

void
listen_address_narrow(struct listen_address *l, unsigned nworkers)
{
	if (listen_is_one(l))
		return;
	/* only the last: others would get another place among them */
	while (l->nfds > nworkers)
		(void)close(l->fds[--l->nfds]);
	if (l->led && (l->steered == 0 || l->steered >= l->nfds))
		listen_address_steer(l, l->nfds);
}

void
listen_address_steer(struct listen_address *l, unsigned nworkers)
{
	unsigned n = nworkers < l->nfds ? nworkers : l->nfds;

	if (!listen_is_one(l))
		(void)listen_lead(l, n, l->nfds, l->without);
}

int
listen_address_without(struct listen_address *l, uint64_t workers)
{
	unsigned n = l->steered != 0 ? l->steered : l->nfds;

	if (listen_is_one(l) || (l->without == workers && !l->found))
		return (0);
	return (listen_lead(l, n, l->nfds, workers));
}

bool
listen_address_idle(const struct listen_address *l, unsigned nworkers)
{
	unsigned i;

	for (i = nworkers; !listen_is_one(l) && i < l->nfds; i++)
		if (plat_listen_waiting(l->fds[i]) > 0)
			return (false);
	return (true);
}

int
listen_address_mode(struct listen_address *l, unsigned mode)
{
	const char *path;
	unsigned before = l->mode;
	struct stat st;

	path = ((const struct sockaddr_un *)&l->addr)->sun_path;
	if (l->addr.ss_family != AF_UNIX || path[0] == '\0' || mode == l->mode)
		return (0);
	l->mode = mode;
	if (lstat(path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino && listen_dress_unix(l, path, NULL) == 0)
		return (0);
	l->mode = before;
	return (-1);
}
