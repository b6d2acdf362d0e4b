/*
 * The listening sockets, made and held by the master: those of an address live
 * as long as the configuration has it, so that connections queued at a worker
 * that dies are served by its replacement; a TCP connection is queued until its
 * first bytes come.  Where that takes long, who connects then is led to others.
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
struct record;

/*
 * Once, before the first fork: sockets that the service manager has made
 * (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, which go) are kept for the sections
 * that have their addresses.  ours false: they came with another program.
 * -1: one of them is of no use, logged.
 */
int	listen_given_take(bool ours) MUST_USE;
/*
 * Bind and listen on every address for nworkers workers, or do with what the
 * service manager gave, all of which is to be used.  owner: who unix
 * sockets shall belong to, NULL: leave them.  EX_OK, or another sysexits(3)
 * code with a message in why, nothing being left open then.
 */
int	listen_open(const struct conf *, unsigned nworkers,
	    const struct plat_user *owner, struct listen_set **, char *why,
	    size_t cap) MUST_USE;
/*
 * The same, for what is to take the place of another set: the sockets of
 * addresses that it has are shared, and where there are more workers now, nobody
 * comes to the sockets of the new ones before listen_steer().  Not to be
 * after all: listen_close(), and listen_narrow() of the set before.
 */
int	listen_follow(const struct conf *, unsigned nworkers,
	    const struct plat_user *owner, struct listen_set *before,
	    struct listen_set **, char *why, size_t cap) MUST_USE;
/* Close what no other set has; unix sockets that are still ours are
 * unlinked. */
void	listen_close(struct listen_set **);
/* From now on all of its workers are connected to, and no others: */
void	listen_steer(struct listen_set *);
/*   but for those workers (the first is bit 0), who are not there, unless none
 *   is: what is in the queues of their sockets stays for their replacements.
 *   False: of some address not yet, ask again. */
bool	listen_without(struct listen_set *, uint64_t workers) MUST_USE;
/*   nobody waits at a socket of theirs any more; */
bool	listen_idle(const struct listen_set *) MUST_USE;
/*   their sockets are closed. */
void	listen_narrow(struct listen_set *);
/* unix: permission bits as they are in this configuration. */
void	listen_dress(const struct listen_set *, const struct conf *);
/* Log each address that is new, as it really is (port 0 was chosen by the
 * kernel); or those that no other set has. */
void	listen_log(const struct listen_set *);
void	listen_log_gone(const struct listen_set *);
/* They go on in another program: what it is told; */
void	listen_keep(const struct listen_set *, struct record *);
/*   and there: takes the descriptors, also when there is no memory: NULL. */
struct listen_set *listen_adopt(const struct record *) MUST_USE;
/* The sockets of one worker (0...); returns how many. */
size_t	listen_column(const struct listen_set *, unsigned worker,
	    struct heritage_listener out[ROLE_SOCKETS_MAX]);

#endif
