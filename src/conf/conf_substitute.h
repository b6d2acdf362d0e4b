/*
 * Values from outside of the file: the arguments of -o, and the variables
 * that count where the file is silent (JWT_SECRET, ALLOWED_ORIGIN).
 */
#ifndef CONF_CONF_SUBSTITUTE_H
#define CONF_CONF_SUBSTITUTE_H

#include "conf/conf.h"
#include "conf/conf_diag.h"
#include "conf/conf_scan.h"
#include "conf/conf_table.h"

/* For each directive the tokens that take the place of the file's. */
struct conf_substitutes {
	struct {
		bool		 given;
		struct conf_token *tokens;	/* heap; NULL: empty list */
		size_t		 n;
	} rows[CONF_NDIRECTIVES];
};

void	conf_substitutes_init(struct conf_substitutes *);
void	conf_substitutes_fini(struct conf_substitutes *);
/* Each "limits.connections=10"; what can't be used is reported. */
void	conf_substitutes_overrides(struct conf_substitutes *,
	    const struct conf_source *, struct conf_diags *);
/* has_keys: the file has jwt keys in sections of their own. */
void	conf_substitutes_environment(struct conf_substitutes *,
	    const struct conf_source *, const struct conf_scan *,
	    bool has_keys);

#endif
