/*
 * plat.h for Linux, but for plat_cgroup.c, plat_socket.c and plat_tcp.c.
 */
#include "sys/plat.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int
plat_std_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd == -1)
			return (-1);
	} while (fd <= STDERR_FILENO);
	return (close(fd));
}

/* --- the machine ---------------------------------------------------------*/

bool
plat_read_file(const char *path, char *out, size_t cap)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return (false);
	n = read(fd, out, cap - 1);
	(void)close(fd);
	if (n < 0)
		return (false);
	out[n] = '\0';
	return (true);
}

int
plat_backlog(int wanted)
{
	char text[32];
	const char *bad;
	int max;

	if (!plat_read_file("/proc/sys/net/core/somaxconn", text, sizeof text))
		return (wanted);
	text[strcspn(text, "\n")] = '\0';
	max = (int)strtonum(text, 128, INT_MAX, &bad);
	if (bad != NULL || max > wanted)
		return (wanted);
	return (max);
}

uint64_t
plat_raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return (0);
	if (rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
		(void)getrlimit(RLIMIT_NOFILE, &rl);
	}
	return (rl.rlim_cur);
}

uint64_t
plat_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 ||
	    rl.rlim_cur == RLIM_INFINITY)
		return (UINT64_MAX);
	return (rl.rlim_cur);
}

bool
plat_has_memory(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return (false);
	(void)munmap(p, n);
	return (true);
}

/* --- rights --------------------------------------------------------------*/

int
plat_user_find(const char *name, struct plat_user *u)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return (-1);
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	u->ngroups = PLAT_GROUPS_MAX;
	if (getgrouplist(name, pw->pw_gid, u->groups, &u->ngroups) == -1) {
		errno = E2BIG;
		return (-1);
	}
	return (0);
}

int
plat_user_become(const struct plat_user *u)
{
	if (setgroups((size_t)u->ngroups, u->groups) == -1 ||
	    setresgid(u->gid, u->gid, u->gid) == -1 ||
	    setresuid(u->uid, u->uid, u->uid) == -1)
		return (-1);
	/* there must be no way back */
	if (u->uid != 0 && (setuid(0) == 0 || geteuid() == 0)) {
		errno = EPERM;
		return (-1);
	}
	return (0);
}

void
plat_drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	memset(none, 0, sizeof none);
	if (geteuid() != 0)
		(void)syscall(SYS_capset, &head, none);
}

#define PLAT_CORE_FILTER "/proc/self/coredump_filter"
/* the first page of each program and library; the kernel's own default */
enum { PLAT_CORE_HEADERS = 0x10, PLAT_CORE_USUAL = 0x33 };
/* not even for a program that core_pattern names; 0 is no limit for that */
#define PLAT_CORE_NONE	1

static void
plat_core_memory(bool memory)
{
	static unsigned before = PLAT_CORE_USUAL; /* whoever started us said */
	unsigned is;
	char text[32];
	ssize_t n;
	int fd;

	if (plat_read_file(PLAT_CORE_FILTER, text, sizeof text) &&
	    sscanf(text, "%x", &is) == 1 && is != PLAT_CORE_HEADERS)
		before = is;
	fd = open(PLAT_CORE_FILTER, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	(void)snprintf(text, sizeof text, "0x%x", memory ? before :
	    (unsigned)PLAT_CORE_HEADERS);
	n = write(fd, text, strlen(text));
	(void)n;	/* then the limit is what there is */
	(void)close(fd);
}

void
plat_core(enum plat_core what)
{
	static rlim_t before = RLIM_INFINITY;
	struct rlimit rl;

	plat_core_memory(what == PLAT_CORE_FULL);
	if (getrlimit(RLIMIT_CORE, &rl) == -1)
		return;
	if (rl.rlim_cur != PLAT_CORE_NONE)
		before = rl.rlim_cur;
	rl.rlim_cur = what == PLAT_CORE_OFF ? PLAT_CORE_NONE : before;
	if (rl.rlim_max < rl.rlim_cur)
		rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_CORE, &rl);
}

void
plat_core_allow(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* --- processes -----------------------------------------------------------*/

bool
plat_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return (false);
	/* it may have died before we asked */
	return (getppid() == parent);
}

void
plat_process_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

char
plat_process_state(pid_t pid)
{
	char path[32], text[256];
	const char *p;

	(void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	if (!plat_read_file(path, text, sizeof text))
		return (kill(pid, 0) == -1 && errno == ESRCH ? '\0' : '?');
	/* pid (name) state; the name may hold anything */
	p = strrchr(text, ')');
	return (p != NULL && p[1] == ' ' ? p[2] : '?');
}

/* The parent, as /proc/PID/stat has it; 0: there is no such process. */
static pid_t
plat_process_parent(const char *pid)
{
	char path[48], text[256];
	const char *p;
	long parent;

	(void)snprintf(path, sizeof path, "/proc/%.16s/stat", pid);
	if (!plat_read_file(path, text, sizeof text) ||
	    (p = strrchr(text, ')')) == NULL ||
	    sscanf(p + 1, " %*c %ld", &parent) != 1)
		return (0);
	return ((pid_t)parent);
}

size_t
plat_process_children(pid_t *out, size_t max)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	const char *bad;
	size_t n = 0;
	pid_t pid;

	while (d != NULL && n < max && (e = readdir(d)) != NULL) {
		pid = (pid_t)strtonum(e->d_name, 1, INT_MAX, &bad);
		if (bad == NULL && plat_process_parent(e->d_name) == getpid())
			out[n++] = pid;
	}
	if (d != NULL)
		(void)closedir(d);
	return (n);
}

/* Of /proc/PID/NAME; false: it cannot be read, and out is "". */
static bool
plat_process_file(pid_t pid, const char *name, char *out, size_t cap)
{
	char path[48];

	out[0] = '\0';
	(void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
	return (plat_read_file(path, out, cap));
}

static int64_t
plat_process_memory(pid_t pid)
{
	long long resident, shared;
	char text[256];

	if (!plat_process_file(pid, "statm", text, sizeof text) ||
	    sscanf(text, "%*s %lld %lld", &resident, &shared) != 2 ||
	    shared > resident)
		return (-1);
	return ((resident - shared) * sysconf(_SC_PAGESIZE));
}

static int64_t
plat_process_cpu(pid_t pid)
{
	long hz = sysconf(_SC_CLK_TCK);
	long long user, kernel;
	char text[1024];
	const char *p;

	/* fields 14 and 15, counted from behind the name */
	if (!plat_process_file(pid, "stat", text, sizeof text) || hz <= 0 ||
	    (p = strrchr(text, ')')) == NULL || sscanf(p + 1, " %*s %*s %*s "
	    "%*s %*s %*s %*s %*s %*s %*s %*s %lld %lld", &user, &kernel) != 2)
		return (-1);
	return ((user + kernel) * 1000000 / hz);
}

static int64_t
plat_process_files(pid_t pid)
{
	struct dirent *e;
	struct stat st;
	char path[48];
	int64_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	/* from Linux 6.2 on, without counting */
	if (stat(path, &st) == 0 && st.st_size > 0)
		return (st.st_size);
	d = opendir(path);
	if (d == NULL)
		return (-1);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return (n);
}

static int64_t
plat_process_files_max(pid_t pid)
{
	char text[2048];
	const char *p;
	long long n;

	if (!plat_process_file(pid, "limits", text, sizeof text) ||
	    (p = strstr(text, "Max open files")) == NULL ||
	    sscanf(p, "Max open files %lld", &n) != 1)
		return (-1);
	return (n);
}

void
plat_process_use(pid_t pid, struct plat_use *use)
{
	char name[32];

	*use = (struct plat_use){ -1, -1, -1, -1 };
	/* the number may be another's: gone, or of another PID namespace */
	if (!plat_process_file(pid, "comm", name, sizeof name) ||
	    strncmp(name, "roost", 5) != 0)
		return;
	use->memory = plat_process_memory(pid);
	use->cpu_us = plat_process_cpu(pid);
	use->files = plat_process_files(pid);
	use->files_max = plat_process_files_max(pid);
}

static int
plat_compare_fds(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return ((x > y) - (x < y));
}

/* Where close_range(2) is missing or forbidden: one by one. */
static void
plat_close_range(unsigned from, unsigned to)
{
	long max;

	if (close_range(from, to, 0) == 0)
		return;
	max = sysconf(_SC_OPEN_MAX);
	if (max <= 0 || max > 1 << 20)
		max = 1 << 20;
	if (to >= (unsigned)max)
		to = (unsigned)max - 1;
	for (; from <= to; from++)
		(void)close((int)from);
}

void
plat_close_others(int *keep, size_t nkeep)
{
	unsigned from = STDERR_FILENO + 1;
	size_t i;

	qsort(keep, nkeep, sizeof *keep, plat_compare_fds);
	for (i = 0; i < nkeep; i++) {
		if (keep[i] < (int)from)
			continue; /* -1: none; or the same once more */
		if ((unsigned)keep[i] > from)
			plat_close_range(from, (unsigned)keep[i] - 1);
		from = (unsigned)keep[i] + 1;
	}
	plat_close_range(from, ~0u);
}

int
plat_signals_open(const int *sigs, size_t nsigs)
{
	sigset_t set;
	size_t i;

	(void)sigemptyset(&set);
	for (i = 0; i < nsigs; i++)
		(void)sigaddset(&set, sigs[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return (-1);
	return (signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int
plat_signals_next(int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof si) != (ssize_t)sizeof si)
		return (0);
	return ((int)si.ssi_signo);
}

void
plat_signals_child(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGPIPE, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGXFSZ };
	struct sigaction sa;
	sigset_t none;
	size_t i;
	int sig;

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = SIG_DFL;
	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL); /* some may not; fine */
	sa.sa_handler = SIG_IGN;
	for (i = 0; i < nitems(ignored); i++)
		(void)sigaction(ignored[i], &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void
plat_give_back_memory(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

/* --- the service manager -------------------------------------------------*/

static struct sockaddr_un notify_addr;
static socklen_t notify_addrlen;
static int notify_fd = -1; /* -1: nobody to tell */
static uint64_t notify_watchdog_us;

static void
plat_watchdog_init(void)
{
	const char *bad, *pid, *usec;
	long long v;

	usec = getenv("WATCHDOG_USEC");
	pid = getenv("WATCHDOG_PID");
	if (usec == NULL || (pid != NULL &&
	    strtonum(pid, 1, INT_MAX, &bad) != getpid()))
		return;
	v = strtonum(usec, 1, LLONG_MAX, &bad);
	if (bad == NULL)
		notify_watchdog_us = (uint64_t)v;
}

void
plat_notify_init(void)
{
	const char *path;
	size_t n;

	path = getenv("NOTIFY_SOCKET");
	n = path == NULL ? 0 : strlen(path);
	/* a path, or '@' and an abstract name */
	if (n > 1 && (path[0] == '/' || path[0] == '@') &&
	    n < sizeof notify_addr.sun_path) {
		notify_addr.sun_family = AF_UNIX;
		memcpy(notify_addr.sun_path, path, n);
		if (path[0] == '@')
			notify_addr.sun_path[0] = '\0';
		notify_addrlen = (socklen_t)(
		    offsetof(struct sockaddr_un, sun_path) + n);
		/* now: later there may be no descriptor for the good news */
		notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		plat_watchdog_init();
	}
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

bool
plat_notify(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	if (notify_fd == -1)
		return (true);
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof text)
		return (true);
	return (sendto(notify_fd, text, (size_t)n, MSG_NOSIGNAL |
	    MSG_DONTWAIT, (const struct sockaddr *)&notify_addr,
	    notify_addrlen) != -1 || (errno != EAGAIN && errno != ENOBUFS));
}

uint64_t
plat_watchdog_us(void)
{
	return (notify_watchdog_us);
}
