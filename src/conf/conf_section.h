/*
 * A section of the tree on its way to a struct: what the readers of sections
 * share.  Private to conf_parse.c, conf_section.c and conf_namespace.c.
 */
#ifndef CONF_CONF_SECTION_H
#define CONF_CONF_SECTION_H

#include "conf/conf_value.h"
#include "conf/conf_substitute.h"
#include "conf/conf_tree.h"

struct conf_reading {
	struct conf_parser p;
	struct conf_substitutes substitutes;
	struct cfg_t	*tree;
	char		 where[96];	/* the section being filled in */
};

/* One titled section: what its reader gets. */
struct conf_titled {
	struct cfg_t	*tree;
	enum conf_section id;
	const struct conf_token *title;
};

/* Every row of the section: by default, by what stands for it (-D, the
 * environment), by what it says.  at is blamed for what is missing. */
void	conf_section_fill(struct conf_reading *, struct cfg_t *,
	    enum conf_section, struct conf_place at, void *object);
/* `room "x"`, or `limits` without a title: for messages. */
void	conf_section_name(struct conf_reading *, enum conf_section,
	    const char *title);

struct conf_titled conf_titled_at(struct conf_reading *, struct cfg_t *tree,
	    enum conf_section, size_t i);
void	conf_titled_fill(struct conf_reading *, const struct conf_titled *,
	    void *object);
/* `room "x": WRONG`, or that it is there already. */
void	conf_titled_bad(struct conf_reading *, const struct conf_titled *,
	    const char *wrong);
void	conf_titled_repeats(struct conf_reading *, const struct conf_titled *,
	    int first);

/* conf_namespace.c: all of them, with their rooms and events. */
void	conf_namespaces_read(struct conf_reading *);

#endif
