/*
 * Becoming another program, in the same process: the descriptors that it is to
 * have stay open, everything else goes.  And the way back, from a program that
 * does not do: by its own judgement, or because it crashes, exits or hangs
 * before it was found good.
 */
#ifndef MASTER_UPGRADE_LEAP_H
#define MASTER_UPGRADE_LEAP_H

#include <stdbool.h>

#include "base/bug.h"

struct record;

/* What programs are started with, copied at the start, as long as it is all
 * there; argv[0] is replaced by the path. */
void	leap_remember(char *const *argv, char *const *environment);
/* For a trial: the arguments, and the environment with one more in it, to be
 * freed (NULL: no memory). */
char	*const *leap_arguments(void);
char	**leap_environment(char *variable) MUST_USE;

/* To the program at this path, with a record of descriptors that are ours.
 * Returns if nothing came of it: all is as it was, and errno says why. */
void	leap_on(const char *path, const struct record *);

/* In a program that was leapt to, first of all: from now on it goes back rather
 * than end.  record_fd and all in the record stay as they are until the end. */
void	leap_guard(const struct record *, int record_fd);
bool	leap_guarded(void);
/* It is good: the descriptors of the record are closed. */
void	leap_unguard(void);
/* Back, with another record (of what there is now).  Returns as leap_on(). */
void	leap_back(const struct record *, const char *why);

#endif
