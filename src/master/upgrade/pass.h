/*
 * How a record comes to another program: in memory that cannot be changed any
 * more, whose descriptor is named by a variable of the environment.
 *
 *	ROOSTD_UPGRADE=trial:FD		would you do?  Say so and end
 *	ROOSTD_UPGRADE=on:FD		you are the master now
 *	ROOSTD_UPGRADE=back:FD:WHY	you are the master again: the program
 *					that followed you did not do
 */
#ifndef MASTER_UPGRADE_PASS_H
#define MASTER_UPGRADE_PASS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bug.h"

struct record;

#define PASS_VARIABLE	"ROOSTD_UPGRADE"
#define PASS_WHY_MAX	160

enum pass_way {
	PASS_NONE,		/* an ordinary start */
	PASS_TRIAL,
	PASS_ON,
	PASS_BACK,
	PASS_BAD		/* set by somebody else, or not for us */
};

/* What came with the environment. */
struct pass {
	enum pass_way	 way;
	enum pass_way	 asked;		/* BAD: what it would have been */
	int		 fd;		/* of the record, close-on-exec */
	struct record	*record;	/* heap; NULL: none, or BAD */
	struct buf	 bytes;		/* what it points into */
	char		 why[PASS_WHY_MAX]; /* BACK, BAD: in words */
	bool		 stranger;	/* BAD: of another version */
};

/* A sealed copy; -1 + errno. */
int	pass_make(const struct record *) MUST_USE;
/* NAME=VALUE for that descriptor, to be freed; NULL: no memory. */
char	*pass_variable(enum pass_way, int fd, const char *why);
/* At the start, once: takes the variable out of the environment.  What it finds
 * is needed as long as the process lives. */
void	pass_take(struct pass *);

#endif
