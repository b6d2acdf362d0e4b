/*
 * The Sentinels, who know where the master is: each is asked every two seconds
 * and listened to, and of what they say the newest counts.  One that cannot be
 * reached, knows less than the others, or names a replica, is no harm.
 */
#ifndef RELAY_REDIS_SENTINELS_H
#define RELAY_REDIS_SENTINELS_H

#include "relay/redis/link.h"

struct sentinels;

struct sentinels_params {
	const struct conf_redis *conf;	/* borrowed; it has sentinels */
	struct loop	*loop;
	void		*arg;		/* of all: */
	/* The one found last is connected, as far as anybody knows. */
	bool		(*works)(void *arg);
	/* Here is the master: at first, and whenever it is another one; the one
	 * before was named until `since`, at least. */
	void		(*found)(void *arg, const char *host, unsigned port,
			    struct mono since);
	/* No Sentinel names one, at first or any more.  words: for the log,
	 * valid for this call.  What was found last may be right yet. */
	void		(*lost)(void *arg, const char *words);
};

/* NULL: no memory. */
struct sentinels *sentinels_new(const struct sentinels_params *) MUST_USE;
void	sentinels_free(struct sentinels **);
/* The master does not do, or is no master: ask now. */
void	sentinels_look(struct sentinels *);
/* The one found says itself that it is a replica. */
void	sentinels_refuted(struct sentinels *);
/* sentinel_password_file may have changed; see link_renew(). */
void	sentinels_renew(struct sentinels *);
/* About once a second. */
void	sentinels_beat(struct sentinels *);
void	sentinels_flush(struct sentinels *);

#endif
