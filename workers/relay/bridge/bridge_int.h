/*
 * Between bridge.c (a channel) and bridge_stream.c (a stream): messages of back
 * ends, taken by either.
 */
#ifndef RELAY_BRIDGE_BRIDGE_INT_H
#define RELAY_BRIDGE_BRIDGE_INT_H

#include "conf/conf.h"
#include "relay/bridge/bridge.h"
#include "relay/bridge/home.h"

#define BRIDGE_ID_MAX	48	/* two numbers of 64 bits, and what is between */

struct bridge_stream {
	/* asks: for its place, for entries; then it waits for a poll */
	enum { STREAM_OFF, STREAM_AWAY, STREAM_ASKS, STREAM_RESTS } state;
	bool		 known;		/* `at` is our place */
	bool		 failing;	/* it was said that it does */
	unsigned	 pause;		/* polls to leave out, after an error */
	char		 at[BRIDGE_ID_MAX];	/* the last that was taken */
	uint64_t	 number;	/* of that entry among all that were ever
					 * added; 0: Redis does not know */
	char		 own[CONF_REDIS_PREFIX_MAX + 48]; /* keys of places */
	char		 all[CONF_REDIS_PREFIX_MAX + 32];
};

struct bridge {
	unsigned	 magic;
#define BRIDGE_MAGIC	0xb41d6e05
	struct bridge_params p;
	char		 publish[CONF_REDIS_PREFIX_MAX + 16]; /* the channel, and
							       * the stream */
	struct bridge_stream stream;
};

/* As it came: sealed, perhaps. */
void	bridge_take(struct bridge *, struct slice payload);
/* One that came without its text. */
enum bridge_bad { BRIDGE_TOO_LARGE, BRIDGE_NO_BODY };
void	bridge_refuse(struct bridge *, enum bridge_bad);

void	bridge_stream_init(struct bridge *);

#endif
