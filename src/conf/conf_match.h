/*
 * Patterns of names: "dm:{a}:{b}", "/ws/comments/{track_id}", and templates
 * that are filled in.  Text to pieces here; conf.h has what matches them.
 */
#ifndef CONF_CONF_MATCH_H
#define CONF_CONF_MATCH_H

#include "base/buf.h"
#include "conf/conf.h"

/*
 * Split text at its {parameters}.  NULL, or what is wrong (static) with
 * nothing left to free: a brace without partner, a name that is none, one
 * used twice, no byte between two parameters, more than CONF_PARAMS_MAX.
 */
const char *conf_pattern_parse(const char *text, struct conf_pattern *)
	    MUST_USE;
void	conf_pattern_fini(struct conf_pattern *);
/* They match the same names: equal but for what the parameters are called. */
bool	conf_pattern_same(const struct conf_pattern *,
	    const struct conf_pattern *);

/* The same for a template, in which parameters may repeat and touch. */
const char *conf_template_parse(const char *text, struct conf_piece **,
	    size_t *npieces) MUST_USE;
void	conf_pieces_free(struct conf_piece *, size_t);
void	conf_pieces_print(const struct conf_piece *, size_t, struct buf *);

/* What conf.h calls private: a sorted array of names. */
struct conf_indexed {
	struct slice	 name;		/* borrowed */
	const void	*what;
	int		 line;
};
struct conf_index {
	struct conf_indexed *names;
	size_t		 n;
};
void	conf_index_sort(struct conf_index *);
/* NULL when absent; index may be NULL. */
const void *conf_index_find(const struct conf_index *, struct slice name);

#endif
