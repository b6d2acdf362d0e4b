/*
 * Some users of a namespace and what became of them: as arguments of the
 * script that writes them to Redis, and as entries of a message to the other
 * nodes.  Memory only; truth.c collects, sends and tells them.
 */
#ifndef RELAY_PEOPLE_BATCH_H
#define RELAY_PEOPLE_BATCH_H

#include <sys/queue.h>

#include "relay/people/news.h"

#define BATCH_MAX	128u	/* entries */
#define BATCH_ARGS	3u	/* of each: field, value, object; of who is gone
				 * there is no value, and why in place of the
				 * object, or nothing */

struct truth;

struct batch_part {
	uint32_t	 at, n;		/* in bytes */
};

struct batch {
	struct buf	 bytes;
	struct batch_part part[BATCH_ARGS * BATCH_MAX];
	unsigned	 n;		/* entries */
	struct buf	 news;
	/* of truth.c, while it is on its way to Redis: */
	struct truth	*truth;
	size_t		 ns;
	TAILQ_ENTRY(batch) next;
};

TAILQ_HEAD(batch_list, batch);

struct batch *batch_new(void) MUST_USE;		/* NULL: no memory */
void	batch_free(struct batch **);
void	batch_empty(struct batch *);
/* One more, as epoch has it; not of a full one. */
void	batch_add(struct batch *, uint64_t epoch, const struct news_entry *);
/* Memory was short: it is not whole. */
bool	batch_is_cut(const struct batch *);
/* Arguments, BATCH_ARGS of each entry, valid as long as it is not changed. */
size_t	batch_args(const struct batch *, struct slice *argv);

#endif
