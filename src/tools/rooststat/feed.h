/*
 * The stats file over time: maps it, takes samples, notices that the daemon
 * has ended, fell silent or started anew, and finds the next file.  A daemon
 * that is gone leaves its last numbers readable.
 */
#ifndef ROOSTSTAT_FEED_H
#define ROOSTSTAT_FEED_H

#include "tools/rooststat/model.h"

struct feed_sample {
	struct stats_snapshot snap;
	struct plat_use	*use;		/* by row; NULL: no memory */
	struct mono	 at;
	bool		 full;
};

struct feed {
	const char	*path;		/* borrowed */
	struct stats	*stats;
	struct feed_sample prev, cur;	/* prev: same start */
	unsigned	 restarts;	/* other starts since feed_open() */
	struct wall	 restarted;	/* when the last one was noticed */
	struct model_source source;
};

/* -1 + errno, as stats_open(). */
int	feed_open(struct feed *, const char *path) MUST_USE;
void	feed_close(struct feed *);
/*
 * Takes a sample, from the next file if there is one.  -1 + errno: no memory,
 * or a malformed file; the samples before stay.
 */
int	feed_sample(struct feed *, struct mono, struct wall) MUST_USE;
/* Between the two samples, 0 when there is one. */
uint64_t feed_elapsed_us(const struct feed *);

#endif
