/*
 * A value of roost.conf on its way from its tokens to a field, and the parse
 * that it is part of: what the files of all types stand on.
 */
#ifndef CONF_VALUE_VALUE_H
#define CONF_VALUE_VALUE_H

#include "conf/model.h"
#include "conf/text/diag.h"
#include "conf/text/table.h"
#include "conf/text/tree.h"

struct conf_parser {
	const struct conf_source *src;
	struct conf_diags diags;
	struct conf	*conf;		/* being filled in */
};

/* The tokens given to one directive. */
struct conf_value {
	const struct conf_directive *row;
	const struct conf_token *tokens;
	size_t		 n;		/* 0: an empty list was given */
	struct conf_place at;		/* of the directive's name */
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

/* Report what is wrong with a value: "limits: connections = x: WRONG"; token
 * NULL: with the directive. */
void	conf_value_bad(struct conf_parser *, const struct conf_value *,
	    const struct conf_token *, const char *wrong, ...)
	    PRINTF_LIKE(4, 5);

/* A token that can't be judged, because a variable in it is not set. */
bool	conf_value_unset(const struct conf_value *);

#endif
