/*
 * Regular expressions, as patterns of members are written: those of ECMAScript
 * (with the flag u) that a set of states can follow, in time that grows with the
 * text and the pattern, whatever they are.
 *
 *	x  .  [a-z]  [^a-z]  \d \w \s \D \W \S  \t \n \r \f \v \0  \xHH  \uHHHH
 *	\u{H...}  \ before any sign  ^  $  x|y  (x)  (?:x)  x* x+ x? x{n} x{n,}
 *	x{n,m}, and each with a ? behind it
 *
 * No other: \b, \1, (?=x), (?<n>x) and \p{...} are refused.
 */
#ifndef CONF_SCHEMA_REGEX_H
#define CONF_SCHEMA_REGEX_H

#include "base/bug.h"
#include "base/slice.h"

#define CONF_REGEX_BYTES	4096	/* longest text that is looked at */

struct conf_regex;

/* NULL: *wrong says why. */
struct conf_regex *conf_regex_new(const char *text, const char **wrong)
	    MUST_USE;
void	conf_regex_free(struct conf_regex **);	/* NULL is fine */
/* Some of the text (UTF-8) matches.  false also: longer than that.  *work grows
 * by the places in the pattern that were looked at, for each character. */
bool	conf_regex_match(const struct conf_regex *, struct slice, uint64_t *work)
	    MUST_USE;

#endif
