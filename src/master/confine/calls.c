/*
 * What the roles ask of the kernel once they serve; see calls.h.  Several names
 * do one thing: which of them a C library uses depends on its age and on the
 * processor.  A name that the kernel, libseccomp or the processor does not know
 * is left out.
 */
#include "master/confine/calls.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>

/* since Linux 5.17; the names of anonymous memory, by newer C libraries */
#ifndef PR_SET_VMA
#define PR_SET_VMA	0x53564d41
#endif

#define INT		0xffffffffu	/* what the kernel looks at */
#define MAKES		(O_ACCMODE | O_CREAT | O_TRUNC)

#ifdef __s390__
#define CLONE_FLAGS	1
#else
#define CLONE_FLAGS	0
#endif

#define ANY(name)	{ name, CALLS_BOTH, -1, 0, 0, 0 }
#define RELAY(name)	{ name, CALLS_RELAY, -1, 0, 0, 0 }
#define IF(name, arg, mask, value) { name, CALLS_BOTH, arg, mask, value, 0 }
#define RELAY_IF(name, arg, mask, value) { name, CALLS_RELAY, arg, mask, value, 0 }

const struct call calls_allowed[] = {
	/* bytes in and out */
	ANY("read"), ANY("readv"), ANY("pread64"), ANY("preadv"),
	ANY("preadv2"), ANY("write"), ANY("writev"), ANY("pwrite64"),
	ANY("pwritev"), ANY("pwritev2"), ANY("lseek"),
	/* descriptors that there are */
	ANY("close"), ANY("close_range"), ANY("fcntl"), ANY("dup"),
	ANY("dup2"), ANY("dup3"), ANY("fstat"), ANY("newfstatat"),
	ANY("stat"), ANY("lstat"), ANY("statx"),
	/* how much waits to be sent; is it a terminal, asks stdio */
	IF("ioctl", 1, INT, TIOCOUTQ), IF("ioctl", 1, INT, FIONREAD),
	IF("ioctl", 1, INT, FIONBIO), IF("ioctl", 1, INT, TCGETS),
	/* files: to read, or the log, opened once more; none is made */
	IF("open", 1, MAKES, O_RDONLY), IF("open", 1, MAKES, O_WRONLY),
	IF("openat", 2, MAKES, O_RDONLY), IF("openat", 2, MAKES, O_WRONLY),
	/* memory of the kernel's, for a hand-over */
	ANY("memfd_create"), ANY("ftruncate"), ANY("fallocate"),
	/* waiting */
	ANY("poll"), ANY("ppoll"), ANY("select"), ANY("pselect6"),
	ANY("epoll_create"), ANY("epoll_create1"), ANY("epoll_ctl"),
	ANY("epoll_wait"), ANY("epoll_pwait"), ANY("epoll_pwait2"),
	ANY("eventfd2"), ANY("pipe2"), ANY("restart_syscall"),
	/* sockets: who has come, who is spoken to */
	ANY("accept"), ANY("accept4"), ANY("getsockname"), ANY("getpeername"),
	ANY("getsockopt"), ANY("setsockopt"), ANY("shutdown"), ANY("sendto"),
	ANY("sendmsg"), ANY("sendmmsg"), ANY("recvfrom"), ANY("recvmsg"),
	ANY("recvmmsg"), IF("socketpair", 0, INT, AF_UNIX),
	/* ... and, of a worker, syslog's; of the relay, Redis and names */
	IF("socket", 0, INT, AF_UNIX), ANY("connect"),
	RELAY_IF("socket", 0, INT, AF_INET),
	RELAY_IF("socket", 0, INT, AF_INET6),
	/* memory; none that is executed, but for the relay's libraries */
	IF("mmap", 2, PROT_EXEC, 0), IF("mprotect", 2, PROT_EXEC, 0),
	RELAY_IF("mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
	ANY("munmap"), ANY("mremap"), ANY("madvise"), ANY("brk"),
	/* threads, locks; only the relay makes threads, for names */
	ANY("futex"), ANY("futex_waitv"), ANY("futex_wait"),
	ANY("futex_wake"), ANY("set_robust_list"), ANY("rseq"),
	ANY("membarrier"), ANY("sched_yield"), ANY("sched_getaffinity"),
	ANY("getcpu"), ANY("gettid"), ANY("set_tid_address"),
	RELAY_IF("clone", CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD),
	/* time, chance, who we are */
	ANY("clock_gettime"), ANY("clock_getres"), ANY("clock_nanosleep"),
	ANY("nanosleep"), ANY("gettimeofday"), ANY("time"),
	ANY("getrandom"), ANY("getrusage"), ANY("times"), ANY("sysinfo"),
	ANY("uname"), ANY("getpid"), ANY("getppid"), ANY("getuid"),
	ANY("geteuid"), ANY("getgid"), ANY("getegid"), ANY("getrlimit"),
	IF("prlimit64", 2, UINT64_MAX, 0), /* no new limit */
	IF("prctl", 0, INT, PR_SET_NAME), IF("prctl", 0, INT, PR_GET_NAME),
	IF("prctl", 0, INT, PR_SET_VMA),
	/* signals, of our own; the end */
	ANY("rt_sigaction"), ANY("rt_sigprocmask"), ANY("rt_sigreturn"),
	ANY("sigaltstack"), IF("tgkill", 0, INT, CALLS_SELF),
	IF("kill", 0, INT, CALLS_SELF),
	ANY("exit"), ANY("exit_group"),
	/* name services and their libraries */
	RELAY("access"), RELAY("faccessat"), RELAY("faccessat2"),
	RELAY("readlink"), RELAY("readlinkat"), RELAY("getdents64"),
	RELAY("statfs"), RELAY("fstatfs"), RELAY("flock"),
	RELAY("timerfd_create"), RELAY("timerfd_settime"),
#ifdef COVERAGE
	/* files of counts are made, read, locked and written */
	ANY("open"), ANY("openat"), ANY("mkdir"), ANY("mkdirat"),
	ANY("access"), ANY("unlink"), ANY("readlink"),
#endif
};
const size_t calls_nallowed = nitems(calls_allowed);

const struct call calls_absent[] = {
	/* what it is to make cannot be seen; clone(2) is taken then */
	{ "clone3", CALLS_BOTH, -1, 0, 0, ENOSYS },
	/* a worker is one thread; who wants another blocks all signals before,
	 * and would die without a word */
	{ "clone", CALLS_WORKER, CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD,
	    EAGAIN },
	/* the addresses of this host, by which names are sorted */
	{ "socket", CALLS_RELAY, 0, INT, AF_NETLINK, EAFNOSUPPORT },
};
const size_t calls_nabsent = nitems(calls_absent);

/* Not what is refused as well as killed: memory that is executed, signals,
 * addresses to listen on.  A library may try these and do without. */
const char *const calls_deadly[] = {
	"execve", "execveat", "fork", "vfork", "clone",
	"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd",
	"kcmp", "personality", "bpf", "perf_event_open", "userfaultfd",
	"keyctl", "add_key", "request_key", "mount", "umount2", "pivot_root",
	"chroot", "open_tree", "move_mount", "fsopen", "fsmount", "setns",
	"unshare", "setuid", "setgid", "setreuid", "setregid", "setresuid",
	"setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
	"init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "open_by_handle_at", "iopl", "ioperm",
	"modify_ldt", "reboot", "swapon", "swapoff", "acct", "quotactl",
};
const size_t calls_ndeadly = nitems(calls_deadly);
