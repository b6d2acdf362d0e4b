/*
 * What this host has, as far as it bounds how many clients there may be: read
 * from /proc and /sys, or from copies of them.  For check.h.
 */
#ifndef HOST_FACTS_H
#define HOST_FACTS_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

#define HOST_UNKNOWN	UINT64_MAX	/* or there is no limit */

struct host_facts {
	/* of the process */
	uint64_t	 files;		/* descriptors it may have, at most */
	uint64_t	 file_bytes;	/* of a file it makes; also in memory */
	unsigned	 cpus;		/* 0: unknown */
	uint64_t	 memory;	/* bytes, of its groups or the host */
	bool		 grouped;	/* ... it is a limit of a group */
	/* of the host */
	uint64_t	 files_most;	/* fs.nr_open: for any process */
	uint64_t	 host_files;	/* fs.file-max */
	uint64_t	 backlog;	/* net.core.somaxconn */
	uint64_t	 ports;		/* that connections may come from */
	uint64_t	 tcp_bytes;	/* net.ipv4.tcp_mem, the most */
	uint64_t	 page;		/* bytes, of which those are */
	uint64_t	 tracked_most;	/* connections that conntrack knows */
	uint64_t	 tracked;	/* 0: it looks at none */
	bool		 strict;	/* vm.overcommit_memory = 2 */
	uint64_t	 commit_left;	/* bytes that can be promised then */
	bool		 huge_pages;	/* transparent ones, always */
};

/*
 * root		where /proc and /sys are: "", or a folder with copies
 * pid		the process that is meant; 0: this one
 */
void	host_look(struct host_facts *, const char *root, pid_t pid);
/* LimitNOFILE of the unit roostd.service with its drop-ins; 0: there is none. */
uint64_t host_unit_files(const char *root);

#endif
