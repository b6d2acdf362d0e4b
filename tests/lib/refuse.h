/*
 * Calls of the host that fail on demand.  A test links refuse.c with
 * $(REFUSE_WRAPS); then refuse() says which call fails, with what.  The
 * state is shared by the process that asks and those that it forks, so that of
 * all that a daemon does one call fails.  A parent that called
 * refuse(NULL, 0, 0, 0) before can see how it went.
 */
#ifndef TESTS_LIB_REFUSE_H
#define TESTS_LIB_REFUSE_H

#define REFUSE_ALWAYS	1000000u

/* The nth call (1...) by that name, NULL: by any, and those that follow, until
 * so many have failed with error.  Not among "any": "write", and "memory"
 * (malloc, calloc, realloc). */
void	refuse(const char *name, unsigned nth, unsigned times, int error);
/* From now on all goes well; how many calls have failed. */
unsigned refuse_end(void);
/* How many calls by that name there were since. */
unsigned refuse_seen(void);
/* The last that failed; "" before. */
const char *refuse_last(void);
/* Whom connect() finds at /dev/log; NULL: who is there. */
extern const char *refuse_dev_log;

#endif
