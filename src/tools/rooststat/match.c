/*
 * Shell patterns against names of metrics.
 */
#include "tools/rooststat/match.h"

#include <fnmatch.h>
#include <stdio.h>

#include "shm/render.h"

#define MATCH_NAME	512

bool
match_metric(const struct stats_metric *m, char *const *patterns)
{
	char exported[MATCH_NAME], with[2][2 * MATCH_NAME];
	const char *name[4];
	unsigned i;

	if (patterns == NULL || *patterns == NULL)
		return (true);
	render_name(m, exported, sizeof exported);
	(void)snprintf(with[0], sizeof with[0], "%s{%s}", m->name, m->labels);
	(void)snprintf(with[1], sizeof with[1], "%s{%s}", exported,
	    m->labels);
	name[0] = m->name;
	name[1] = exported;
	name[2] = with[0];
	name[3] = with[1];
	for (; *patterns != NULL; patterns++)
		for (i = 0; i < nitems(name); i++)
			if (fnmatch(*patterns, name[i], 0) == 0)
				return (true);
	return (false);
}

bool
match_some(const struct stats_snapshot *s, char *pattern)
{
	char *const patterns[] = { pattern, NULL };
	unsigned i;

	for (i = 0; i < s->nmetrics; i++)
		if (match_metric(&s->metric[i], patterns))
			return (true);
	return (false);
}

bool
match_text(const char *text, const char *typed)
{
	if (typed[0] == '\0')
		return (true);
	if (strpbrk(typed, "*?[") != NULL)
		return (fnmatch(typed, text, FNM_CASEFOLD) == 0);
	return (strcasestr(text, typed) != NULL);
}

/* Families are chains of indices, which move when metrics go. */
void
match_reduce(struct stats_snapshot *s, char *const *patterns)
{
	unsigned i, j, n = 0;

	if (patterns == NULL || *patterns == NULL)
		return;
	for (i = 0; i < s->nmetrics; i++) {
		if (!match_metric(&s->metric[i], patterns))
			continue;
		s->metric[n] = s->metric[i];
		s->metric[n].leads = true;
		s->metric[n].next = 0;
		for (j = n; j-- > 0;) {
			if (strcmp(s->metric[j].name, s->metric[n].name) != 0)
				continue;
			s->metric[j].next = n;
			s->metric[n].leads = false;
			break;
		}
		n++;
	}
	s->nmetrics = n;
}
