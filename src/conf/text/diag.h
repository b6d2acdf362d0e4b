/*
 * What is wrong with a configuration, gathered while it is read, so that all
 * of it can be told at once and in the order of the file's lines.
 */
#ifndef CONF_TEXT_DIAG_H
#define CONF_TEXT_DIAG_H

#include <stddef.h>

#include "base/bug.h"

/* Where a text came from: a line of the file, "-o", a variable's name. */
struct conf_place {
	const char	*file;		/* borrowed */
	int		 line;		/* 0: none */
};

struct conf_diag {
	struct conf_place at;
	char		*text;		/* heap */
};

struct conf_diags {
	struct conf_diag *rows;		/* heap */
	size_t		 n, cap;
};

void	conf_diags_init(struct conf_diags *);
void	conf_diags_fini(struct conf_diags *);
void	conf_diags_clear(struct conf_diags *);
void	conf_diag(struct conf_diags *, struct conf_place, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
/* By file, then line. */
void	conf_diags_sort(struct conf_diags *);

#endif
