/*
 * What is wrong, in words: the counters that mean trouble, and one verdict on
 * the daemon with its reasons.  Part of the model, and as pure.
 */
#ifndef ROOSTSTAT_VERDICT_H
#define ROOSTSTAT_VERDICT_H

#include "tools/rooststat/model.h"

/* Does this metric mean trouble when it is not 0? */
bool	verdict_is_problem(const struct stats_metric *, enum model_severity *);
/* Fills problem[] (room for nrate of them) from rate[]. */
void	verdict_problems(struct model *);
/* Fills verdict and reason[] from all the rest. */
void	verdict_judge(struct model *);

#endif
