/*
 * From the text of roost.conf to what libconfuse can be trusted with.  The
 * scanner removes comments, expands ${VAR}, and puts the number of a token in
 * the place of each title and value, because libconfuse 3.3
 *	- counts a comment as three lines,
 *	- takes variables from getenv() alone, and unset ones for empty,
 *	- stops at the first unknown name, and takes an open section for whole,
 *	- lets a second section of the same title replace the first.
 * Tokens keep their text and line; the structure stays libconfuse's to read.
 */
#ifndef CONF_CONF_SCAN_H
#define CONF_CONF_SCAN_H

#include "base/buf.h"
#include "conf/conf_diag.h"
#include "conf/conf_table.h"

struct conf_source;

struct conf_token {
	struct conf_place at;
	char		*text;		/* heap, UTF-8 without NUL */
	bool		 unset;		/* holds a variable that is not set,
					 * already reported: don't judge it */
};

struct conf_scan {
	struct conf_token *tokens;	/* heap */
	size_t		 n, cap;
	struct buf	 clean;		/* text for cfg_parse_buf, with NUL */
	int		 given[CONF_NDIRECTIVES]; /* line, first; 0: not at all */
};

void	conf_scan_init(struct conf_scan *);
void	conf_scan_fini(struct conf_scan *);
/*
 * false: the text can't be read on; the diagnostics say why.  Otherwise
 * unknown and repeated directives have been reported and left out of clean.
 * A text whose structure is wrong ends in clean where it went wrong.
 */
bool	conf_scan(struct conf_scan *, const struct conf_source *,
	    struct conf_diags *) MUST_USE;

#endif
