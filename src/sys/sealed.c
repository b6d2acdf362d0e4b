/*
 * Files in memory, sealed; see sealed.h.
 */
#include "sys/sealed.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SEALED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

int
sealed_begin(const char *name)
{
	return (memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

int
sealed_add(int fd, struct slice s)
{
	ssize_t n;

	while (s.n > 0) {
		n = write(fd, s.p, s.n);
		if (n == -1 && errno != EINTR)
			return (-1);
		if (n > 0)
			s = slice_from(s, (size_t)n);
	}
	return (0);
}

static int
sealed_close(int fd)
{
	int error = errno;

	(void)close(fd);
	errno = error;
	return (-1);
}

int
sealed_end(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, SEALED_SEALS) == 0)
		return (0);
	return (sealed_close(fd));
}

int
sealed_new(const char *name, struct slice s)
{
	int fd = sealed_begin(name);

	if (fd == -1)
		return (-1);
	if (sealed_add(fd, s) == -1)
		return (sealed_close(fd));
	return (sealed_end(fd) == 0 ? fd : -1);
}

/* Its size, if it will stay that. */
static int
sealed_size(int fd, size_t max, size_t *size)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals == -1 || fstat(fd, &st) == -1)
		return (-1);
	if ((seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) !=
	    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) {
		errno = EINVAL;
		return (-1);
	}
	if ((uint64_t)st.st_size > max) {
		errno = EFBIG;
		return (-1);
	}
	*size = (size_t)st.st_size;
	return (0);
}

int
sealed_read(int fd, size_t max, struct buf *b)
{
	size_t at = 0, size;
	ssize_t n;

	if (sealed_size(fd, max, &size) == -1)
		return (-1);
	if (!buf_reserve(b, size)) {
		errno = ENOMEM;
		return (-1);
	}
	while (at < size) {
		n = pread(fd, b->data + b->wpos, size - at, (off_t)at);
		if (n == 0)
			errno = EINVAL;
		if (n == 0 || (n == -1 && errno != EINTR))
			return (-1);
		if (n > 0) {
			at += (size_t)n;
			b->wpos += (size_t)n;
		}
	}
	return (0);
}

int
sealed_map(int fd, size_t max, struct slice *s)
{
	size_t size;
	void *p;

	*s = slice_of(NULL, 0);
	if (sealed_size(fd, max, &size) == -1)
		return (-1);
	if (size == 0)
		return (0);
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return (-1);
	*s = slice_of(p, size);
	return (0);
}

void
sealed_unmap(struct slice s)
{
	if (s.n != 0)
		(void)munmap((void *)(uintptr_t)s.p, s.n);
}
