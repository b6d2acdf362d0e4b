/*
 * TTIN and TTOU, until there are so many; see resize.h.  Two of a kind that
 * are sent at once may be one: each is sent when the one before was noticed.
 */
#include "tools/roostctl/resize.h"

#include <bsd/stdlib.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/roostctl/wait.h"

#define RESIZE_LOOK_US	10000
#define RESIZE_MOST	64

static struct board_copy resize_board;	/* large; one a process */

/* 0: it is not known. */
static unsigned
resize_fact(struct daemon *d, const char *name)
{
	const char *bad;
	struct slice v;
	char text[16];
	unsigned n;

	if (find_board(d, &resize_board) == -1 ||
	    !board_fact(&resize_board, name, &v) || v.n >= sizeof text)
		return (0);
	(void)snprintf(text, sizeof text, "%.*s", (int)v.n,
	    (const char *)v.p);
	n = (unsigned)strtonum(text, 1, 100000, &bad);
	return (bad == NULL ? n : 0);
}

/* All but the last. */
static int
resize_approach(struct daemon *d, unsigned n, struct mono end)
{
	unsigned wanted = resize_fact(d, "workers_wanted"), now;

	while (wanted != 0 && (wanted > n ? wanted - n : n - wanted) > 1) {
		if (kill(d->pid, wanted < n ? SIGTTIN : SIGTTOU) == -1)
			break;
		do {
			(void)usleep(RESIZE_LOOK_US);
			now = resize_fact(d, "workers_wanted");
		} while (now == wanted && find_lives(d) &&
		    mono_now().us < end.us);
		if (now == wanted)
			break;
		wanted = now;
	}
	return (wanted == 0 ? EX_TEMPFAIL : EX_OK);
}

int
resize_workers(struct daemon *d, const char *number, unsigned seconds)
{
	struct mono end = mono_add_ms(mono_now(), seconds * UINT64_C(1000));
	const char *bad;
	unsigned most = resize_fact(d, "workers_most"), n, before, wanted;
	int code;

	if (most == 0)
		most = RESIZE_MOST;
	n = (unsigned)strtonum(number, 1, most, &bad);
	if (bad != NULL) {
		(void)fprintf(stderr, "roostctl: workers %s: %s (1 to %u, until "
		    "a new start)\n", number, bad, most);
		return (EX_USAGE);
	}
	before = resize_fact(d, "workers_wanted");
	code = resize_approach(d, n, end);
	wanted = resize_fact(d, "workers_wanted");
	if (code != EX_OK || wanted == 0) {
		(void)fprintf(stderr, "roostctl: roostd, process %d, does not "
		    "say how many workers it has\n", (int)d->pid);
		return (EX_TEMPFAIL);
	}
	if (wanted != n)
		code = wait_task(d, wanted < n ? SIGTTIN : SIGTTOU,
		    BOARD_RESIZE, seconds);
	wanted = resize_fact(d, "workers_wanted");
	if (code == EX_OK && wanted == n && before != n)
		(void)printf("%u workers before, %u now\n", before, n);
	if (code != EX_OK || wanted == n)
		return (code);
	(void)fprintf(stderr, "roostctl: there are %u workers, not %u\n",
	    wanted, n);
	return (EX_TEMPFAIL);
}
