/*
 * What the files of listen.h share: listen.c, sets of addresses,
 * listen_address.c, the sockets of one, listen_given.c, those that were there before
 * us, and listen_keep.c, for another program.
 */
#ifndef MASTER_LISTEN_INT_H
#define MASTER_LISTEN_INT_H

#include <assert.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "master/listen.h"

#define LISTEN_WORKERS_MAX	(SLOTSET_MAX / 2)

static_assert(LISTEN_WORKERS_MAX <= 64, "a bit for each");

struct conf_addr;
struct conf_listen;

/* One address, of which sets may share the sockets. */
struct listen_address {
	unsigned	 refs;		/* sets that have it */
	char		*text;		/* of the section that opened it */
	unsigned	 mode;		/* unix: permission bits */
	bool		 given;		/* one socket, which the service
					 * manager holds as well */
	bool		 shared;	/* another of ours has the port: whether
					 * it is free can't be found out */
	struct sockaddr_storage asked;	/* as configured; */
	struct sockaddr_storage addr;	/*   as bound */
	socklen_t	 addrlen;
	int		 fds[LISTEN_WORKERS_MAX]; /* one per worker, or one
					 * for all (listen_is_one) */
	unsigned	 nfds;
	unsigned	 steered;	/* connections go to so many of them
					 * alone; 0: to all */
	uint64_t	 without;	/* and of these to no worker's whose bit
					 * is set, unless it is all of them */
	bool		 led;		/* by a program that the kernel has */
	bool		 found;		/*   since before us: by which? */
	dev_t		 dev;		/* unix: the file we made */
	ino_t		 ino;
};

struct listen_one {
	struct listen_address *address;
	size_t		 index;		/* in conf.listens */
	bool		 tls;
	bool		 added;		/* the set before had it not */
};

struct listen_set {
	unsigned	 magic;
#define LISTEN_MAGIC	0x115e4115
	unsigned	 nworkers;	/* that have sockets */
	size_t		 n;
	struct listen_one one[ROLE_SOCKETS_MAX];
};

/* Sockets for so many workers; NULL + errno.  shared: see above. */
struct listen_address *listen_address_open(const struct conf_listen *,
	    const struct conf_addr *, unsigned nworkers, bool shared,
	    const struct plat_user *owner) MUST_USE;
void	listen_address_unref(struct listen_address **);
/* More sockets, to which nobody comes before the steering ends; -1 + errno:
 * some may be there. */
int	listen_address_widen(struct listen_address *, unsigned nworkers)
	    MUST_USE;
/* No others than those of so many workers. */
void	listen_address_narrow(struct listen_address *, unsigned nworkers);
/* Who connects comes to the first so many; to any where there are no more. */
void	listen_address_steer(struct listen_address *, unsigned nworkers);
/* Of these to none of those workers, unless it is all of them; -1 + errno: as
 * before. */
int	listen_address_without(struct listen_address *, uint64_t workers)
	    MUST_USE;
/* Nobody waits at a socket behind those of so many workers. */
bool	listen_address_idle(const struct listen_address *, unsigned nworkers)
	    MUST_USE;
/* unix: other permission bits than before. */
int	listen_address_mode(struct listen_address *, unsigned mode) MUST_USE;

/* All workers share one socket. */
bool	listen_is_one(const struct listen_address *);
bool	listen_on(int fd, int level, int option);
in_port_t listen_port(const struct sockaddr_storage *);

/* --- listen_given.c --------------------------------------------------------*/

/* One of them is bound to l->addr, and becomes its socket. */
bool	listen_given_find(struct listen_address *l);
/* All IPv4 addresses, which one of all IPv6 addresses serves as well: one that
 * nobody has yet, or of the set before. */
bool	listen_given_covers(const struct listen_set *before,
	    const struct sockaddr_storage *);
/* Nobody has asked for one; the set after another one lacks one; with why. */
bool	listen_given_left(char *why, size_t cap);
bool	listen_given_lost(const struct listen_set *before,
	    const struct listen_set *after, char *why, size_t cap);

#endif
