/*
 * What roost.conf says, as a tree: sections, and in each the words that it
 * gives to directives.  Names are those of the table; what the words mean is
 * for others to say.  Made and walked by conf/read.
 */
#ifndef CONF_TEXT_TREE_H
#define CONF_TEXT_TREE_H

#include "conf/text/diag.h"
#include "conf/text/table.h"

struct conf_source;

struct conf_token {
	struct conf_place at;
	char		*text;		/* heap, UTF-8 without NUL */
	bool		 unset;		/* holds a variable that is not set,
					 * already reported: don't judge it */
};

/* One directive of a section. */
struct conf_given {
	size_t		 row;		/* of the table */
	int		 line;		/* of its name, the first time */
	struct conf_token *tokens;	/* heap; none: an empty list */
	size_t		 n, cap;
};

struct conf_tree {
	enum conf_section section;
	int		 line;		/* of its name */
	struct conf_token title;	/* text is NULL: it has none */
	struct conf_given *given;	/* heap, as in the file */
	size_t		 ngiven, given_cap;
	struct conf_tree *parts;	/* heap, the sections in it */
	size_t		 nparts, parts_cap;
};

/*
 * false: the text can't be read on, and the diagnostics say why.  Otherwise
 * unknown and repeated names have been reported and left out.
 */
bool	conf_tree_read(struct conf_tree *, const struct conf_source *,
	    struct conf_diags *) MUST_USE;
void	conf_tree_fini(struct conf_tree *);

/* What it gives to a directive, made when there is nothing yet. */
struct conf_given *conf_tree_give(struct conf_tree *, size_t row, int line);
void	conf_given_add(struct conf_given *, struct conf_token);
void	conf_given_clear(struct conf_given *);

/* Questions; the tree may be NULL, a section that is not in the file. */
/* The sections of a kind in this one: how many, and the next behind one of
 * them, or the first behind NULL; NULL: no more. */
size_t	conf_tree_count(const struct conf_tree *, enum conf_section);
const struct conf_tree *conf_tree_next(const struct conf_tree *,
	    enum conf_section, const struct conf_tree *behind);
/* The one without title of that kind in the whole, or the whole; NULL. */
const struct conf_tree *conf_tree_plain(const struct conf_tree *,
	    enum conf_section);
/* What it gives to a directive; NULL: it doesn't say. */
const struct conf_given *conf_tree_given(const struct conf_tree *,
	    size_t row);

#endif
