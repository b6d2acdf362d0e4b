/*
 * What a master tells the program that takes its place in the same process: the
 * children, by number and descriptor, the descriptors that last, and what it
 * knows itself.  Written by the one, read by the other, which may be a later
 * version, or an earlier one if the later one did not do.
 *
 * A descriptor is its number in this process: -1 is none.
 */
#ifndef MASTER_UPGRADE_RECORD_H
#define MASTER_UPGRADE_RECORD_H

#include <sys/socket.h>

#include "base/buf.h"
#include "base/bug.h"
#include "base/slice.h"
#include "role.h"
#include "shm/segment.h"
#include "shm/slots_before.h"
#include "shm/stats.h"

#define RECORD_VERSION		2	/* of all of it */
#define RECORD_TICKET_KEY	80
#define RECORD_FDS_MAX		(4 * ROLE_SLOTS_MAX + ROLE_SOCKETS_MAX * \
				    (SLOTSET_MAX / 2) + 16)

struct record_child {
	bool		 relay;
	bool		 ready;		/* said so */
	bool		 bus_due;	/* worker: needs a stream to the relay */
	bool		 log_due;	/* is still to be told of a new log */
	uint32_t	 worker;	/* its number */
	uint32_t	 slot;
	uint32_t	 generation;
	uint32_t	 pid;
	uint64_t	 started_us;	/* as are all times: CLOCK_MONOTONIC */
	int		 control_fd;	/* -1: it has hung up */
	int		 says_fd;	/* its stderr; -1: has ours */
};

struct record_listen {			/* the sockets of one address */
	struct slice	 text;		/* of the section that opened it */
	uint32_t	 index;		/* of that section */
	uint32_t	 mode;
	bool		 tls;
	bool		 given;		/* by the service manager */
	uint32_t	 steered;
	struct sockaddr_storage asked, addr;
	uint32_t	 addrlen;
	uint64_t	 dev, ino;	/* unix: the file we made */
	uint32_t	 nfds;
	int		 fds[SLOTSET_MAX / 2];
};

struct record {
	/* of the master */
	uint32_t	 pid;
	uint64_t	 node_id;
	uint64_t	 started_us;
	uint32_t	 generation;	/* last one given to a child */
	uint32_t	 issue;		/* generation of workers */
	uint32_t	 nworkers;
	int32_t		 resize_due;	/* what was asked for, and waits: so many
					 * workers more */
	bool		 reload_due, even_due, upgrade_due;
	uint64_t	 timeout_ms;	/* for the next program to be ready */
	uint8_t		 ticket_key[RECORD_TICKET_KEY];
	/* descriptors */
	int		 exe_fd;	/* this program's, to come back */
	int		 pidfile_fd;
	uint64_t	 layout;	/* hash of the segment's */
	struct segment_params segment;
	struct slots_rows rows;		/* where some of it is, whatever the
					 * layout */
	int		 segment_fd, relay_fd, master_fd;
	int		 passed_fd;	/* what is in it, for one of another
					 * layout; -1: it goes on itself */
	struct stats_kept stats;
	uint32_t	 nslots;
	int		 handover_in[ROLE_SLOTS_MAX];
	int		 handover_out[ROLE_SLOTS_MAX];
	uint32_t	 nlistens;
	struct record_listen listens[ROLE_SOCKETS_MAX];
	uint32_t	 nchildren;
	struct record_child children[ROLE_SLOTS_MAX];
	/* texts point into what was read */
	struct slice	 version;	/* of the program that wrote this */
	struct slice	 binary;	/* path of what was started */
	struct slice	 conf;		/* that is in force: conf_pack() */
};

/* Appends; memory is short: the buffer's oom. */
void	record_save(const struct record *, struct buf *);
/*
 * Reads anything; true: it is a record, and each number in it is one that can
 * be.  Whether the descriptors are open is not looked at.  *version is what it
 * says of itself (0: nothing), so that another one can be told.
 */
bool	record_load(struct slice, struct record *, unsigned *version) MUST_USE;
/* All descriptors in it; how many. */
size_t	record_fds(const struct record *, int fds[RECORD_FDS_MAX]);
/* Each descriptor becomes what change() makes of it. */
void	record_change_fds(struct record *, int (*change)(int fd, void *arg),
	    void *arg);

#endif
