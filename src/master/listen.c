/*
 * Opens what the configuration's listen sections say; see listen.h.  Called
 * by the master before its first fork.  Accepting is the workers' business.
 */
#include "master/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "sys/log.h"
#include "sys/plat.h"

#define LISTEN_BACKLOG	4096
#define LISTEN_TRIES	16	/* for a port that is free in both kinds */

/* One address. */
struct listen_one {
	const struct conf_listen *conf;
	size_t		 index;		/* of conf, in conf.listens */
	int		*fds;		/* one per worker, or one for all */
	unsigned	 nfds;
	struct sockaddr_storage addr;	/* as bound */
	socklen_t	 addrlen;
	dev_t		 dev;		/* unix: the file we made */
	ino_t		 ino;
};

struct listen_set {
	unsigned	 magic;
#define LISTEN_MAGIC	0x115e4115
	size_t		 n;
	struct listen_one one[ROLE_SOCKETS_MAX];
};

static int
listen_why(const struct conf_listen *conf, const char *what, char *why,
    size_t cap)
{
	int error = errno;

	(void)snprintf(why, cap, "listen \"%s\": %s%s%s", conf->text, what,
	    *what == '\0' ? "" : ": ", strerror(error));
	if (error == EADDRINUSE)
		return (EX_UNAVAILABLE);
	return (error == EACCES || error == EPERM ? EX_NOPERM : EX_OSERR);
}

static bool
listen_on(int fd, int level, int option)
{
	int on = 1;

	return (setsockopt(fd, level, option, &on, sizeof on) == 0);
}

/* A socket bound to l->addr, not listening yet; -1 + errno. */
static int
listen_bind_tcp(const struct listen_one *l, bool share)
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

static in_port_t
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
listen_probe_tcp(const struct listen_one *l)
{
	int fd;

	if (listen_port(&l->addr) == 0)
		return (0);
	fd = listen_bind_tcp(l, false);
	if (fd == -1)
		return (-1);
	return (close(fd));
}

static int
listen_open_tcp(struct listen_one *l, unsigned nworkers)
{
	int fd;

	if (listen_probe_tcp(l) == -1)
		return (-1);
	while (l->nfds < nworkers) {
		fd = listen_bind_tcp(l, true);
		if (fd == -1)
			return (-1);
		l->fds[l->nfds++] = fd;
		/* until then a dying worker can't take it along */
		plat_accept_with_data(fd);
		if (listen(fd, plat_backlog(LISTEN_BACKLOG)) == -1)
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
listen_unlink_stale(const struct listen_one *l, const char *path)
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
listen_remember_unix(struct listen_one *l, const char *path)
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
listen_dress_unix(const struct listen_one *l, const char *path,
    const struct plat_user *owner)
{
	int fd, r, error;

	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	r = listen_dress_file(fd, (mode_t)l->conf->mode, owner);
	error = errno;
	(void)close(fd);
	errno = error;
	return (r);
}

static int
listen_open_unix(struct listen_one *l, const struct plat_user *owner)
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
	mask = umask(0777 & ~(mode_t)l->conf->mode);
	r = bind(fd, (const struct sockaddr *)&l->addr, l->addrlen);
	(void)umask(mask);
	if (r == -1 || (path[0] != '\0' &&
	    (listen_remember_unix(l, path) == -1 ||
	    listen_dress_unix(l, path, owner) == -1)))
		return (-1);
	/* nobody connects before owner and mode are right */
	return (listen(fd, plat_backlog(LISTEN_BACKLOG)));
}

static void
listen_unlink_ours(const struct listen_one *l)
{
	const char *path;
	struct stat st;

	path = ((const struct sockaddr_un *)&l->addr)->sun_path;
	if (l->ino != 0 && lstat(path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		(void)unlink(path);
}

static void
listen_close_one(struct listen_one *l)
{
	unsigned i;

	if (l->addr.ss_family == AF_UNIX)
		listen_unlink_ours(l);
	for (i = 0; i < l->nfds; i++)
		(void)close(l->fds[i]);
	free(l->fds);
	l->fds = NULL;
	l->nfds = 0;
}

static int
listen_open_one(struct listen_one *l, unsigned nworkers,
    const struct plat_user *owner)
{
	l->fds = calloc(nworkers, sizeof *l->fds);
	if (l->fds == NULL)
		return (-1);
	return (l->addr.ss_family == AF_UNIX ? listen_open_unix(l, owner) :
	    listen_open_tcp(l, nworkers));
}

/* A kernel or an interface without IPv6, or without IPv4. */
static bool
listen_lacking(int error)
{
	return (error == EAFNOSUPPORT || error == EADDRNOTAVAIL ||
	    error == EPROTONOSUPPORT);
}

/* The port that the section's first address was given. */
static void
listen_take_port(struct listen_one *l, const struct listen_one *first)
{
	in_port_t port = listen_port(&first->addr);

	if (l->addr.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&l->addr)->sin6_port = port;
	else
		((struct sockaddr_in *)&l->addr)->sin_port = port;
}

/* The addresses of a section, to the rows behind the set's last: how many.
 * -1 + errno: none stays open. */
static int
listen_open_addrs(struct listen_set *set, size_t index,
    const struct conf_listen *conf, unsigned nworkers,
    const struct plat_user *owner)
{
	struct listen_one *l;
	unsigned i;
	int error = 0, n = 0;

	for (i = 0; i < conf->naddrs; i++) {
		l = &set->one[set->n + (size_t)n];
		*l = (struct listen_one){ .conf = conf, .index = index,
			.addr = conf->addrs[i].sa,
			.addrlen = conf->addrs[i].len };
		if (n > 0)
			listen_take_port(l, l - n);
		if (listen_open_one(l, nworkers, owner) == 0) {
			n++;
			continue;
		}
		error = errno;
		listen_close_one(l);
		if (conf->naddrs > 1 && listen_lacking(error)) {
			log_info("listen_without addr=%s family=%s why=\"%s\"",
			    conf->text, l->addr.ss_family == AF_INET6 ?
			    "ipv6" : "ipv4", strerror(error));
			continue;
		}
		while (n > 0)
			listen_close_one(&set->one[set->n + (size_t)--n]);
		break;
	}
	errno = error;
	return (n == 0 ? -1 : n);
}

/* With port 0, what is free for one kind may be taken for the other. */
static int
listen_open_section(struct listen_set *set, size_t index,
    const struct conf_listen *conf, unsigned nworkers,
    const struct plat_user *owner)
{
	bool any = conf->naddrs > 1 && listen_port(&conf->addrs[0].sa) == 0;
	int n, tries = 0;

	do
		n = listen_open_addrs(set, index, conf, nworkers, owner);
	while (n == -1 && any && errno == EADDRINUSE &&
	    ++tries < LISTEN_TRIES);
	if (n > 0)
		set->n += (size_t)n;
	return (n == -1 ? -1 : 0);
}

int
listen_open(const struct conf *conf, unsigned nworkers,
    const struct plat_user *owner, struct listen_set **set_r, char *why,
    size_t cap)
{
	struct listen_set *set;
	int code;
	size_t i;

	MUST(conf->nlistens <= ROLE_LISTENERS_MAX);
	set = calloc(1, sizeof *set);
	if (set == NULL) {
		(void)snprintf(why, cap, "%s", strerror(errno));
		return (EX_OSERR);
	}
	set->magic = LISTEN_MAGIC;
	for (i = 0; i < conf->nlistens; i++) {
		if (listen_open_section(set, i, &conf->listens[i], nworkers,
		    owner) == -1) {
			code = listen_why(&conf->listens[i], "", why, cap);
			listen_close(&set);
			return (code);
		}
	}
	*set_r = set;
	return (EX_OK);
}

void
listen_close(struct listen_set **setp)
{
	struct listen_set *set;
	size_t i;

	set = *setp;
	if (set == NULL)
		return;
	*setp = NULL;
	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++)
		listen_close_one(&set->one[i]);
	set->magic = 0;
	free(set);
}

void
listen_log(const struct listen_set *set)
{
	const struct listen_one *l;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++) {
		l = &set->one[i];
		if (l->addr.ss_family == AF_UNIX) {
			log_info("listening addr=%s listener=%zu tls=%s",
			    l->conf->text, l->index + 1,
			    l->conf->tls ? "yes" : "no");
			continue;
		}
		if (getnameinfo((const struct sockaddr *)&l->addr, l->addrlen,
		    host, sizeof host, port, sizeof port,
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			continue;
		log_info(l->addr.ss_family == AF_INET6 ?
		    "listening addr=[%s]:%s listener=%zu tls=%s" :
		    "listening addr=%s:%s listener=%zu tls=%s", host, port,
		    l->index + 1, l->conf->tls ? "yes" : "no");
	}
}

size_t
listen_column(const struct listen_set *set, unsigned worker,
    struct heritage_listener out[ROLE_SOCKETS_MAX])
{
	const struct listen_one *l;
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++) {
		l = &set->one[i];
		MUST(l->nfds == 1 || worker < l->nfds);
		out[i].fd = l->fds[l->nfds == 1 ? 0 : worker];
		out[i].index = (unsigned)l->index;
	}
	return (set->n);
}
