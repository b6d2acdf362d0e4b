/*
 * An edition: a configuration and the files that it names, read and checked as
 * one.  main.c reads the first one; the master reads others as long as it runs,
 * in the same way: the same file, options and environment, from the directory
 * in which the daemon was started.
 */
#ifndef MASTER_READ_EDITION_H
#define MASTER_READ_EDITION_H

#include "base/buf.h"
#include "base/bug.h"
#include "conf/errors.h"
#include "conf/model.h"

struct load;

struct edition_source {
	const char	*file;		/* as it was named, maybe relative */
	const char	*directory;	/* of the start, if we have left it */
	const char	*const *overrides; /* of -o and -w */
	size_t		 noverrides;
	struct slice	 packet;	/* of conf_pack(), instead of all that;
					 * n = 0: none */
};

struct edition {
	unsigned	 magic;
#define EDITION_MAGIC	0xed171011
	struct conf	*conf;
	struct load	*load;		/* NULL: not asked for */
	struct buf	 text;		/* of the file */
};

enum edition_depth {
	EDITION_CONF,		/* the configuration alone */
	EDITION_FILES,		/* and the files that it names */
	EDITION_CHECK		/* and what is not needed for a start: the
				 * user, and what the relay reads later */
};

/*
 * before	the configuration that it follows, or NULL
 * returns	NULL with errors; without any, the file itself could not be
 *		read, and errno says why
 */
struct edition *edition_read(const struct edition_source *,
	    const struct conf *before, enum edition_depth,
	    struct conf_errors *) MUST_USE;
void	edition_free(struct edition **);	/* wipes private keys */
/* What it was parsed from; into text. */
struct conf_source edition_origin(const struct edition *,
	    const struct edition_source *);
/* How many workers it asks for, on this host as it is now. */
unsigned edition_workers(const struct edition *);

#endif
