/*
 * Until it is done; see wait.h.
 */
#include "tools/roostctl/wait.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tools/roostctl/words.h"

#define WAIT_LOOK_US	20000

static const char *const wait_names[] = {
	[BOARD_NOTHING] = "nothing", [BOARD_RELOAD] = "the reload",
	[BOARD_RESIZE] = "the change of the number of workers",
	[BOARD_UPGRADE] = "the upgrade", [BOARD_REBALANCE] = "the rebalance",
	[BOARD_REOPEN] = "opening the log again",
};

static int
wait_kill(const struct daemon *d, int sig)
{
	if (kill(d->pid, sig) == 0)
		return (EX_OK);
	(void)fprintf(stderr, "roostctl: roostd, process %d: %s\n",
	    (int)d->pid, errno == ESRCH ? "it has ended" : strerror(errno));
	return (errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE);
}

/* --- a task ---------------------------------------------------------------*/

/* Changes to stdout, unless none of them has come into force; what is wrong to
 * stderr. */
static void
wait_print(const struct board_copy *c, bool done)
{
	const char *line = c->text, *end;
	size_t left = c->text_n;
	struct buf good, bad;

	buf_init(&good);
	buf_init(&bad);
	while (left > 2 && (end = memchr(line, '\n', left)) != NULL) {
		words_put(line[0] == 'i' ? &good : &bad, line[0],
		    slice_of(line + 2, (size_t)(end - line) - 2));
		left -= (size_t)(end - line) + 1;
		line = end + 1;
	}
	if (c->cut > 0)
		buf_printf(&bad, "and %" PRIu32 " more lines, in the log\n",
		    c->cut);
	if (done && good.wpos > 0)
		(void)fwrite(good.data, 1, good.wpos, stdout);
	(void)fflush(stdout);
	if (bad.wpos > 0)
		(void)fwrite(bad.data, 1, bad.wpos, stderr);
	buf_fini(&good);
	buf_fini(&bad);
}

/* Its lines are there unless something else was begun since. */
static int
wait_outcome(const struct board_copy *c, enum board_task task)
{
	if (c->task == task)
		wait_print(c, c->how[task] == BOARD_DONE);
	if (c->how[task] == BOARD_DONE)
		return (EX_OK);
	(void)fprintf(stderr, "roostctl: %s failed%s%s\n", wait_names[task],
	    task == BOARD_RELOAD ? "; nothing has changed" : "",
	    c->task == task ? "" : "; see the log");
	return (task == BOARD_RELOAD ? EX_CONFIG : EX_SOFTWARE);
}

static int
wait_too_long(const struct board_copy *c, enum board_task task,
    uint64_t before, unsigned seconds)
{
	const char *why = "";

	if (c->number <= before)
		why = ": it has not begun; what was asked for before is not "
		    "over yet";
	(void)fprintf(stderr, "roostctl: %s is not over within %u seconds%s. "
	    "It may still be done: see the log\n", wait_names[task], seconds,
	    why);
	return (EX_TEMPFAIL);
}

static int
wait_ended(const struct daemon *d)
{
	(void)fprintf(stderr, "roostctl: roostd, process %d, has ended "
	    "meanwhile: see its log\n", (int)d->pid);
	return (EX_UNAVAILABLE);
}

int
wait_task(struct daemon *d, int sig, enum board_task task, unsigned seconds)
{
	static struct board_copy c;	/* large; one at a time */
	struct mono end = mono_add_ms(mono_now(), seconds * UINT64_C(1000));
	uint64_t before;
	int code;

	if (find_board(d, &c) == -1 && !find_lives(d))
		return (wait_ended(d));
	/* one that was noted while another was at work has a higher number */
	before = c.last[task] > c.number ? c.last[task] : c.number;
	code = wait_kill(d, sig);
	if (code != EX_OK)
		return (code);
	for (;;) {
		if (find_board(d, &c) == 0 && c.last[task] > before)
			return (wait_outcome(&c, task));
		if (!find_lives(d))
			return (wait_ended(d));
		if (mono_now().us >= end.us)
			return (wait_too_long(&c, task, before, seconds));
		(void)usleep(WAIT_LOOK_US);
	}
}

/* --- the end --------------------------------------------------------------*/

int
wait_end(struct daemon *d, int sig, unsigned seconds)
{
	struct mono end = mono_add_ms(mono_now(), seconds * UINT64_C(1000));
	int code = wait_kill(d, sig);

	while (code == EX_OK && find_lives(d)) {
		if (mono_now().us >= end.us) {
			(void)fprintf(stderr, "roostctl: roostd, process %d, "
			    "has not ended within %u seconds\n", (int)d->pid,
			    seconds);
			return (EX_TEMPFAIL);
		}
		(void)usleep(WAIT_LOOK_US);
	}
	return (code);
}
