/*
 * From /proc to a daemon; see find.h.
 */
#include "tools/roostctl/find.h"

#include <bsd/stdlib.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"

#define FIND_TITLE	"roostd: master"	/* as ps shows it */
#define FIND_ANY	"roostd: "	/* or one of its children */
#define FIND_COMMAND	"roostd"	/* as it is called before that */
#define FIND_MAX	64		/* daemons; more are not told apart */
#define FIND_BECOMES_MS	3000		/* one that becomes another program is
					 * what it was again within */
#define FIND_LOOK_US	10000

/* --- one process ----------------------------------------------------------*/

static ssize_t
find_read(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd == -1)
		return (-1);
	n = read(fd, out, cap - 1);
	(void)close(fd);
	if (n >= 0)
		out[n] = '\0';
	return (n);
}

static bool
find_has_title(pid_t pid, const char *begin)
{
	char path[64], title[64];

	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	return (find_read(path, title, sizeof title) > 0 &&
	    strncmp(title, begin, strlen(begin)) == 0);
}

/* Its file, or the script by which it is started, is called like us; without
 * its file's name, which an upgrade may have taken away, it has a number. */
static bool
find_is_called(pid_t pid)
{
	char path[64], name[PATH_MAX];
	const char *last;
	ssize_t n;

	(void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (find_read(path, name, sizeof name) > 0 &&
	    strncmp(name, FIND_COMMAND, sizeof FIND_COMMAND - 1) == 0)
		return (true);
	(void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, name, sizeof name - 1);
	if (n <= 0)
		return (false);
	name[n] = '\0';
	last = strrchr(name, '/');
	return (last != NULL && strncmp(last + 1, FIND_COMMAND,
	    sizeof FIND_COMMAND - 1) == 0);
}

/* It has begun, anew by an upgrade or for the first time, and does not say yet
 * what it is. */
static bool
find_becomes(pid_t pid)
{
	return (!find_has_title(pid, FIND_ANY) && find_is_called(pid));
}

static bool
find_is_master(pid_t pid)
{
	struct mono end = mono_add_ms(mono_now(), FIND_BECOMES_MS);

	while (find_becomes(pid) && mono_now().us < end.us)
		(void)usleep(FIND_LOOK_US);
	return (find_has_title(pid, FIND_TITLE));
}

bool
find_memory(pid_t pid, const char *name, unsigned nth, char *path, size_t cap)
{
	char folder[64], link[PATH_MAX], want[128];
	struct dirent *e;
	bool found = false;
	ssize_t n;
	DIR *d;

	(void)snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
	(void)snprintf(want, sizeof want, "/memfd:%s (deleted)", name);
	d = opendir(folder);
	if (d == NULL)
		return (false);
	while (!found && (e = readdir(d)) != NULL) {
		n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		found = strcmp(link, want) == 0 && nth-- == 0 &&
		    snprintf(path, cap, "%s/%s", folder, e->d_name) < (int)cap;
	}
	(void)closedir(d);
	if (!found)
		errno = ENOENT;
	return (found);
}

static int
find_open_board(pid_t pid)
{
	char path[128];

	return (find_memory(pid, BOARD_NAME, 0, path, sizeof path) ?
	    open(path, O_RDONLY | O_CLOEXEC) : -1);
}

/* One that has just begun has none yet. */
static int
find_wait_board(pid_t pid)
{
	struct mono end = mono_add_ms(mono_now(), FIND_BECOMES_MS);
	int fd;

	while ((fd = find_open_board(pid)) == -1 && errno == ENOENT &&
	    mono_now().us < end.us && find_is_master(pid)) {
		(void)usleep(FIND_LOOK_US);
		errno = ENOENT;
	}
	return (fd);
}

/* Who has ended and is not waited for yet does not. */
bool
find_lives(const struct daemon *d)
{
	char path[64], stat[512];
	const char *state;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)d->pid);
	if (find_read(path, stat, sizeof stat) <= 0)
		return (false);
	state = strrchr(stat, ')');
	return (state != NULL && state[1] == ' ' && state[2] != 'Z' &&
	    state[2] != 'X');
}

/* EAGAIN: it is there, and says nothing of the daemon yet. */
static int
find_look(struct daemon *d, struct board_copy *c)
{
	int fd = find_open_board(d->pid);

	if (fd == -1)
		return (-1);
	if (d->board_fd != -1)
		(void)close(d->board_fd);
	d->board_fd = fd;
	if (board_read(fd, c) == -1)
		return (-1);
	if (c->facts_n != 0)
		return (0);
	errno = EAGAIN;
	return (-1);
}

int
find_board(struct daemon *d, struct board_copy *c)
{
	struct mono end = mono_add_ms(mono_now(), FIND_BECOMES_MS);

	while (find_look(d, c) == -1) {
		if ((errno != ENOENT && errno != EAGAIN) ||
		    mono_now().us >= end.us || !find_is_master(d->pid))
			return (-1);
		(void)usleep(FIND_LOOK_US);
	}
	return (0);
}

void
find_close(struct daemon *d)
{
	if (d->board_fd != -1)
		(void)close(d->board_fd);
	d->board_fd = -1;
}

/* --- which ----------------------------------------------------------------*/

/* Is this what it was started with? */
static bool
find_is_config(pid_t pid, const char *config)
{
	static struct board_copy c;	/* large; one at a time */
	struct daemon d = { .pid = pid, .board_fd = -1 };
	struct slice is;
	bool same;

	same = find_look(&d, &c) == 0 && board_fact(&c, "config", &is) &&
	    slice_eq(is, slice_str(config));
	find_close(&d);
	return (same);
}

static unsigned
find_all(pid_t found[FIND_MAX], const char *config)
{
	const char *bad;
	struct dirent *e;
	unsigned n = 0;
	pid_t pid;
	DIR *d = opendir("/proc");

	if (d == NULL)
		return (0);
	while (n < FIND_MAX && (e = readdir(d)) != NULL) {
		pid = (pid_t)strtonum(e->d_name, 1, INT_MAX, &bad);
		if (bad == NULL && find_is_master(pid) &&
		    (config == NULL || find_is_config(pid, config)))
			found[n++] = pid;
	}
	(void)closedir(d);
	return (n);
}

static int
find_search(struct daemon *d, const char *config)
{
	pid_t found[FIND_MAX];
	unsigned i, n = find_all(found, config);
	size_t at;

	if (n == 1) {
		d->pid = found[0];
		return (EX_OK);
	}
	if (n == 0) {
		(void)snprintf(d->why, sizeof d->why, "no roostd is running%s%s",
		    config == NULL ? "" : " with ", config == NULL ? "" :
		    config);
		return (EX_UNAVAILABLE);
	}
	at = (size_t)snprintf(d->why, sizeof d->why, "more than one roostd is "
	    "running: name one by -p or -c:");
	for (i = 0; i < n && at < sizeof d->why - 16; i++)
		at += (size_t)snprintf(d->why + at, sizeof d->why - at, " %d",
		    (int)found[i]);
	return (EX_USAGE);
}

/* A number, or a file with one. */
static int
find_named(struct daemon *d, const char *pid)
{
	const char *bad, *of = "";
	char text[32];

	(void)snprintf(text, sizeof text, "%s", pid);
	d->pid = (pid_t)strtonum(text, 1, INT_MAX, &bad);
	if (bad != NULL) {
		if (find_read(pid, text, sizeof text) == -1) {
			(void)snprintf(d->why, sizeof d->why, "%s: %s", pid,
			    strerror(errno));
			return (errno == EACCES ? EX_NOPERM : errno == ENOENT ?
			    EX_UNAVAILABLE : EX_NOINPUT);
		}
		text[strcspn(text, "\n")] = '\0';
		d->pid = (pid_t)strtonum(text, 1, INT_MAX, &bad);
		of = pid;
	}
	if (bad != NULL) {
		(void)snprintf(d->why, sizeof d->why,
		    "%s has no process id in it", pid);
		return (EX_DATAERR);
	}
	if (find_is_master(d->pid))
		return (EX_OK);
	(void)snprintf(d->why, sizeof d->why, "process %d%s%s is no roostd%s",
	    (int)d->pid, of[0] == '\0' ? "" : " of ", of,
	    find_lives(d) ? "" : ": it does not run");
	return (EX_UNAVAILABLE);
}

int
find_daemon(struct daemon *d, const char *pid, const char *config)
{
	char whole[PATH_MAX];
	int code;

	*d = (struct daemon){ .board_fd = -1 };
	if (config != NULL && realpath(config, whole) == NULL) {
		(void)snprintf(d->why, sizeof d->why, "%s: %s", config,
		    strerror(errno));
		return (EX_NOINPUT);
	}
	code = pid != NULL ? find_named(d, pid) : find_search(d,
	    config != NULL ? whole : NULL);
	if (code != EX_OK)
		return (code);
	d->board_fd = find_wait_board(d->pid);
	if (d->board_fd != -1)
		return (EX_OK);
	if (errno == EACCES || errno == EPERM) {
		(void)snprintf(d->why, sizeof d->why, "roostd, process %d, is "
		    "another user's: only that user and root may control it",
		    (int)d->pid);
		return (EX_NOPERM);
	}
	(void)snprintf(d->why, sizeof d->why, "roostd, process %d, is of a "
	    "version that does not know roostctl, or just starts or ends",
	    (int)d->pid);
	return (EX_TEMPFAIL);
}
