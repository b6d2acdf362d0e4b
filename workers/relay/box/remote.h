/*
 * Notifications in Redis, which all hosts share.  What is asked of one user is
 * one script, which tells all hosts what has changed as well, so that nothing is
 * done that nobody is told of:
 *
 *	PREFIXinbox:meta:NS:USER	hash: v version, c count, b bytes, s the
 *					last serial, x when the first expires
 *					(unix ms), p preferences as given back,
 *					m, l, q the same for the script
 *	PREFIXinbox:items:NS:USER	hash: iID to its record, kCOLLAPSE to ID
 *	PREFIXinbox:order:NS:USER	sorted set: ids by serial
 *	PREFIXinbox:read:NS:USER	the same of those that are read
 *	PREFIXinbox:news:N		channel: NS, NUL, USER, NUL, "KIND VERSION
 *					COUNT DUE\n", text; N, 0..63, is of the user's
 *					name
 *
 * They are where the user's channel is, in a Cluster too; NS is without its slash,
 * and ":" and "%" in it are %3a and %25.
 */
#ifndef RELAY_BOX_REMOTE_H
#define RELAY_BOX_REMOTE_H

#include "relay/box/engine.h"
#include "relay/redis/redis.h"

struct box_remote;

extern const struct box_engine box_remote_engine;

/* stale: news may not have come. */
struct box_remote *box_remote_new(const struct box_calls *,
	    void (*stale)(void *arg)) MUST_USE;	/* NULL: no memory */
void	box_remote_free(struct box_remote **);
/* As of boxes_redis(); news are listened to. */
void	box_remote_serve(struct box_remote *, struct redis *,
	    const char *prefix, bool changed, bool alone);
bool	box_remote_is_settled(const struct box_remote *);
/* A message of such a channel; false: it makes no sense. */
bool	box_news_decode(struct slice, struct box_news *) MUST_USE;

#endif
