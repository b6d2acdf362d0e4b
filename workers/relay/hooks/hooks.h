/*
 * Back ends that are told over HTTP: this folder's roof.  A namespace that
 * names a hook has a queue here, and its entries, which are those of the stream
 * in Redis (relay/stream/stream.h), go there instead: POSTed in batches,
 * signed, in order, again until they are taken.
 *
 *	stream ─► hooks ─► courier (one a namespace) ─► post ─► target ─► libcurl
 *	                   queue  body                  (one a hook)
 *
 * Numbers and epochs are as there: what could not be kept, or was given up, has
 * a number that nobody gets.
 */
#ifndef RELAY_HOOKS_HOOKS_H
#define RELAY_HOOKS_HOOKS_H

#include <stdbool.h>

#include "base/buf.h"

struct conf;
struct exchange;
struct hooks;
struct loop;
struct segment;
struct stream;
struct table_event;
struct table_relay;

struct hooks_params {
	const struct conf *conf;
	struct exchange	*exchange;
	struct segment	*segment;
	struct loop	*loop;
	struct stream	*stream;	/* gives events, takes answers */
	struct slice	 saved;		/* by a relay before; empty: nothing */
};

struct hooks *hooks_new(const struct hooks_params *) MUST_USE;
					/* NULL: no memory */
void	hooks_free(struct hooks **);
void	hooks_conf(struct hooks *, const struct conf *);
/* Somebody died with events that it had not given to us yet. */
void	hooks_lost(struct hooks *);
/* The table of users tells of one. */
void	hooks_presence(struct hooks *, const struct table_event *);
/* The end of a turn.  users: that table. */
void	hooks_turn(struct hooks *, const struct table_relay *users);
/* There is more to do at once. */
bool	hooks_busy(const struct hooks *);
/* Back ends have all of it, or do not take it now. */
bool	hooks_is_settled(const struct hooks *);
/*
 * What waits, and what was given up, goes on in another relay: appended as a
 * section of base/state.h, nothing if there is nothing.  What was under way is
 * sent again there, with the number that it has.
 */
void	hooks_save(struct hooks *, struct buf *);
/* Bytes of that section at the beginning of what was saved; 0: there is none. */
size_t	hooks_saved(struct slice saved);

#endif
