/*
 * SIGSYS; see denied.h.
 */
#include "master/confine/denied.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bug.h"
#include "shm/counters.h"

#define DENIED_MAX	1024	/* numbers of calls are less */

enum { DENIED_DEADLY = 1, DENIED_KNOWN = 2 };

static struct denied_call {
	const char	*name;
	unsigned	 what;
	atomic_uint	 times;		/* that it was refused */
	bool		 told;
} denied_calls[DENIED_MAX];
static atomic_bool denied_any;

bool
denied_returns(void)
{
#if defined(__x86_64__) || defined(__aarch64__) || defined(__riscv)
	return (true);
#else
	return (false);
#endif
}

/* What the call returns to whoever made it. */
static void
denied_return(ucontext_t *u, int error)
{
#if defined(__x86_64__)
	u->uc_mcontext.gregs[REG_RAX] = -error;
#elif defined(__aarch64__)
	u->uc_mcontext.regs[0] = (unsigned long long)-error;
#elif defined(__riscv)
	u->uc_mcontext.__gregs[REG_A0] = (unsigned long)-error;
#else
	(void)u;
	(void)error;
#endif
}

/* We are in the middle of anything: no lock, no memory, no printf. */
static void	denied_end(const char *name) NORETURN;
static void
denied_end(const char *name)
{
	static char note[96] = "a forbidden system call: ";
	struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };
	size_t n = strlen(note), i;

	for (i = 0; name[i] != '\0' && n + 2 < sizeof note; i++)
		note[n++] = name[i];
	if (bug_panic_hook != NULL)
		bug_panic_hook(note);
	note[n++] = '\n';
	/* a pipe that nobody reads must not keep us from the end */
	if (poll(&err, 1, 0) == 1 && write(STDERR_FILENO, note, n) < 0)
		note[0] = '\0';
	(void)signal(SIGSYS, SIG_DFL);
	for (;;)
		(void)raise(SIGSYS);
}

static void
denied_on_signal(int sig, siginfo_t *info, void *context)
{
	unsigned n = (unsigned)info->si_syscall;
	struct denied_call *d;

	(void)sig;
	d = &denied_calls[n < DENIED_MAX ? n : DENIED_MAX - 1];
	if ((d->what & DENIED_DEADLY) != 0)
		denied_end(d->name);
	counter_add(COUNTER_calls_denied, 1);
	atomic_fetch_add(&d->times, 1);
	atomic_store(&denied_any, true);
	/* unknown: as an older kernel would answer, and libraries expect */
	denied_return(context, d->what == DENIED_KNOWN ? EPERM : ENOSYS);
}

int
denied_open(void)
{
	struct sigaction sa;
	sigset_t one;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = denied_on_signal;
	/* one that blocks it would be killed without a word */
	sa.sa_flags = SA_SIGINFO | SA_NODEFER;
	(void)sigemptyset(&one);
	(void)sigaddset(&one, SIGSYS);
	if (sigprocmask(SIG_UNBLOCK, &one, NULL) == -1)
		return (-1);
	return (sigaction(SIGSYS, &sa, NULL));
}

static void
denied_name(int n, const char *name, unsigned what)
{
	if (n < 0 || n >= DENIED_MAX - 1)
		return;
	denied_calls[n].name = name;
	denied_calls[n].what |= what;
}

void
denied_deadly(int n, const char *name)
{
	denied_name(n, name, DENIED_DEADLY);
}

void
denied_known(int n, const char *name)
{
	denied_name(n, name, DENIED_KNOWN);
}

bool
denied_next(struct denied *out)
{
	unsigned times;
	int n;

	if (!atomic_exchange(&denied_any, false))
		return (false);
	for (n = 0; n < DENIED_MAX; n++) {
		times = atomic_load(&denied_calls[n].times);
		if (times == 0 || denied_calls[n].told)
			continue;
		denied_calls[n].told = true;
		*out = (struct denied){ n, times };
		atomic_store(&denied_any, true); /* there may be more */
		return (true);
	}
	return (false);
}
