/*
 * The scanner's clean text as a tree of sections, read by libconfuse; no
 * other file knows that library.  It keeps state in globals: one parse at a
 * time in a process.
 */
#ifndef CONF_CONF_TREE_H
#define CONF_CONF_TREE_H

#include "conf/conf_diag.h"
#include "conf/conf_scan.h"
#include "conf/conf_table.h"

struct cfg_t;			/* libconfuse's; a section, or the whole */

/* The whole; NULL: the structure is wrong, and only that is in diags. */
struct cfg_t *conf_tree_read(const struct conf_scan *, const char *file,
	    struct conf_diags *) MUST_USE;
void	conf_tree_free(struct cfg_t **);

/* Sections of a kind in this one: how many, the i-th (without title: 0), and
 * its title. */
size_t	conf_tree_count(struct cfg_t *, enum conf_section);
struct cfg_t *conf_tree_section(struct cfg_t *, enum conf_section, size_t i);
const struct conf_token *conf_tree_title(struct cfg_t *,
	    const struct conf_scan *);

/* The tokens that a section gives to a directive, as an array on the heap;
 * NULL when it gives none.  The section may be NULL. */
const struct conf_token **conf_tree_values(struct cfg_t *,
	    const struct conf_scan *, const struct conf_directive *,
	    size_t *n) MUST_USE;

#endif
