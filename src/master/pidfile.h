/*
 * The pidfile: locked while the daemon lives, so that there is one of it.
 * Its folder may belong to the user that children become: what stands there
 * under its name is written to only if it is an ordinary file that has no
 * other name.
 */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include <sys/types.h>

#include "base/bug.h"

struct pidfile;

/*
 * Lock it and write our process id.  NULL + errno: EEXIST, another daemon
 * holds it (*other: its id, 0: unknown); EPERM, it is a link, or no
 * ordinary file of one name.
 */
struct pidfile *pidfile_claim(const char *path, pid_t *other) MUST_USE;
/*
 * It goes on in a successor of the master, with its lock, which belongs to the
 * open file: pidfile_fd() becomes that one's, and pidfile_adopt() takes it,
 * also when it fails: NULL + errno.
 */
int	pidfile_fd(const struct pidfile *);
struct pidfile *pidfile_adopt(const char *path, int fd) MUST_USE;
/* Remove it, if it is still the one of that name. */
void	pidfile_drop(struct pidfile **);

#endif
