/*
 * The words of roost.conf: "quoted", 'quoted' or neither, with variables filled
 * in, and the marks between them.  Comments and white space are passed over.
 */
#ifndef CONF_TEXT_LEX_H
#define CONF_TEXT_LEX_H

#include "base/buf.h"
#include "conf/model.h"
#include "conf/text/diag.h"

enum conf_lexeme {
	CONF_LEX_END,
	CONF_LEX_WORD,		/* text, unset, at */
	CONF_LEX_MARK,		/* mark, at: one of { } = += ( ) , */
	CONF_LEX_BAD		/* was reported, and nothing else is */
};

struct conf_lex {
	const struct conf_source *src;
	struct conf_diags *diags;
	struct slice	 in;		/* what is left to read */
	int		 line;
	bool		 quiet;		/* caller's: no word on unset variables */
	/* what was found */
	struct buf	 text;		/* UTF-8 without NUL */
	bool		 unset;		/* a variable in it is */
	struct slice	 mark;		/* part of the source's text */
	int		 at;		/* its line */
};

void	conf_lex_init(struct conf_lex *, const struct conf_source *,
	    struct conf_diags *);
void	conf_lex_fini(struct conf_lex *);
enum conf_lexeme conf_lex_next(struct conf_lex *);

#endif
