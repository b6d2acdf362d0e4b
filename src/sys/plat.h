/*
 * What only the kernel can say or do, under neutral names; plat_linux.c is
 * the one platform so far.  Used by the master and by children while they
 * start.  System-like calls return 0 or -1 + errno.
 */
#ifndef SYS_PLAT_H
#define SYS_PLAT_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/slice.h"

/*
 * First of all: who was started without stdin, stdout or stderr gets /dev/null
 * there, or a file opened later would be in their place.
 */
int	plat_std_files(void) MUST_USE;

/* --- the machine ---------------------------------------------------------*/

/* CPUs this process may use: its affinity, cut by the cgroup's quota rounded
 * up; at least 1. */
unsigned plat_cpus(void);
/* The latter alone, of version 1 or 2; 0: none.  Named are the list of our
 * groups and where groups are mounted. */
unsigned plat_cgroup_cpus(const char *self, const char *mount);
/* Bytes of memory that our groups may take, the same way. */
uint64_t plat_cgroup_memory(const char *self, const char *mount);
/* The file's first bytes as a string; false when it cannot be read. */
bool	plat_read_file(const char *path, char *out, size_t cap) MUST_USE;
/* The longest queue of connections listen(2) grants, at least 128. */
int	plat_backlog(int wanted);
/* Raise the soft limit of open files to the hard one; returns it. */
uint64_t plat_raise_nofile(void);
/* The soft limit of open files; UINT64_MAX: none. */
uint64_t plat_nofile(void);
/* So many bytes could be had now.  (Not asked of malloc(3), which keeps more for
 * itself after each large block that it has given back.) */
bool	plat_has_memory(size_t n);

/* --- rights --------------------------------------------------------------*/

#define PLAT_GROUPS_MAX	64
struct plat_user {
	uid_t		 uid;
	gid_t		 gid;
	gid_t		 groups[PLAT_GROUPS_MAX];
	int		 ngroups;
};
/* Look a user up by name; -1 + errno (0: no such user). */
int	plat_user_find(const char *name, struct plat_user *) MUST_USE;
/* Become that user for good: groups, gid, uid; checks that it holds. */
int	plat_user_become(const struct plat_user *) MUST_USE;

/* A child of a user who is not root: no capability that the master was given,
 * and none by any program from now on. */
void	plat_drop_capabilities(void);

/*
 * What the kernel writes of this process, should it crash, and of those that it
 * forks from now on: nothing; registers, and which files were mapped; or all of
 * its memory, with every secret in it.  (Registers alone are not free of
 * secrets: they hold what was copied last.)
 */
enum plat_core { PLAT_CORE_OFF, PLAT_CORE_BARE, PLAT_CORE_FULL };
void	plat_core(enum plat_core);
/* After plat_user_become(), since which nothing would be written. */
void	plat_core_allow(void);

/* --- processes -----------------------------------------------------------*/

/* Be killed when the parent ends.  False: it has ended already.  After
 * plat_user_become(), which undoes it. */
bool	plat_die_with(pid_t parent) MUST_USE;
/* The short name in top(1) and /proc/PID/comm, cut to 15 bytes. */
void	plat_process_name(const char *);
/* The state letter of a process, as in ps(1): 'R', 'S', 'D', 'T', 'Z'...;
 * '\0': there is none, '?': the kernel does not say. */
char	plat_process_state(pid_t);
/* Our children, zombies among them: how many, at most max. */
size_t	plat_process_children(pid_t *out, size_t max);
/* What a process of this program takes; -1: the kernel does not say. */
struct plat_use {
	int64_t		 memory;	/* bytes resident and not shared */
	int64_t		 cpu_us;	/* user and system, since its start */
	int64_t		 files;		/* open descriptors */
	int64_t		 files_max;	/* of them, RLIMIT_NOFILE */
};
void	plat_process_use(pid_t, struct plat_use *);
/* Pages of the heap that nobody uses any more go back to the system, also those
 * between others in use: about a millisecond for some ten megabytes. */
void	plat_give_back_memory(void);
/* Close every descriptor above stderr that is not in keep[]; sorts keep. */
void	plat_close_others(int *keep, size_t nkeep);

/* Signals as a readable descriptor (CLOEXEC, non-blocking): they are blocked
 * for this process from now on. */
int	plat_signals_open(const int *sigs, size_t nsigs) MUST_USE;
/* The next one that came, 0 when there is none. */
int	plat_signals_next(int fd);
/*
 * In a child: no signal blocked, each back to its default, except those that
 * terminals and service managers send to whole groups of processes: these,
 * and SIGPIPE, are ignored, since the master tells its children what to do.
 */
void	plat_signals_child(void);

/* --- sockets -------------------------------------------------------------*/

/* Several sockets may listen on one address; connections spread by hash. */
int	plat_reuseport(int fd) MUST_USE;
/*
 * Of those sockets that listen on one address, only the first n, in the order
 * in which they began to, get who connects from now on, each the same part, and
 * of these none whose bit is in without (the first is bit 0), which is not all
 * of them; or all of them, by hash.  Given any one of them.
 */
#define PLAT_REUSEPORT_MAX	64	/* of the first n */
int	plat_reuseport_some(int fd, unsigned n, uint64_t without) MUST_USE;
int	plat_reuseport_all(int fd) MUST_USE;
/* Connections that nobody has accepted; -1 + errno. */
int	plat_listen_waiting(int fd) MUST_USE;
/* Connections are to be accepted with their first bytes, or after about a
 * second; where the system cannot, at once. */
void	plat_accept_with_data(int fd);
/* Ask for buffers of that size in each direction; more than the system grants
 * is cut silently. */
void	plat_socket_buffers(int fd, int bytes);
/* What the kernel knows of a connection of TCP, be it over; false: it is none. */
struct plat_tcp {
	uint64_t	 in, out;	/* bytes received; sent, each once */
	uint64_t	 unacked;	/* ... of which so many, or what waits */
	uint32_t	 rtt_us;	/* smoothed; 0: none was measured */
	uint32_t	 in_ms, out_ms;	/* since the last data each way */
};
bool	plat_tcp(int fd, struct plat_tcp *) MUST_USE;

/* --- the service manager (sd_notify(3)) ----------------------------------*/

/* Remember where to report and how often, then hide it from children.  Call
 * once, at start. */
void	plat_notify_init(void);
/* Send "READY=1\nSTATUS=..."; nothing happens without a service manager.
 * False: it takes nothing now. */
bool	plat_notify(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* How often WATCHDOG=1 is expected at the latest; 0: not at all. */
uint64_t plat_watchdog_us(void);

#endif
