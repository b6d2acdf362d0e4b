/*
 * Who is there first has the lock; see pidfile.h.
 */
#include "master/pidfile.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIDFILE_TRIES	8	/* it may be removed under our hands */

struct pidfile {
	unsigned	 magic;
#define PIDFILE_MAGIC	0x91df11e0
	int		 fd;		/* locked, close-on-exec: the lock dies
					 * with us, not with the last child */
	struct stat	 file;		/* which one it is */
	char		 path[];
};

/* Is the file the one of that name? */
static bool
pidfile_is_there(const char *path, const struct stat *file)
{
	struct stat st;

	return (lstat(path, &st) == 0 && st.st_dev == file->st_dev &&
	    st.st_ino == file->st_ino);
}

/* A file with another name would be written under that one as well. */
static bool
pidfile_is_plain(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_nlink <= 1);
}

/* EEXIST: it came meanwhile. */
static int
pidfile_open_once(const char *path)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd;

	fd = open(path, flags);
	if (fd == -1 && errno == ENOENT)
		return (open(path, flags | O_CREAT | O_EXCL, 0644));
	if (fd == -1) {
		if (errno == ELOOP)
			errno = EPERM;
		return (-1);
	}
	if (pidfile_is_plain(fd))
		return (fd);
	(void)close(fd);
	errno = EPERM;
	return (-1);
}

/* The process id in it; 0: none that can be read. */
static pid_t
pidfile_read(int fd)
{
	const char *bad;
	char text[32];
	ssize_t n;
	pid_t pid;

	n = pread(fd, text, sizeof text - 1, 0);
	if (n <= 0)
		return (0);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	pid = (pid_t)strtonum(text, 1, INT_MAX, &bad);
	return (bad == NULL ? pid : 0);
}

static int
pidfile_lock(const char *path, struct stat *file, pid_t *other)
{
	unsigned tries;
	int fd, error;

	for (tries = 0; tries < PIDFILE_TRIES; tries++) {
		fd = pidfile_open_once(path);
		if (fd == -1 && errno == EEXIST)
			continue;
		if (fd == -1)
			return (-1);
		if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
			error = errno == EWOULDBLOCK ? EEXIST : errno;
			*other = error == EEXIST ? pidfile_read(fd) : 0;
			(void)close(fd);
			errno = error;
			return (-1);
		}
		if (fstat(fd, file) == 0 && pidfile_is_there(path, file))
			return (fd);
		(void)close(fd);	/* its last owner has just removed it */
	}
	errno = EAGAIN;
	return (-1);
}

static int
pidfile_write_own(int fd)
{
	char text[32];
	int n;

	n = snprintf(text, sizeof text, "%ld", (long)getpid());
	if (ftruncate(fd, 0) == -1)
		return (-1);
	if (pwrite(fd, text, (size_t)n, 0) == n)
		return (0);
	if (errno == 0)
		errno = ENOSPC;
	return (-1);
}

struct pidfile *
pidfile_claim(const char *path, pid_t *other)
{
	size_t n = strlen(path) + 1;
	struct pidfile *f;
	int error;

	*other = 0;
	f = malloc(sizeof *f + n);
	if (f == NULL)
		return (NULL);
	f->magic = PIDFILE_MAGIC;
	memcpy(f->path, path, n);
	f->fd = pidfile_lock(path, &f->file, other);
	errno = f->fd == -1 ? errno : 0;
	if (f->fd != -1 && pidfile_write_own(f->fd) == 0)
		return (f);
	error = errno;
	if (f->fd != -1)
		pidfile_drop(&f);
	else
		free(f);
	errno = error;
	return (NULL);
}

int
pidfile_fd(const struct pidfile *f)
{
	CHECK_MAGIC(f, PIDFILE_MAGIC);
	return (f->fd);
}

struct pidfile *
pidfile_adopt(const char *path, int fd)
{
	size_t n = strlen(path) + 1;
	struct pidfile *f;
	int error;

	f = malloc(sizeof *f + n);
	/* locked already, unless that is another file */
	if (f != NULL && fstat(fd, &f->file) == 0 &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0) {
		f->magic = PIDFILE_MAGIC;
		memcpy(f->path, path, n);
		f->fd = fd;
		return (f);
	}
	error = errno;
	(void)close(fd);
	free(f);
	errno = error;
	return (NULL);
}

void
pidfile_drop(struct pidfile **fp)
{
	struct pidfile *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	CHECK_MAGIC(f, PIDFILE_MAGIC);
	if (pidfile_is_there(f->path, &f->file))
		(void)unlink(f->path);
	(void)close(f->fd);
	f->magic = 0;
	free(f);
}
