/*
 * Where the requests of a hook go: its URL, the addresses of its host, and the
 * connections there, which the loop watches.  With target_int.h and post.c this
 * is libcurl's only home.
 *
 * Names are looked up by relay/redis/resolve.h and not by libcurl, which would
 * wait for its thread when a request is given up.  An address that may not be
 * connected to is none, whatever the name says at which moment: libcurl is
 * given the addresses, and each socket is looked at once more.
 */
#ifndef RELAY_HOOKS_TARGET_H
#define RELAY_HOOKS_TARGET_H

#include <stdbool.h>

#include "base/bug.h"

struct conf_hook;
struct loop;
struct target;

/* NULL: no memory. */
struct target *target_new(struct loop *, const struct conf_hook *) MUST_USE;
/* It may have so many connections at once; what is more waits for one. */
void	target_limit(struct target *, unsigned connections);
/* Nothing is under way there. */
void	target_free(struct target **);
/* It is what this hook names. */
bool	target_is(const struct target *, const struct conf_hook *) MUST_USE;
/* Each turn. */
void	target_turn(struct target *);
/* There is more to do, for which no event will come. */
bool	target_busy(const struct target *);

#endif
