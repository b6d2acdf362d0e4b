/*
 * Which metrics are meant: by the shell patterns of the command line, and by
 * what is typed at the screen.  Pure.
 */
#ifndef ROOSTSTAT_MATCH_H
#define ROOSTSTAT_MATCH_H

#include "shm/stats.h"

/*
 * Some pattern matches the metric's name, the same as exported (roost_…), or
 * either with {labels} behind.  No patterns: all match.
 */
bool	match_metric(const struct stats_metric *, char *const *patterns);
/* Is there a metric that this one pattern matches? */
bool	match_some(const struct stats_snapshot *, char *pattern);
/* Typed: a part of the text, case ignored, or a pattern if it has * ? or [. */
bool	match_text(const char *text, const char *typed);
/* Leaves only the metrics that match; values stay where they are. */
void	match_reduce(struct stats_snapshot *, char *const *patterns);

#endif
