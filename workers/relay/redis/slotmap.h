/*
 * Which node of a Redis Cluster has which slots, from CLUSTER SLOTS, and what
 * its nodes say when they are asked for what is elsewhere.  Memory only.
 */
#ifndef RELAY_REDIS_SLOTMAP_H
#define RELAY_REDIS_SLOTMAP_H

#include "relay/redis/link.h"
#include "relay/redis/spread.h"

#define SLOTMAP_NODES	256	/* masters; slots of more are nobody's */
#define SLOTMAP_NOBODY	UINT16_MAX
#define SLOTMAP_ID	41

struct slotmap_node {
	char		 host[LINK_HOST];
	unsigned	 port;
	char		 id[SLOTMAP_ID];	/* "": not known */
};

struct slotmap {
	size_t		 n;
	struct slotmap_node nodes[SLOTMAP_NODES];
	uint16_t	 owner[SPREAD_SLOTS];	/* of nodes, or NOBODY */
};

/* "MOVED 3999 127.0.0.1:6381", "ASK ...". */
struct slotmap_redirect {
	bool		 ask;		/* this time only */
	unsigned	 slot;
	char		 host[LINK_HOST];	/* "": the one that says so */
	unsigned	 port;
};

void	slotmap_init(struct slotmap *);
/*
 * The reply to CLUSTER SLOTS of a node that was reached as host, which stands
 * for those that do not tell theirs.  False: it is none; m is unchanged.
 */
bool	slotmap_read(struct slotmap *m, const struct reply *, const char *host)
	    MUST_USE;
/* The place of a node in m, which it gets if it has none; NOBODY: no room. */
uint16_t slotmap_node(struct slotmap *, const char *host, unsigned port,
	    const char *id);

bool	slotmap_redirect(const struct reply *, struct slotmap_redirect *);
/* An error that goes by itself: TRYAGAIN, CLUSTERDOWN, MASTERDOWN, LOADING. */
bool	slotmap_is_passing(const struct reply *);

#endif
