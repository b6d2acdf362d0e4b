/*
 * The model as lines of text for a terminal of a given size, styles included
 * (see text.h).  Pure: what is shown depends on the arguments only.
 */
#ifndef ROOSTSTAT_VIEW_H
#define ROOSTSTAT_VIEW_H

#include "tools/rooststat/model.h"
#include "tools/rooststat/text.h"

enum view_page {
	PAGE_OVERVIEW,
	PAGE_COUNTERS,
	PAGE_NAMESPACES,
	PAGE_WORKERS,
	PAGE_RELAY,
	PAGE__MAX
};

#define VIEW_INPUT	64

enum view_prompt { PROMPT_NONE, PROMPT_FILTER, PROMPT_INTERVAL };

struct view {
	enum view_page	 page;
	unsigned	 sort[PAGE__MAX];	/* by this column */
	unsigned	 cursor;	/* row; drawing bounds it */
	unsigned	 top;		/* first row shown */
	unsigned	 shown;		/* rows shown last, for paging */
	bool		 zeros;		/* counters: those that are 0 as well */
	bool		 paused, help, utf8;
	unsigned	 interval_ms;
	enum view_prompt prompt;	/* input is being typed */
	char		 input[VIEW_INPUT];
	char		 filter[VIEW_INPUT];	/* of names, "" for all */
	char		*const *pattern;	/* given, NULL-ended */
};

void	view_init(struct view *);
/* Exactly rows lines, each so many columns wide and ended by a newline. */
void	view_draw(struct view *, const struct model *, unsigned columns,
	    unsigned rows, struct buf *out);
/* The verdict and its reasons in one line; NUL-terminated. */
void	view_verdict(const struct model *, bool utf8, struct buf *out);
/* How many columns a page can be sorted by. */
unsigned view_columns(enum view_page);

#endif
