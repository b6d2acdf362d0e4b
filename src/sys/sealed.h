/*
 * Bytes for another process as a file in memory that nobody can change any
 * more: larger than a message, and sent with one, as its descriptor.
 */
#ifndef SYS_SEALED_H
#define SYS_SEALED_H

#include "base/buf.h"

/* name: for /proc.  CLOEXEC; -1 + errno. */
int	sealed_new(const char *name, struct slice) MUST_USE;
/* The same in parts: a file, what is in it, and then nobody changes it; end
 * closes it when it fails. */
int	sealed_begin(const char *name) MUST_USE;
int	sealed_add(int fd, struct slice) MUST_USE;
int	sealed_end(int fd) MUST_USE;
/* All of it, appended; at most max bytes.  -1 + errno: EINVAL when it can be
 * changed yet, EFBIG when it is larger. */
int	sealed_read(int fd, size_t max, struct buf *) MUST_USE;
/* All of it where it is, to be read only, until it is unmapped. */
int	sealed_map(int fd, size_t max, struct slice *) MUST_USE;
void	sealed_unmap(struct slice);

#endif
