/*
 * Would another program do in our place?  It is started beside us with what it
 * would be told, reads the configuration, says yes or no, and ends: it touches
 * nothing that we share with anybody.  One at a time.
 */
#ifndef MASTER_TRIAL_H
#define MASTER_TRIAL_H

#include <sys/types.h>

#include "base/bug.h"
#include "sys/loop.h"

struct record;
struct trial;

#define TRIAL_SAYS_MAX	256	/* of what it answers */

struct trial_params {
	struct loop	*loop;
	const char	*binary;	/* path from the root */
	const char	*directory;	/* where to start it; NULL: here */
	uint64_t	 ms;		/* then it is killed */
	/* Once: why NULL, it does (layout: not with the shared memory there
	 * is); otherwise why not.  The trial is gone. */
	void		(*done)(void *arg, const char *why, bool layout);
	void		*arg;
};

/* NULL + errno: it could not be begun. */
struct trial *trial_begin(const struct trial_params *, const struct record *)
	    MUST_USE;
/* A child that was waited for; false: it was another. */
bool	trial_reaped(struct trial *, pid_t, int status);
/* Kill it, and forget. */
void	trial_free(struct trial **);

/* In the program that is tried: the answer, and the end.  why NULL: yes; layout:
 * by shared memory of its own. */
void	trial_answer(const char *why, bool layout) NORETURN;

#endif
