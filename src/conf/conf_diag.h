/*
 * What is wrong with a configuration, gathered while it is read, so that all
 * of it can be told at once and in the order of the file's lines.
 */
#ifndef CONF_CONF_DIAG_H
#define CONF_CONF_DIAG_H

#include <stddef.h>

#include "base/bug.h"

struct conf_errors;

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
/* Sort by line, append to the caller's errors, clear. */
void	conf_diags_flush(struct conf_diags *, struct conf_errors *);

/*
 * Memory for a configuration: a few kilobytes, asked for at start and reload.
 * Never NULL: a host without that much left is beyond refusing politely.
 * realloc: room for n elements of that size in a growing array.
 */
void	*conf_calloc(size_t n, size_t size) MUST_USE;
void	*conf_grow(void *, size_t n, size_t *cap, size_t size) MUST_USE;
char	*conf_strndup(const void *, size_t n) MUST_USE;
char	*conf_strdup(const char *) MUST_USE;

#endif
