/*
 * The effective configuration in the order of a file: sections, and in each
 * all its directives with what they fill in.  For who prints it, and for who
 * compares two.
 */
#ifndef CONF_READ_WALK_H
#define CONF_READ_WALK_H

#include "conf/model.h"
#include "conf/text/table.h"

struct conf_visitor {
	void		*arg;
	/* A section begins; title NULL: it has none.  The file itself is no
	 * section. */
	void		(*open)(void *arg, enum conf_section, const char *title);
	void		(*close)(void *arg);
	/* object: the struct that the directive's offset is in. */
	void		(*directive)(void *arg, const struct conf_directive *,
			    const void *object);
};

void	conf_walk(const struct conf *, const struct conf_visitor *);

#endif
