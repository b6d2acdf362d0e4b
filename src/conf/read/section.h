/*
 * A section of the tree on its way to a struct: what the readers of sections
 * share.
 */
#ifndef CONF_READ_SECTION_H
#define CONF_READ_SECTION_H

#include "conf/text/tree.h"
#include "conf/value/value.h"

struct conf_reading {
	struct conf_parser p;
	struct conf_tree tree;		/* the file */
	struct conf_tree substitutes;	/* see substitute.h */
	char		 where[96];	/* the section being filled in */
};

/* Every row of the section: by default, by what stands for it (-o, the
 * environment), by what it says.  The tree is NULL when the file has none;
 * at is blamed for what is missing. */
void	conf_section_fill(struct conf_reading *, const struct conf_tree *,
	    enum conf_section, struct conf_place at, void *object);
/* The line of the file that gives a value to a directive of a section without
 * title; line 0: none does. */
struct conf_place conf_section_place(struct conf_reading *,
	    enum conf_section, const char *name);

/* One with a title. */
void	conf_titled_fill(struct conf_reading *, const struct conf_tree *,
	    void *object);
/* Its title as a name (heap), and the line; an empty one is told. */
char	*conf_titled_name(struct conf_reading *, const struct conf_tree *,
	    int *line) MUST_USE;
/* `room "x": WRONG` */
void	conf_titled_bad(struct conf_reading *, const struct conf_tree *,
	    const char *wrong);
/*
 * Says so when an earlier one of its kind in that section is the same.
 * objects is what they have become, s the last of them: an array of elements
 * of that size, of which same compares two.  NULL: titles are compared.
 */
void	conf_titled_repeats(struct conf_reading *, const struct conf_tree *in,
	    const struct conf_tree *s, const void *objects, size_t size,
	    bool (*same)(const void *, const void *));
/* `room "x": is there already (line FIRST)` */
void	conf_section_again(struct conf_reading *, enum conf_section,
	    const char *title, int line, int first);

#endif
