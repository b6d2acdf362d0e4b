/*
 * What is wrong with a configuration, told in the form of compilers: by those
 * who read it, and by those who find trouble later (a missing file).
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include "base/buf.h"
#include "base/bug.h"

#define CONF_ERROR_MAX	512	/* bytes of one message */

struct conf_errors {
	struct buf	 text;		/* lines "FILE:LINE: message\n" */
	unsigned	 count;
};

void	conf_errors_init(struct conf_errors *);
void	conf_errors_fini(struct conf_errors *);
#define CONF_LINE_OPTION (-1)	/* in place of a line: -o, not the file */

/* line 0: none. */
void	conf_error(struct conf_errors *, const char *file, int line,
	    const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
