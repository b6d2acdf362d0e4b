/*
 * Between remote.c and remote_rooms.c: what the commands have in common that the
 * HTTP API carries out.
 */
#ifndef ROOSTCTL_REMOTE_INT_H
#define ROOSTCTL_REMOTE_INT_H

#include "base/buf.h"
#include "tools/roostctl/remote.h"

/* For whom: the letters are those of all commands. */
struct remote_whom {
	const char	*room, *user, *sid;
	bool		 all;		/* -a */
	bool		 is_volatile;	/* -v */
	bool		 finish;	/* -f */
	const char	*ns;		/* -n */
};
/* Options of the command; false: unknown ones. */
bool	remote_whom(struct remote_whom *, int argc, char **argv,
	    const char *letters) MUST_USE;
void	remote_put_whom(struct buf *, const struct remote_whom *);

/* Members of an object, which the first begins. */
void	remote_member(struct buf *, const char *name, struct slice raw);
void	remote_text(struct buf *, const char *name, const char *text);
/* In a path. */
void	remote_encode(struct buf *, const char *text);
const char *remote_namespace(const char *ns);
/* The second argument, if there is one, says something: of nothing the API would
 * think that it was not asked for. */
bool	remote_is_named(int argc, char **argv);

/* What to exit with; path ends with a NUL. */
int	remote_ask(const struct remote_options *, const char *method,
	    const struct buf *path, struct slice body) MUST_USE;
int	remote_usage(const char *words) MUST_USE;

#endif
