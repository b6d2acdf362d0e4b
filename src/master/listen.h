/*
 * The listening sockets, made once and held by the master for the daemon's
 * whole life, so that connections queued at a worker that dies are served by
 * its replacement; a TCP connection is queued until its first bytes come.
 * TCP: one SO_REUSEPORT socket per worker and address.  A section with an
 * address of each kind does with one of them where the host lacks the other;
 * with port 0 both get the same.  unix: one socket that all workers share.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include "base/bug.h"
#include "role.h"

struct conf;
struct plat_user;

struct listen_set;

/*
 * Bind and listen on every address for nworkers workers.  owner: who unix
 * sockets shall belong to, NULL: leave them.  EX_OK, or another sysexits(3)
 * code with a message in why, nothing being left open then.
 */
int	listen_open(const struct conf *, unsigned nworkers,
	    const struct plat_user *owner, struct listen_set **, char *why,
	    size_t cap) MUST_USE;
/* Close all; unix sockets that are still ours are unlinked. */
void	listen_close(struct listen_set **);
/* Log each address as it really is (port 0 was chosen by the kernel). */
void	listen_log(const struct listen_set *);
/* The sockets of one worker (0...); returns how many. */
size_t	listen_column(const struct listen_set *, unsigned worker,
	    struct heritage_listener out[ROLE_SOCKETS_MAX]);

#endif
