/*
 * Values from outside of the file: the arguments of -o, and the variables
 * that count where the file is silent (JWT_SECRET, REDIS_URL,
 * ALLOWED_ORIGIN).
 */
#ifndef CONF_TEXT_SUBSTITUTE_H
#define CONF_TEXT_SUBSTITUTE_H

#include "conf/model.h"
#include "conf/text/tree.h"

/* They are gathered in a tree of their own, in which all are of the whole,
 * whatever their section: rows of the table tell them apart. */

/* Each "limits.connections=10"; what can't be used is reported. */
void	conf_substitute_overrides(struct conf_tree *,
	    const struct conf_source *, struct conf_diags *);
/* file: what it says, the environment does not. */
void	conf_substitute_environment(struct conf_tree *,
	    const struct conf_source *, const struct conf_tree *file);

#endif
