/*
 * What a child writes to its stdout and stderr while the daemon is in the
 * background: mostly last words (of an abort, of a sanitizer, of libc), which
 * the master logs line by line.
 */
#ifndef MASTER_SAYS_H
#define MASTER_SAYS_H

#include "base/bug.h"
#include "sys/loop.h"

#define SAYS_LINE_MAX	512

struct says {			/* embed; zeroed */
	struct loop	*loop;
	struct loop_fd	 io;		/* our end of the pipe */
	bool		 open;
	const char	*title;		/* of the role */
	int		 slot;
	size_t		 n;		/* bytes of an unfinished line */
	char		 line[SAYS_LINE_MAX];
};

/* The end for the child, to be closed after the fork; -1 + errno. */
int	says_open(struct says *, struct loop *, const char *title, int slot)
	    MUST_USE;
/* Our end of one that another program has opened; taken. */
void	says_adopt(struct says *, struct loop *, int fd, const char *title,
	    int slot);
/* Log what is left and close. Harmless when not open. */
void	says_close(struct says *);

#endif
