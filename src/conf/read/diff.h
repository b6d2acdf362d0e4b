/*
 * What differs between two configurations, directive by directive: for the
 * log of a reload, which must also know what takes effect without a restart.
 */
#ifndef CONF_READ_DIFF_H
#define CONF_READ_DIFF_H

#include "base/bug.h"
#include "conf/model.h"

enum conf_change {
	CONF_ADDED,		/* a section, with all that is in it */
	CONF_REMOVED,		/* the same */
	CONF_CHANGED,		/* a directive */
};

struct conf_difference {
	enum conf_change change;
	const char	*what;	/* 'namespace "/x": event "say": ack' */
	const char	*before, *after; /* values as in a file, what is secret
				 * as "..."; NULL: of a section */
	bool		 reload; /* SIGHUP is enough */
};

typedef void conf_diff_cb(void *arg, const struct conf_difference *);

/*
 * Calls back for each difference, in the order of their names; what a section
 * that was added or removed contains is not told one by one.  Sections are
 * the same if their titles are, wherever they stand; where the order means
 * something (rooms, routes: the first that matches applies), what one stands
 * behind is told as its "position".  How many, or -1: no memory, and nothing
 * was called.
 */
int	conf_diff(const struct conf *before, const struct conf *after,
	    conf_diff_cb *, void *arg) MUST_USE;

#endif
