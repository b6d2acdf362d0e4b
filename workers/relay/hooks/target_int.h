/*
 * The inside of a target, between target.c (addresses, sockets) and post.c
 * (requests).
 */
#ifndef RELAY_HOOKS_TARGET_INT_H
#define RELAY_HOOKS_TARGET_INT_H

#include <curl/curl.h>

#include "relay/hooks/post.h"
#include "relay/redis/resolve.h"
#include "sys/loop.h"

TAILQ_HEAD(post_list, post);

struct target {
	unsigned	 magic;
#define TARGET_MAGIC	0x7a46e75b
	struct loop	*loop;
	char		*url, *host, *ca;
	unsigned	 port;
	bool		 allow_private;
	CURLM		*multi;
	struct timer	 timer;		/* libcurl's */
	bool		 kick;		/* ... which is over */
	struct post_list waiting;	/* for addresses */
	struct post_list running;
	unsigned	 nrunning;
	unsigned	 connections;	/* at most */
	struct resolve	 resolve;
	bool		 resolving;
	struct resolved	 found;		/* those that may be connected to */
	uint64_t	 found_ms;	/* monotonic; 0: not looked up, or not to
					 * be believed any more */
};

/* What a target tells its requests. */
struct post_calls {
	/* It has addresses; or there are none, and why. */
	void	(*run)(struct post *);
	void	(*end)(struct post *, unsigned status, const char *why);
	/* The transfer is over. */
	void	(*over)(struct post *, CURLcode);
};

/* target.c: find addresses, unless there are new ones: true.  They were of no
 * use. */
bool	target_find(struct target *);
void	target_doubt(struct target *);
bool	target_allows(const struct target *, const struct sockaddr *,
	    socklen_t);

#endif
