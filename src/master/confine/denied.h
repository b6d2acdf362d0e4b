/*
 * A child has asked for a system call that is not on its list: the kernel does
 * not do it, and tells the child by SIGSYS.  One that nobody makes by accident
 * is the end of it, with a note for the master; another is refused, counted,
 * and logged within a second.  For confine.c.
 */
#ifndef MASTER_CONFINE_DENIED_H
#define MASTER_CONFINE_DENIED_H

#include "base/bug.h"
#include "base/slice.h"

/* Can a call that was denied return here?  Otherwise the kernel is to refuse
 * by itself. */
bool	denied_returns(void) MUST_USE;
/* Before there is a filter.  -1 + errno. */
int	denied_open(void) MUST_USE;
/* Call by number n is the end; it is known by that name.  Numbers without one
 * are refused. */
void	denied_deadly(int n, const char *name);
/* ... or is allowed with other arguments. */
void	denied_known(int n, const char *name);
/* One that was refused and not told of yet; each is told once. */
struct denied {
	int		 number;
	unsigned	 times;		/* so far */
};
bool	denied_next(struct denied *) MUST_USE;

#endif
