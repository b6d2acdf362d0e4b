/*
 * What load.c and load_tls.c share: files by name, with their errors.
 * Private to load*.c.
 */
#ifndef MASTER_READ_LOAD_INT_H
#define MASTER_READ_LOAD_INT_H

#include "master/read/load.h"

struct load_context {
	const struct conf *conf;
	const char	*file;		/* the configuration's name */
	struct conf_errors *errors;
};

/* A file into an initialised buf; false: told why, under this line. */
bool	load_named(const struct load_context *, int line, const char *what,
	    const char *path, struct buf *);
/* The same; what is empty is an error.  A null slice: it has been told why. */
struct slice load_pem(const struct load_context *, int line, const char *what,
	    const char *path, struct buf *);

/* load_tls.c */
bool	load_tls_room(struct load *, const struct conf *) MUST_USE;
void	load_tls(const struct load_context *, const struct conf *,
	    struct load *);
void	load_tls_free(struct load *);	/* wipes private keys */

#endif
