/*
 * Opens what the configuration's listen sections say; see listen.h.  Called
 * by the master before its first fork.  Accepting is the workers' business.
 */
#include "master/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "sys/log.h"
#include "sys/plat.h"

#define LISTEN_BACKLOG	4096

struct listen_one {
	const struct conf_listen *conf;
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
	struct listen_one one[ROLE_LISTENERS_MAX];
};

static int
listen_why(const struct listen_one *l, const char *what, char *why, size_t cap)
{
	int error = errno;

	(void)snprintf(why, cap, "listen \"%s\": %s%s%s", l->conf->text, what,
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

/* Ownership and mode of the socket file; remembers which file is ours. */
static int
listen_dress_unix(struct listen_one *l, const char *path,
    const struct plat_user *owner)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return (-1);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	if (owner != NULL && lchown(path, owner->uid, owner->gid) == -1)
		return (-1);
	return (chmod(path, (mode_t)l->conf->mode));
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
	mask = umask(0777); /* nobody connects before the mode is right */
	r = bind(fd, (const struct sockaddr *)&l->addr, l->addrlen);
	(void)umask(mask);
	if (r == -1 || listen(fd, plat_backlog(LISTEN_BACKLOG)) == -1)
		return (-1);
	return (path[0] == '\0' ? 0 : listen_dress_unix(l, path, owner));
}

int
listen_open(const struct conf *conf, unsigned nworkers,
    const struct plat_user *owner, struct listen_set **set_r, char *why,
    size_t cap)
{
	struct listen_set *set;
	struct listen_one *l;
	int code, r;
	size_t i;

	MUST(conf->nlistens <= ROLE_LISTENERS_MAX);
	set = calloc(1, sizeof *set);
	if (set == NULL) {
		(void)snprintf(why, cap, "%s", strerror(errno));
		return (EX_OSERR);
	}
	set->magic = LISTEN_MAGIC;
	for (i = 0; i < conf->nlistens; i++) {
		l = &set->one[set->n++];
		l->conf = &conf->listens[i];
		l->addr = l->conf->addr;
		l->addrlen = l->conf->addrlen;
		r = -1;
		l->fds = calloc(nworkers, sizeof *l->fds);
		if (l->fds != NULL)
			r = l->addr.ss_family == AF_UNIX ?
			    listen_open_unix(l, owner) :
			    listen_open_tcp(l, nworkers);
		if (r == -1) {
			code = listen_why(l, "", why, cap);
			listen_close(&set);
			return (code);
		}
	}
	*set_r = set;
	return (EX_OK);
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

void
listen_close(struct listen_set **setp)
{
	struct listen_set *set;
	size_t i;
	unsigned w;

	set = *setp;
	if (set == NULL)
		return;
	*setp = NULL;
	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++) {
		if (set->one[i].addr.ss_family == AF_UNIX)
			listen_unlink_ours(&set->one[i]);
		for (w = 0; w < set->one[i].nfds; w++)
			(void)close(set->one[i].fds[w]);
		free(set->one[i].fds);
	}
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
			    l->conf->text, i + 1, l->conf->tls ? "yes" : "no");
			continue;
		}
		if (getnameinfo((const struct sockaddr *)&l->addr, l->addrlen,
		    host, sizeof host, port, sizeof port,
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			continue;
		log_info(l->addr.ss_family == AF_INET6 ?
		    "listening addr=[%s]:%s listener=%zu tls=%s" :
		    "listening addr=%s:%s listener=%zu tls=%s", host, port,
		    i + 1, l->conf->tls ? "yes" : "no");
	}
}

size_t
listen_column(const struct listen_set *set, unsigned worker,
    struct heritage_listener out[ROLE_LISTENERS_MAX])
{
	const struct listen_one *l;
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++) {
		l = &set->one[i];
		MUST(l->nfds == 1 || worker < l->nfds);
		out[i].fd = l->fds[l->nfds == 1 ? 0 : worker];
		out[i].index = (unsigned)i;
	}
	return (set->n);
}
