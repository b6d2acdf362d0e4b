/*
 * Answers of hooks that say for how long they hold ("cache"), so that the hook
 * is not asked the same about the same one again.  Of each hook, within its
 * cache_bytes: the oldest make room.  Nothing outlives a configuration, or a
 * revocation of its user.
 *
 *	key	namespace, kind of question, who (user and what his token says),
 *		and the room, or the event
 *
 * Relay's memory; no answer of nobody in particular is kept.
 */
#ifndef RELAY_HOOKS_ANSWERS_H
#define RELAY_HOOKS_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/slice.h"

struct answers;
struct bus_publish;
struct conf;
struct conf_hook;
struct conf_namespace;
struct segment;

/* Where an answer will belong, as it was when the hook was asked. */
struct answers_place {
	size_t		 hook;
	uint32_t	 serial;	/* of the configuration */
	uint64_t	 cache_ms, cache_bytes;
	int64_t		 since_s;	/* unix: it was asked */
};

struct answers *answers_new(const struct segment *) MUST_USE;
					/* NULL: no memory */
void	answers_free(struct answers **);
/* From now on these are the hooks; nothing is kept any more. */
void	answers_conf(struct answers *, const struct conf *);

/* Of a question (FORWARD_ASKS...): what it is kept by, until the next call;
 * empty: it is not. */
struct slice answers_key(struct answers *, const struct conf_namespace *,
	    const struct bus_publish *);
/* There is one that holds, until the next call; counted as hit or miss. */
bool	answers_find(struct answers *, struct slice key,
	    const struct bus_publish *, struct slice *body) MUST_USE;
struct answers_place answers_place(const struct answers *,
	    const struct conf_hook *);
/* One has come; it is kept if it is a verdict that says so. */
void	answers_keep(struct answers *, const struct answers_place *,
	    struct slice key, struct slice body);

#endif
