/*
 * The end of a process that found a bug in itself.  Called through MUST()
 * by everybody; what happens to the note is the role's business.
 */
#include "base/bug.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/coverage.h"

void (*bug_panic_hook)(const char *note);

void
bug_fail(const char *func, const char *file, int line, const char *cond)
{
	static char note[512]; /* no allocation, little stack: all may be bad */
	static int entered;
	struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };
	int n;

	if (entered++ == 0) {
		n = snprintf(note, sizeof note, "%s %s:%d MUST(%s)", func, file,
		    line, cond);
		if (n < 0)
			note[0] = '\0';
		if (bug_panic_hook != NULL)
			bug_panic_hook(note);
		coverage_save();
		/* a pipe that nobody reads must not keep us from the end */
		if (poll(&err, 1, 0) != 1 ||
		    write(STDERR_FILENO, note, strlen(note)) < 0 ||
		    write(STDERR_FILENO, "\n", 1) < 0)
			abort();
	}
	abort();
}
