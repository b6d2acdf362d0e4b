/*
 * The stats file itself: what the processes count stands in memory of the
 * daemon, and the master writes it to the file, again and again.  So nothing
 * that happens to the file can hurt a process: a mapping of a file that is cut
 * short is a SIGBUS in whoever touches it.  See stats.h.
 */
#include "shm/stats_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS	1000u	/* how often the path is looked at */
#define SILENT_MS 5000u	/* without a beat: its daemon has died */

static int
stats_file_temporary(const struct stats *st, char *tmp, size_t size)
{
	int fd, error;

	if ((size_t)snprintf(tmp, size, "%s.%ld", st->path, (long)getpid()) >=
	    size) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	(void)unlink(tmp);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1)
		return (-1);
	/* in full, now: a disk that is full says so at start */
	error = posix_fallocate(fd, 0, (off_t)st->size);
	if (error != 0) {
		(void)close(fd);
		(void)unlink(tmp);
		errno = error;
		return (-1);
	}
	return (fd);
}

static int
stats_file_put(const struct stats *st, uint64_t off, uint64_t n)
{
	ssize_t r;

	while (n > 0) {
		r = pwrite(st->fd, st->base + off, n, (off_t)off);
		if (r == -1 && errno == EINTR)
			continue;
		if (r <= 0)
			return (-1);
		off += (uint64_t)r;
		n -= (uint64_t)r;
	}
	return (0);
}

/* Cells of a column that somebody can name. */
static uint64_t
stats_file_cells(const struct stats *st)
{
	const struct stats_desc *d;
	uint32_t i, end, most = 0;

	for (i = 0; i < st->ndesc; i++) {
		d = desc_at(st, i);
		end = d->cell + d->ncells;
		most = end > most ? end : most;
	}
	return (most);
}

/* All that can be read, at its full size. */
static int
stats_file_put_all(struct stats *st)
{
	const struct stats_header *h = st->hdr;
	struct stat sb;
	unsigned i;

	if (fstat(st->fd, &sb) == -1 || (sb.st_size != (off_t)st->size &&
	    ftruncate(st->fd, (off_t)st->size) == -1))
		return (-1);
	st->ndesc = atomic_load(&h->ndesc);
	for (i = 0; i < h->nslots; i++)
		if (stats_file_put(st, h->col_off + (uint64_t)i * h->col_stride,
		    stats_file_cells(st) * 8) == -1)
			return (-1);
	return (stats_file_put(st, 0, h->col_off));
}

void
stats_file_close(struct stats *st)
{
	if (st->fd != -1)
		(void)close(st->fd);
	st->fd = -1;
}

int
stats_file_make(struct stats *st)
{
	char tmp[PATH_MAX];
	struct stat sb;
	int fd, old = st->fd, error = 0;

	fd = stats_file_temporary(st, tmp, sizeof tmp);
	if (fd == -1)
		return (-1);
	st->fd = fd;
	if (stats_file_put_all(st) == -1 || fstat(fd, &sb) == -1 ||
	    rename(tmp, st->path) == -1)
		error = errno;
	if (error != 0) {
		stats_file_close(st);
		st->fd = old;
		(void)unlink(tmp);
		errno = error;
		return (-1);
	}
	st->dev = sb.st_dev;
	st->ino = sb.st_ino;
	if (old != -1)
		(void)close(old);
	return (0);
}

int
stats_give(struct stats *st, uid_t uid, gid_t gid)
{
	CHECK_MAGIC(st, STATS_HANDLE);
	/* the file that we have open, whatever has its name by now */
	return (st->fd == -1 ? 0 : fchown(st->fd, uid, gid));
}

/* What changes: the header, the rows, the columns in use. */
static int
stats_file_put_changes(struct stats *st)
{
	const struct stats_header *h = st->hdr;
	uint64_t bytes = stats_file_cells(st) * 8;
	bool used;
	unsigned i;

	for (i = 0; i < h->nslots; i++) {
		used = atomic_load(&slot_at(st, i)->state) != STATS_SLOT_FREE;
		/* once more after its end */
		if ((used || st->used[i]) && stats_file_put(st, h->col_off +
		    (uint64_t)i * h->col_stride, bytes) == -1)
			return (-1);
		st->used[i] = used;
	}
	if (stats_file_put(st, h->slot_off,
	    (uint64_t)h->nslots * h->slot_stride) == -1)
		return (-1);
	return (stats_file_put(st, 0, sizeof *h));
}

/* Is the file that we write still the one of that name? */
static bool
stats_file_is_there(const struct stats *st)
{
	struct stat sb;

	return (st->fd != -1 && stat(st->path, &sb) == 0 &&
	    sb.st_dev == st->dev && sb.st_ino == st->ino);
}

/* Does a daemon that began after us have the name now, while we let our clients
 * go?  One of the two must leave it to the other. */
static bool
stats_file_is_successors(const struct stats *st)
{
	const struct stats_header *us = st->hdr;
	struct stats_header h;
	ssize_t n;
	int fd;

	fd = open(st->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return (false);
	n = pread(fd, &h, sizeof h, 0);
	(void)close(fd);
	return (n == (ssize_t)sizeof h &&
	    memcmp(h.magic, us->magic, sizeof h.magic) == 0 &&
	    h.major == us->major && atomic_load(&h.state) == STATS_LIVE &&
	    atomic_load(&h.heartbeat_ms) + SILENT_MS > wall_now().ms &&
	    (h.started_ms != us->started_ms ? h.started_ms > us->started_ms :
	    memcmp(h.start_id, us->start_id, sizeof h.start_id) > 0));
}

/* Once a second: the path, and all of the file, which somebody may have cut or
 * written over. */
static int
stats_file_look(struct stats *st)
{
	if (stats_file_is_there(st))
		return (stats_file_put_all(st));
	if (stats_file_is_successors(st)) {
		errno = EEXIST;
		return (-1);
	}
	if (stats_file_make(st) == -1)
		return (-1);
	counter_add(COUNTER_stats_remade, 1);
	return (1);
}

int
stats_publish(struct stats *st, struct mono now)
{
	int r;

	CHECK_MAGIC(st, STATS_HANDLE);
	MUST(st->writer);
	if (st->before != NULL)
		stats_before_carry(st);
	if (st->path == NULL)
		return (0);
	if (now.us >= st->look.us) {
		st->look = mono_add_ms(now, LOOK_MS);
		r = stats_file_look(st);
	} else if (st->error != 0) {
		errno = st->error;	/* until the next look */
		return (-1);
	} else if (st->ndesc != atomic_load(&st->hdr->ndesc))
		r = stats_file_put_all(st);
	else
		r = stats_file_put_changes(st);
	st->error = r == -1 ? errno : 0;
	return (r);
}
