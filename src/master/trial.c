/*
 * A program is tried; see trial.h.  What it answers comes by its stdout, what
 * it has to say besides by its stderr, which goes to our log.
 */
#include "master/trial.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "master/says.h"
#include "master/upgrade/leap.h"
#include "master/upgrade/pass.h"
#include "sys/log.h"
#include "sys/plat.h"

#define TRIAL_YES	"roostd: yes\n"
#define TRIAL_LAYOUT	"roostd: yes, by another layout\n"
#define TRIAL_NO	"roostd: no: "

struct trial {
	struct trial_params p;
	pid_t		 pid;
	struct loop_fd	 io;		/* what it answers; -1: all is read */
	struct says	 says;
	struct timer	 late;
	bool		 killed;
	size_t		 n;
	char		 answer[TRIAL_SAYS_MAX];
};

/* --- the other program -------------------------------------------------------*/

static void trial_run(const struct trial_params *, char **envp,
    const int fds[3], pid_t master) NORETURN;
static void
trial_run(const struct trial_params *p, char **envp, const int fds[3],
    pid_t master)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), keep = fds[2];

	if (!plat_die_with(master))
		_exit(EX_TEMPFAIL);
	if (null != -1 && dup2(null, STDIN_FILENO) != -1 &&
	    dup2(fds[0], STDOUT_FILENO) != -1 &&
	    dup2(fds[1], STDERR_FILENO) != -1 &&
	    fcntl(STDOUT_FILENO, F_SETFL, 0) != -1 &&
	    fcntl(fds[2], F_SETFD, 0) != -1 &&
	    (p->directory == NULL || chdir(p->directory) != -1)) {
		plat_close_others(&keep, 1);
		plat_signals_child();
		(void)execve(p->binary, leap_arguments(), envp);
	}
	(void)dprintf(STDOUT_FILENO, TRIAL_NO "%s\n", strerror(errno));
	coverage_save();
	_exit(EX_OSERR);
}

void
trial_answer(const char *why, bool layout)
{
	if (why == NULL)
		(void)dprintf(STDOUT_FILENO, "%s", layout ? TRIAL_LAYOUT :
		    TRIAL_YES);
	else
		(void)dprintf(STDOUT_FILENO, TRIAL_NO "%s\n", why);
	exit(why == NULL ? EX_OK : EX_CONFIG);
}

/* --- what it answers ----------------------------------------------------------*/

static void
trial_hang_up(struct trial *t)
{
	if (t->io.fd == -1)
		return;
	loop_del(t->p.loop, &t->io);
	(void)close(t->io.fd);
	t->io.fd = -1;
}

/* Of a babbler we keep the beginning. */
static void
trial_on_answer(struct loop_fd *f, unsigned events)
{
	struct trial *t = container_of(f, struct trial, io);
	char more[TRIAL_SAYS_MAX];
	size_t room;
	ssize_t n;

	(void)events;
	while ((n = read(f->fd, more, sizeof more)) > 0) {
		room = sizeof t->answer - 1 - t->n;
		room = room < (size_t)n ? room : (size_t)n;
		memcpy(t->answer + t->n, more, room);
		t->n += room;
	}
	if (n == 0 || errno != EAGAIN)
		trial_hang_up(t);
}

static void
trial_on_late(struct timer *timer, struct mono now)
{
	struct trial *t = container_of(timer, struct trial, late);

	(void)now;
	t->killed = true;
	(void)kill(t->pid, SIGKILL);	/* not reaped yet: it is ours */
}

static bool
trial_has_layout(const struct trial *t)
{
	return (strcmp(t->answer, TRIAL_LAYOUT) == 0);
}

/* Why it does not do, in words; NULL: it does. */
static const char *
trial_judge(struct trial *t, int status, char *why, size_t cap)
{
	char *end;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    (strcmp(t->answer, TRIAL_YES) == 0 || trial_has_layout(t)))
		return (NULL);
	if (t->killed)
		(void)snprintf(why, cap, "it was not ready in time");
	else if (strncmp(t->answer, TRIAL_NO, sizeof TRIAL_NO - 1) == 0) {
		end = strchr(t->answer, '\n');
		if (end != NULL)
			*end = '\0';
		(void)snprintf(why, cap, "%s",
		    t->answer + sizeof TRIAL_NO - 1);
	} else if (WIFSIGNALED(status))
		(void)snprintf(why, cap, "it died of signal %d",
		    WTERMSIG(status));
	else
		(void)snprintf(why, cap, "it is no roostd that can take over: "
		    "it ended with exit code %d", WEXITSTATUS(status));
	return (why);
}

bool
trial_reaped(struct trial *t, pid_t pid, int status)
{
	struct trial_params p;
	char why[TRIAL_SAYS_MAX + 64];
	const char *verdict;
	bool layout;

	if (t == NULL || pid != t->pid)
		return (false);
	if (t->io.fd != -1)
		trial_on_answer(&t->io, LOOP_IN);
	says_close(&t->says);	/* its last words stand before the verdict */
	t->pid = -1;
	p = t->p;
	verdict = trial_judge(t, status, why, sizeof why);
	layout = trial_has_layout(t);
	trial_free(&t);
	p.done(p.arg, verdict, layout);
	return (true);
}

/* --- begin and end -----------------------------------------------------------*/

static void
trial_close(const int *fds, size_t n)
{
	while (n > 0)
		if (fds[--n] != -1)
			(void)close(fds[n]);
}

/* fds: its stdout, its stderr, the record; to be closed by the caller. */
static int
trial_fork(struct trial *t, const int fds[3])
{
	char *variable = pass_variable(PASS_TRIAL, fds[2], NULL), **envp;
	pid_t master;
	int error;

	envp = variable == NULL ? NULL : leap_environment(variable);
	if (envp == NULL) {
		free(variable);
		errno = ENOMEM;
		return (-1);
	}
	(void)fflush(NULL);
	master = getpid();
	t->pid = fork();
	if (t->pid == 0)
		trial_run(&t->p, envp, fds, master);
	error = errno;
	free(envp);
	free(variable);
	errno = error;
	return (t->pid == -1 ? -1 : 0);
}

static int
trial_start(struct trial *t, const struct record *r)
{
	int answer[2], fds[3] = { -1, -1, -1 }, error;
	bool ok;

	if (pipe2(answer, O_CLOEXEC | O_NONBLOCK) == -1)
		return (-1);
	fds[0] = answer[1];
	if (loop_add(t->p.loop, &t->io, answer[0], LOOP_IN, trial_on_answer) ==
	    -1) {
		error = errno;
		(void)close(answer[0]);
		t->io.fd = -1;
		trial_close(fds, nitems(fds));
		errno = error;
		return (-1);
	}
	fds[1] = says_open(&t->says, t->p.loop, "trial", 0);
	fds[2] = fds[1] == -1 ? -1 : pass_make(r);
	ok = fds[2] != -1 && trial_fork(t, fds) == 0;
	error = errno;
	trial_close(fds, nitems(fds));
	errno = error;
	return (ok ? 0 : -1);
}

struct trial *
trial_begin(const struct trial_params *p, const struct record *r)
{
	struct trial *t = calloc(1, sizeof *t);
	int error;

	if (t == NULL)
		return (NULL);
	t->p = *p;
	t->pid = -1;
	t->io.fd = -1;
	if (trial_start(t, r) == -1) {
		error = errno;
		trial_free(&t);
		errno = error;
		return (NULL);
	}
	timer_start(loop_wheel(p->loop), &t->late,
	    mono_add_ms(loop_now(p->loop), p->ms), trial_on_late);
	return (t);
}

void
trial_free(struct trial **tp)
{
	struct trial *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	if (t->pid != -1)
		(void)kill(t->pid, SIGKILL);
	timer_stop(loop_wheel(t->p.loop), &t->late);
	trial_hang_up(t);
	says_close(&t->says);
	free(t);
}
