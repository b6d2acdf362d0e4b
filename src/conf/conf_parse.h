/*
 * What the files of the parser share: the context of one parse, a value on
 * its way to a field, and the index of names.  conf_parse() itself is in
 * conf.h.
 */
#ifndef CONF_CONF_PARSE_H
#define CONF_CONF_PARSE_H

#include "conf/conf.h"
#include "conf/conf_diag.h"
#include "conf/conf_scan.h"
#include "conf/conf_table.h"

struct conf_parser {
	const struct conf_source *src;
	struct conf_diags diags;
	struct conf_scan scan;
	struct conf	*conf;		/* being filled in */
};

/* The tokens given to one directive. */
struct conf_value {
	const struct conf_directive *row;
	struct conf_place at;		/* of its first token, or the section */
	const struct conf_token **tokens;
	size_t		 n;
	const char	*where;		/* "limits", "event \"x\"", ... */
};

/* The field of the row in its section's struct. */
static inline void *
conf_field_of(const struct conf_directive *row, void *object)
{
	return ((char *)object + row->offset);
}
static inline const void *
conf_field_in(const struct conf_directive *row, const void *object)
{
	return ((const char *)object + row->offset);
}

/* Report what is wrong with a value: "limits: connections = x: WRONG". */
void	conf_value_bad(struct conf_parser *, const struct conf_value *,
	    const struct conf_token *, const char *wrong, ...)
	    PRINTF_LIKE(4, 5);

/* A sorted array of names; what conf.h calls private. */
struct conf_name {
	struct slice	 name;		/* borrowed */
	const void	*what;
	int		 line;
};
struct conf_index {
	struct conf_name *names;
	size_t		 n;
};
void	conf_index_sort(struct conf_index *);
/* NULL when absent; index may be NULL. */
const void *conf_index_find(const struct conf_index *, struct slice name);

#endif
