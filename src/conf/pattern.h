/*
 * Patterns of names: "dm:{a}:{b}", "/ws/comments/{track_id}", and templates
 * that are filled in.
 */
#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include "base/buf.h"
#include "conf/model.h"

/* Match whole; values[i] is the i-th parameter (borrowed from s). */
bool	conf_pattern_match(const struct conf_pattern *, struct slice s,
	    struct slice values[CONF_PARAMS_MAX]);
/* Index of the parameter of that name, -1 if there is none. */
int	conf_pattern_param(const struct conf_pattern *, struct slice name);

/*
 * Split text at its {parameters}.  NULL, or what is wrong (static) with
 * nothing left to free: a brace without partner, a name that is none, one
 * used twice, no byte between two parameters, more than CONF_PARAMS_MAX.
 */
const char *conf_pattern_parse(const char *text, struct conf_pattern *)
	    MUST_USE;
void	conf_pattern_fini(struct conf_pattern *);
/* They match the same names: equal but for what the parameters are called; what
 * was no pattern matches nothing. */
bool	conf_pattern_same(const struct conf_pattern *,
	    const struct conf_pattern *);

/* The same for a template, in which parameters may repeat and touch. */
const char *conf_template_parse(const char *text, struct conf_piece **,
	    size_t *npieces) MUST_USE;
void	conf_pieces_free(struct conf_piece *, size_t);
void	conf_pieces_print(const struct conf_piece *, size_t, struct buf *);

#endif
